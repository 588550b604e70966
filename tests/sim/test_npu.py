"""The NPU engine's RTL against its golden model and the graph: every bit and every clock."""

import dataclasses
import re

import numpy as np
import pytest
from tercet.compiler import compile as compile_graph
from tercet.compiler import load as load_graph
from tercet.compiler.tflite import load_tflite
from tercet.engines.npu import SPEC
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.commands import Command, Memory
from tercet.sim import npu, simulators
from tercet.sim.build import SimulationError
from tercet.sim.engine import counters_of, engine_sources, run_jobs

from ..compiler.models import MODELS, model
from ..compiler.random_networks import random_file
from ..compiler.small_networks import picture_network
from .npu_inferences import MEMORIES, SMALL, check, inference, inferences, random_inferences, wide_layers

SIMULATORS = [candidate.name for candidate in simulators.available() if candidate.simulator is not None]
CONFIGS = {
    "4x4": SMALL,
    "5x3": NpuConfig(rows=5, cols=3, weight_rows=5, depthwise_taps=2, requant_lanes=2, acc_depth=7, **MEMORIES),
    "4x4-diagonal": NpuConfig(
        rows=4, cols=4, weight_rows=1, depthwise_taps=0, requant_lanes=1, acc_depth=16, **MEMORIES
    ),
    # Parameters of a tile come later than its sums.
    "2x16": NpuConfig(rows=2, cols=16, weight_rows=1, depthwise_taps=1, requant_lanes=16, acc_depth=4, **MEMORIES),
}
# 200 networks, shared out among the configurations.
SEEDS = {name: range(50 * n, 50 * n + 50) for n, name in enumerate(CONFIGS)}
FEW = range(8)


def run(config, items, **options):
    check(items, run_jobs(SPEC, config, [item.job() for item in items], **options))


@pytest.mark.parametrize(("name", "stall"), [*((name, 0.0) for name in CONFIGS), ("4x4", 0.3), ("2x16", 0.3)])
def test_random_networks(name, stall):
    """A run never waits for a stream, so the cycle model also holds with stalls."""
    items = inferences(CONFIGS[name], picture_network(), wide_layers()) + random_inferences(CONFIGS[name], SEEDS[name])
    run(CONFIGS[name], items, stall=stall, seed=1)
    opcodes = {line.partition(" ")[0] for item in items for line in item.program.listing().splitlines()}
    assert opcodes == {"HALT", "CONVOLVE", "DEPTHWISE", "MAXIMUM", "ADD", "MULTIPLY", "LARGER", "LOOKUP"}


@pytest.mark.long
@pytest.mark.parametrize("name", CONFIGS)
def test_many_random_networks(name):
    run(CONFIGS[name], random_inferences(CONFIGS[name], range(200, 400)))


# iCE40's blocks are also in the netlist that `make test` simulates; see tests/boards/fpga/test_gates.py.
@pytest.mark.parametrize("mac", ["ecp5", "ecp5-dual", pytest.param("ice40", marks=pytest.mark.long)])
def test_families(mac):
    """The FPGA's blocks, by their models."""
    fields = {"mac": mac, "lut_rows": 1 if mac == "ecp5-dual" else 0}
    config = NpuConfig(rows=4, cols=4, weight_rows=4, depthwise_taps=2, requant_lanes=2, **fields, **MEMORIES)
    run(config, random_inferences(config, FEW))


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_simulators_agree(simulator):
    items = sorted(random_inferences(SMALL, FEW), key=lambda item: item.program.cycles)[:2]
    run(SMALL, items, simulator=simulator)


def test_batches():
    """A batch is one simulation, in which the host's operators take another start each."""
    config, rng = SMALL, np.random.default_rng(2)
    hosts = []
    for seed in range(2):
        file = random_file(seed)
        graph = load_tflite(file.data)
        program = compile_graph(graph, config, host_fallback=True)
        x = file.batch(rng, 2)
        x = x if len(x) > 1 else x[0]
        found = npu.run(config, program, x)
        for got, want in zip(found.out, graph.run(x), strict=True):
            np.testing.assert_array_equal(got, want, strict=True)
        assert found.cycles == found.counters["run"] == 2 * program.cycles
        hosts.append(sum(step.operator is None for step in program.steps) > 1)
    assert set(hosts) == {False, True}


@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_a_clock_of_reset(stall):
    """Jobs cut off at random clocks, each followed by another that starts three clocks after the reset."""
    config, rng = SMALL, np.random.default_rng(3)
    items = random_inferences(config, FEW)
    whole = run_jobs(SPEC, config, [item.job() for item in items], stall=stall)
    queue = []
    after = [items[n] for n in rng.integers(len(items), size=30)]
    for item in after:
        cut = int(rng.integers(len(items)))
        # The memories take most of a job to load, so half of the cuts are in its second half.
        first = rng.choice([1, whole[cut].cycles // 2])
        clocks = int(rng.integers(first, whole[cut].cycles))
        queue += [dataclasses.replace(items[cut].job(), cut_after=clocks), item.job()]
    results = run_jobs(SPEC, config, queue, stall=stall)
    assert 0 < sum(bool(counters_of(SPEC, result.probes)["run"]) for result in results[::2]) < len(after)
    check(after, results[1::2])


def test_a_resident_program():
    """The memories keep a program: a second inference sends its inputs and constants only."""
    item = random_inferences(SMALL, FEW)[0]
    jobs = [item.job(), item.job(loads=False, keep=True)]
    results = run_jobs(SPEC, SMALL, jobs)
    counters = [counters_of(SPEC, result.probes) for result in results]
    for result in results:
        assert len(item.compare(result.outputs["results"])) == 0
    assert counters[1]["run"] == 2 * counters[0]["run"] == 2 * item.program.cycles
    assert [counter["load"] for counter in counters] == [
        len(jobs[0].inputs["data"]),
        sum(len(j.inputs["data"]) for j in jobs),
    ]
    written = {int(beat[0]) >> 2 & 7 for beat in jobs[1].inputs["commands"] if beat[0] & 3 == Command.WRITE}
    assert written == {Memory.BUFFER}


def on_models(config, names, count):
    """Inferences of models, on random codes."""
    rng, found = np.random.default_rng(4), []
    for name in names:
        graph = load_graph(model(name))
        program = compile_graph(graph, config)
        for _ in range(count):
            x = rng.integers(-128, 128, graph.inputs[0].sample_shape).astype(np.int8)
            found.append(inference(program, x, graph.run(x)))
    return found


def test_models():
    run(NpuConfig(), on_models(NpuConfig(), MODELS, 3))


# Broken function -> configuration, module, and the change of its text.
MUTATIONS = {
    "full accumulators": ("4x4", "machine_gather", r"= bank_free \| ", "= 1'h1 | "),
    "results of the instruction before": ("4x4", "machine_gather", r"= idle \| ", "= 1'h1 | "),
    "sums in flight": ("4x4", "machine_gather", r"age <= 3'h[1-9]", "age <= 3'h0"),
    "bytes before the operand": ("4x4", "machine_gather", r"s2_before <= ", "s2_before <= 1'h0 & "),
    "windows": ("4x4", "machine_gather_counter", r"row_emit <= ", "row_emit <= 1'h1 | "),
    "passes not yet taken": ("4x4", "machine_loader", r"taken = full & o__ready", "taken = full"),
    "words of a plane": ("4x4", "machine_loader", r"place <= 2'h1", "place <= 2'h2"),
    "weights of all tiles": ("4x4", "machine_sequencer", r"instruction\[534\] \?", "1'h1 ?"),
    "weights of all kernel rows": ("4x4", "machine_sequencer", r"instruction\[533\]", "1'h0"),
    "two sets of parameters": ("4x4", "machine_drain", r" slot <= (_\d+_)", " slot <= 1'h0"),
    "columns of the last clock": ("4x4", "machine_drain", r"\? left :", "? 2'h2 :"),
    "parameters to come": ("2x16", "machine_drain", r"& params_ready", "& 1'h1"),
    "parameters in use": ("2x16", "machine_params", r"unread != 2'h2", "unread != 2'h3"),
    "tables to come": ("4x4", "machine_tables", r"assign ready = .*", "assign ready = 1;"),
    "tables in use": ("4x4", "machine_tables", r"~ in_use", "~ 1'h0"),
    "products": ("4x4", r"machine(?=\()", r"product <= ", "product <= 1'h0 & "),
}
QUICK = ("full accumulators", "passes not yet taken", "parameters to come")


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.long) for n in MUTATIONS])
def test_broken_rtl_is_caught(name):
    configuration, module, pattern, replacement = MUTATIONS[name]
    config = CONFIGS[configuration]
    text = engine_sources(SPEC, config)["npu.v"]
    start = re.search(rf"^module npu_{module}\w*\(", text, re.M)
    assert start, re.findall(r"^module (\w+)", text, re.M)
    end = text.index("endmodule", start.start())
    broken, changes = re.subn(pattern, replacement, text[start.start() : end])
    assert changes, text[start.start() : end]
    items = inferences(config, picture_network(), wide_layers()) + random_inferences(config, FEW)
    with pytest.raises((AssertionError, SimulationError)):
        run(config, items, sources={"npu.v": text[: start.start()] + broken + text[end:]})


def test_refuses():
    item = random_inferences(SMALL, FEW)[0]
    x = [array[0] for array in item.sample]
    with pytest.raises(TypeError, match="program is a int, not a Program; use tercet.compiler.compile"):
        npu.run(SMALL, 3, x)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="is for a machine with rows 4, not 5; .*compile the model for this one"):
        npu.run(CONFIGS["5x3"], item.program, x)
