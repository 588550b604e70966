"""Matrix product on a tensor core with four dot-product units, compared bit by bit with the golden model."""

import numpy as np
from tercet.golden.tensorcore import TensorCoreConfig, cycles, mma
from tercet.sim import tensorcore

config = TensorCoreConfig.volta(fold=4)  # four dot-product units: one row of a 4x4 block per clock
rng = np.random.default_rng(0)
a, b = rng.standard_normal((16, 64)).astype(np.float16), rng.standard_normal((64, 32)).astype(np.float16)
c = rng.standard_normal((16, 32)).astype(np.float32)
run = tensorcore.mma(config, a, b, c)  # simulates the generated Verilog
assert run.out.tobytes() == mma(a, b, c, config).tobytes()
print(run.cycles, cycles(config, 16, 32, 64), run.counters)
print((run.out != a.astype(np.float32) @ b.astype(np.float32) + c).mean())  # most elements differ from FP32 sums
