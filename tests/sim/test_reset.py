"""A reset of one clock ends whatever an engine is doing: nothing of it comes out later, or changes what follows."""

import dataclasses
import functools

import numpy as np
import pytest
from tercet.golden.eie import EieConfig, spmv
from tercet.golden.eie_program import link
from tercet.golden.systolic import SystolicConfig, matmul
from tercet.golden.tensorcore import TensorCoreConfig, check_mma, mma
from tercet.rtl.eie import counters as eie_counters
from tercet.rtl.systolic import counters as systolic_counters
from tercet.rtl.tensorcore import counters as tensorcore_counters
from tercet.sim import bench, eie, systolic, tensorcore
from tercet.sim.eie_stimuli import layer_jobs, random_acts, random_layer
from tercet.sim.stimuli import products
from tercet.sim.tensorcore_stimuli import random_operands

CUTS = 150
ENGINES = {
    "systolic-ws": SystolicConfig(rows=5, cols=3, acc_depth=4, requant_lanes=2),
    "systolic-ws-ecp5": SystolicConfig(rows=2, cols=2, acc_depth=8, mac="ecp5", requant_lanes=1),
    "systolic-os": SystolicConfig(rows=4, cols=3, acc_depth=8, dataflow="os", requant_lanes=3),
    "eie-any": EieConfig(n_pe=3, act_depth=32),
    "eie-ecp5": EieConfig(n_pe=6, act_depth=32, family="ecp5"),
    "eie-ice40": EieConfig(n_pe=2, act_depth=32, family="ice40"),
    "tensorcore": TensorCoreConfig(m=2, n=2),
    "tensorcore-fold": TensorCoreConfig(m=2, n=2, fold=4, pipeline=6, family="ecp5"),
    "tensorcore-int8": TensorCoreConfig(a_format="int8", fold=2),
}
COUNTERS = {systolic: systolic_counters, eie: eie_counters, tensorcore: tensorcore_counters}


def work(config, rng):
    """Streams, Verilog, jobs, and for each what gives its result and what that should be."""
    if isinstance(config, SystolicConfig):
        items = products(config, 8, seed=1, largest=12)
        wants = [matmul(item.acts, item.weights, item.bias, config) for item in items]
        wants = [item.requant.apply(want) if item.requant else want for want, item in zip(wants, items, strict=True)]
        jobs = [systolic.job(config, item) for item in items]
        return systolic, jobs, [functools.partial(systolic.result, config, item) for item in items], wants
    if isinstance(config, EieConfig):
        # The last is mostly fillers.
        long = random_layer(rng, config, 25 * config.n_pe, 30, 0.02)
        layers = [*layer_jobs(config, 4, seed=1, largest=20), (long, random_acts(rng, 30, 0.9))]
        programs = [link(config, [layer]) for layer, _ in layers]
        jobs = [eie.job(program, acts) for program, (_, acts) in zip(programs, layers, strict=True)]
        results = [
            functools.partial(eie.result, program, acts) for program, (_, acts) in zip(programs, layers, strict=True)
        ]
        return eie, jobs, results, [spmv(*item) for item in layers]
    items = [
        random_operands(rng, config, m, k * config.l, n, batch)
        for m, k, n, batch in [(4, 1, 4, 3), (7, 3, 6, 1), (4, 2, 9, 2)]
    ]
    patterns = [check_mma(*item, config) for item in items]
    jobs = [tensorcore.job(config, *arrays) for arrays in patterns]
    results = [functools.partial(tensorcore.result, config, arrays) for arrays in patterns]
    return tensorcore, jobs, results, [mma(*item, config) for item in items]


@pytest.mark.parametrize("stall", [0.0, 0.3])
@pytest.mark.parametrize("name", ENGINES)
def test_a_clock_of_reset(name, stall):
    """Jobs cut off anywhere, each with one behind it that begins three clocks after the reset."""
    config = ENGINES[name]
    rng = np.random.default_rng(0)
    sim, jobs, results, wants = work(config, rng)
    counters = COUNTERS[sim]
    probes = {str(name): int(counters.COUNTER_BITS) for name in counters.COUNTERS}
    probes |= {"error": 1} if sim is eie else {}
    whole = bench.run(sim.sources(config), sim.TOP, sim.streams(config), jobs, probes=probes, stall=stall)
    cut = rng.integers(len(jobs), size=CUTS)
    after = rng.integers(len(jobs), size=CUTS)
    queue = []
    for first, second in zip(cut, after, strict=True):
        clocks = int(rng.integers(1, whole[first].cycles + 2))
        queue += [dataclasses.replace(jobs[first], cut_after=clocks), jobs[second]]
    done = bench.run(sim.sources(config), sim.TOP, sim.streams(config), queue, probes=probes, stall=stall)
    beats = [sum(map(len, found.outputs.values())) for found in done]
    assert sum(beats[0::2]) > 0  # some had begun to give results
    for number, found in zip(after, done[1::2], strict=True):
        assert results[number](found).out.tobytes() == wants[number].tobytes()
        if not stall:
            assert (found.cycles, found.probes) == (whole[number].cycles, whole[number].probes)
