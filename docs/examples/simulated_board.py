"""Matrix product on a simulated board; with a serial port such as /dev/ttyUSB1, on a real one."""

import numpy as np
from tercet.boards.host.device import Device

with Device.open("sim:icebreaker,bytes") as device:
    rng = np.random.default_rng(0)
    acts = rng.integers(-128, 128, (20, 30), np.int8)
    weights = rng.integers(-128, 128, (30, 8), np.int8)
    assert (device.matmul(acts, weights) == acts.astype(int) @ weights).all()
    print(device.info.soc.config)
    print(device.counters())
