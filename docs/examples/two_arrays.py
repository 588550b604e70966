"""Two random matrices through the RTL of an 8x8 systolic array."""

import numpy as np
from tercet.golden.systolic import SystolicConfig
from tercet.sim import systolic

config = SystolicConfig(rows=8, cols=8)
rng = np.random.default_rng(0)
acts = rng.integers(-128, 128, (64, 32), np.int8)
weights = rng.integers(-128, 128, (32, 16), np.int8)
run = systolic.matmul(config, acts, weights)  # simulates the generated Verilog
assert (run.out == acts.astype(int) @ weights).all()
print(run.cycles, config.cycles(64, 32, 16), run.counters)
