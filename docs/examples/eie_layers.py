"""Two sparse layers on an EIE engine of eight processing elements, without the host in between."""

import numpy as np
from tercet.golden.eie import EieConfig, encode, network_cycles
from tercet.sim import eie

config = EieConfig(n_pe=8)
rng = np.random.default_rng(0)
codebook = np.arange(-8, 8, dtype=np.int16) * 500  # 16 shared weights, weight_frac = 12 fraction bits
codebook[0] = 0  # code 0 is a pruned weight
codes = [rng.integers(1, 16, shape, np.uint8) * (rng.random(shape) < 0.1) for shape in ((300, 64), (10, 300))]
layers = [encode(codes[0], codebook, config, relu=True, permute="balance"), encode(codes[1], codebook, config)]
acts = rng.integers(0, 256, (4, 64)).astype(np.int16)  # act_frac = 8 fraction bits
run = eie.network(config, layers, acts)  # four vectors through both layers
print(run.out.shape, run.cycles, run.counters)
assert run.cycles == network_cycles(layers, acts).total
