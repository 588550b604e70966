"""Jobs that keep their predecessor's state: the engine is not reset, and its program need not be sent again."""

import numpy as np
import pytest
from tercet.engines.eie import SPEC
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.operands import bind, collect, job, run_job
from tercet.golden.eie.product import spmv
from tercet.golden.eie.stimuli import random_acts, random_layer
from tercet.golden.streams import Job
from tercet.sim import bench
from tercet.sim.engine import counters_of, run_jobs

CONFIG = EieConfig(n_pe=3, act_depth=32)


@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_a_resident_program(stall):
    """A network is loaded once, and the counters continue; a reset in between would clear them."""
    rng = np.random.default_rng(0)
    layer = random_layer(rng, CONFIG, 10, 20, 0.4, bias=True)
    vectors = [bind(CONFIG, [layer], random_acts(rng, 20, 0.5, 2, act_max=layer.act_max)) for _ in range(3)]
    jobs = [job(vectors[0]), run_job(vectors[1]), run_job(vectors[2])]
    results = run_jobs(SPEC, CONFIG, jobs, stall=stall)
    for result, each in zip(results, vectors, strict=True):
        np.testing.assert_array_equal(collect(each, result.outputs), spmv(layer, each.acts))
    loads = [counters_of(SPEC, result.probes)["load"] for result in results]
    # With stalls the clocks per load differ, but by less than half.
    assert 1.5 * loads[0] < loads[1] < loads[2] - 0.5 * loads[0]
    assert stall or loads[2] - loads[1] == loads[1] - loads[0] == loads[0]
    assert len(jobs[1].inputs["frames"]) == 1


def test_needs_a_job_before():
    kept = Job({"x": np.zeros((1, 1), np.uint8)}, {"y": 1}, keep=True)
    ports = [bench.StreamPort("x", 8, "in"), bench.StreamPort("y", 8, "out")]
    with pytest.raises(ValueError, match="Job 0 keeps its predecessor's state, which is missing or cut off"):
        bench.run({}, "top", ports, [kept])
    first = Job({"x": np.zeros((1, 1), np.uint8)}, {"y": 1}, cut_after=3)
    with pytest.raises(ValueError, match="Job 1 keeps its predecessor's state"):
        bench.run({}, "top", ports, [first, kept])
