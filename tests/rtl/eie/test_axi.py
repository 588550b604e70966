"""AXI ports of the EIE engine, driven by cocotbext-axi."""

import numpy as np
import pytest
from tercet.engines.eie import SPEC
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import encode, network_cycles
from tercet.golden.eie.engine import MODEL
from tercet.golden.eie.product import network_spmv
from tercet.golden.eie.program import frame_head, link
from tercet.golden.registers import joined
from tercet.sim import simulators

SIMULATORS = [found.name for found in simulators.available() if found.simulator is not None]
CONFIG = EieConfig(n_pe=4, matrix_depth=32, pointer_depth=64, act_depth=8, constant_depth=64, program_depth=4)


def layer(rng, n_out, n_in, **options):
    codes = np.where(rng.random((n_out, n_in)) < 0.3, rng.integers(1, 16, (n_out, n_in)), 0).astype(np.uint8)
    codebook = np.concatenate(([0], rng.integers(-4096, 4096, 15))).astype(np.int16)
    return encode(codes, codebook, CONFIG, bias=rng.integers(-(2**20), 2**20, n_out), **options)


def job():
    """A network of two layers, three vectors, and the expected results and counts."""
    rng = np.random.default_rng(5)
    layers = [layer(rng, 20, 30, relu=True, shift=6), layer(rng, 15, 20)]
    acts = np.where(rng.random((3, 30)) < 0.5, rng.integers(-1000, 1000, (3, 30)), 0).astype(np.int16)
    program = link(CONFIG, layers)
    result = network_spmv(layers, acts)
    outs = result.out
    assert min(result.saturated) > 0
    cycles = network_cycles(layers, acts)
    # A lane without a row has no entries and no bias: its result is 0.
    beats = np.zeros((3, program.layers[1].rows * CONFIG.n_pe), np.int16)
    beats[:, :15] = outs
    fields = {
        name: joined(MODEL.registers[name], **{field: getattr(CONFIG, field) for field in MODEL.registers[name].fields})
        for name in ("size", "numbers")
    }
    beyond = [frame_head("matrix", 2, 30, 3), np.zeros(3, np.uint64), frame_head("constants", 4, 0, 1)]
    return {
        "load_and_run": program.frames(3),
        "run": frame_head("run", 0, 0, 3),
        "bad": np.concatenate([*beyond, np.zeros(1, np.uint64), frame_head("run", 0, 0, 0)]),
        "acts": program.layers[0].arrange(acts).astype("<i2"),
        "outs": beats.reshape(3, -1, CONFIG.n_pe),
        "total": cycles.total,
        "busy": cycles.busy,
        "filler": cycles.filler,
        "saturated": sum(result.saturated),
        **fields,
        **{name: getattr(CONFIG, name) for name in MODEL.registers if name.endswith("_depth")},
    }


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_network_over_axi(simulator, over_axi):
    over_axi(SPEC, CONFIG, simulator, "axi_bench", job())
