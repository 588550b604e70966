"""A one-clock reset stops an engine at any point: no output follows, and the next job is unaffected."""

import dataclasses

import numpy as np
import pytest
from tercet.engines import ENGINES
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.operands import bind
from tercet.golden.eie.stimuli import layer_jobs, random_acts, random_layer
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import check_mma
from tercet.golden.tensorcore.stimuli import random_operands
from tercet.sim.engine import run_jobs
from tercet.sim.stimuli import products

CUTS = 150
CASES = {
    "systolic-ws": SystolicConfig(rows=5, cols=3, acc_depth=4, requant_lanes=2),
    "systolic-ws-ecp5": SystolicConfig(rows=2, cols=2, acc_depth=8, mac="ecp5", requant_lanes=1),
    "systolic-ws-dual": SystolicConfig(rows=3, cols=4, acc_depth=8, mac="ecp5-dual", requant_lanes=1),
    "systolic-ws-ternary": SystolicConfig(rows=3, cols=2, acc_depth=8, mac="ternary-ecp5", requant_lanes=1),
    "systolic-ws-binary": SystolicConfig(rows=2, cols=3, acc_depth=8, mac="binary", requant_lanes=1),
    "systolic-os": SystolicConfig(rows=4, cols=3, acc_depth=8, dataflow="os", requant_lanes=3),
    "eie-any": EieConfig(n_pe=5, act_depth=32),
    "eie-ecp5": EieConfig(n_pe=2, act_depth=32, family="ecp5"),
    "eie-ice40": EieConfig(n_pe=2, act_depth=32, family="ice40"),
    "tensorcore": TensorCoreConfig(m=2, n=1),
    "tensorcore-fold": TensorCoreConfig(m=2, n=2, fold=4, pipeline=6, family="ecp5"),
    "tensorcore-int8": TensorCoreConfig(m=2, n=2, a_format="int8", fold=2),
}
# Any other registered engine, as it is by default; the NPU runs programs, and has its tests in test_npu.py.
COVERED = {name.partition("-")[0] for name in CASES} | {"npu"}
CASES |= {name: spec.model.config_class() for name, spec in ENGINES.items() if name not in COVERED}


def operands(model, config, rng):
    """Operands of several kinds and sizes."""
    if isinstance(config, SystolicConfig):
        return products(config, 8, seed=1, largest=12)
    if isinstance(config, EieConfig):
        # The last is mostly fillers.
        long = random_layer(rng, config, 25 * config.n_pe, 30, 0.02)
        layers = [*layer_jobs(config, 4, seed=1, largest=20), (long, random_acts(rng, 30, 0.9))]
        return [bind(config, [layer], acts) for layer, acts in layers]
    if not isinstance(config, TensorCoreConfig):
        return [model.random(config, rng, [int(size) for size in model.example.split("x")]) for _ in range(3)]
    sizes = [(4, 1, 4, 3), (7, 3, 6, 1), (4, 2, 9, 2)]
    items = [random_operands(rng, config, m, k * config.l, n, batch) for m, k, n, batch in sizes]
    return [check_mma(*item, config) for item in items]


@pytest.mark.parametrize("stall", [0.0, 0.3])
@pytest.mark.parametrize("name", CASES)
def test_a_clock_of_reset(name, stall):
    """Jobs cut off at random clocks, each followed by a job that starts three clocks after the reset."""
    config, spec = CASES[name], ENGINES[name.partition("-")[0]]
    model, rng = spec.model, np.random.default_rng(0)
    items = operands(model, config, rng)
    wants = [model.golden(config, item) for item in items]
    jobs = [model.job(config, item) for item in items]
    whole = run_jobs(spec, config, jobs, stall=stall)
    cut = rng.integers(len(jobs), size=CUTS)
    after = rng.integers(len(jobs), size=CUTS)
    queue = []
    for first, second in zip(cut, after, strict=True):
        clocks = int(rng.integers(1, whole[first].cycles + 2))
        queue += [dataclasses.replace(jobs[first], cut_after=clocks), jobs[second]]
    results = run_jobs(spec, config, queue, stall=stall)
    beats = [sum(map(len, result.outputs.values())) for result in results]
    assert sum(beats[0::2]) > 0  # some jobs were cut off during their output
    for number, result in zip(after, results[1::2], strict=True):
        assert model.collect(config, items[number], result.outputs).tobytes() == wants[number].tobytes()
        if not stall:
            assert (result.cycles, result.probes) == (whole[number].cycles, whole[number].probes)
