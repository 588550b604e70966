"""Programs on the golden machine against the graph: random networks, real models, refusals, files."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tercet.compiler import compile as compile_graph
from tercet.compiler import load
from tercet.compiler.npu.allocate import allocate
from tercet.compiler.npu.views import Storage
from tercet.compiler.tflite import load_tflite
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.program import Program, same_configuration

from ..models import MODELS, model
from ..random_networks import random_file
from ..small_networks import picture_network
from ..tflite_files import Network


def random_config(rng):
    rows, cols = int(rng.choice([2, 5, 6, 8, 16])), int(rng.choice([2, 3, 8, 16]))
    return NpuConfig(
        rows=rows,
        cols=cols,
        requant_lanes=1,
        depthwise_taps=int(rng.integers(0 if rows >= cols else 1, 5)),
        weight_rows=int(rng.choice([n for n in range(1, rows + 1) if rows % n == 0])),
        weight_bytes=2**22,
        operators=4096,
        tables=1024,
        acc_depth=int(rng.choice([2, 7, 64])),
    )


def same(program, graph, x):
    for got, want in zip(program.run(x), graph.run(x), strict=True):
        np.testing.assert_array_equal(got, want, strict=True)


def check(seeds):
    rng = np.random.default_rng(0)
    opcodes = set()
    for seed in seeds:
        file = random_file(seed)
        graph = load_tflite(file.data)
        for fold in (False, True):
            program = compile_graph(graph, random_config(rng), fold=fold, host_fallback=True)
            same(program, graph, file.batch(rng, 2))
            opcodes |= {line.partition(" ")[0] for line in program.listing().splitlines()}
    assert opcodes == {"HALT", "CONVOLVE", "DEPTHWISE", "MAXIMUM", "ADD", "MULTIPLY", "LARGER", "LOOKUP"}


def test_random_networks():
    check(range(60))


@pytest.mark.long
def test_many_random_networks():
    check(range(2000, 3000))


@pytest.mark.parametrize("name", MODELS)
def test_models(name):
    """On the machine, folded or not; activations take what the largest layer needs."""
    graph = load(model(name))
    x = np.random.default_rng(1).integers(-128, 128, (3, *graph.inputs[0].sample_shape)).astype(np.int8)
    for fold in (False, True):
        program = compile_graph(graph, fold=fold)
        same(program, graph, x)
    assert program.peak_bytes == {"ad01_int8": 768, "kws_ref_model_int8": 16_000, "ic_resnet8_int8": 49_152}[name]
    assert program.host == [layer.name for layer in graph.layers if layer.op == "SOFTMAX"]
    assert [layer.macs for layer in program.layers] == [layer.macs for layer in graph.layers]


@pytest.mark.parametrize("dtype", ["INT8", "FLOAT32"])
def test_ends_on_the_host(dtype):
    """Conversions and SOFTMAX need no fallback."""
    graph = load_tflite(picture_network(dtype=dtype))
    x = np.random.default_rng(2).random((4, 6, 6, 3)).astype(np.float32)
    program = compile_graph(graph)
    same(program, graph, x)
    same(program, graph, x[0])
    assert len(program.host) == (3 if dtype == "FLOAT32" else 1)


def test_in_place():
    """The sum of a residual block overwrites the operand that nobody reads later."""
    net = Network()
    x = net.input((1, 4, 4, 8))
    a, b, y = (net.tensor((1, 4, 4, 8), 0.5, 0) for _ in range(3))
    weights = np.eye(8, dtype=np.int8).reshape(8, 1, 1, 8) * 64
    window = {"Padding": "VALID", "StrideH": 1, "StrideW": 1}
    net.add("CONV_2D", [x, net.constant(weights, 0.01, dtype=np.int8)], a, **window)
    net.add("CONV_2D", [a, net.constant(weights, 0.01, dtype=np.int8)], b, **window)
    net.add("ADD", [a, b], y)
    z = net.tensor((1, 4, 4, 8), 0.5, 0)
    net.add("CONV_2D", [y, net.constant(weights, 0.01, dtype=np.int8)], z, **window)
    net.outputs = [z]
    graph = load_tflite(net.file())
    program = compile_graph(graph)
    assert program.peak_bytes == 2 * 128
    same(program, graph, np.random.default_rng(3).integers(-128, 128, (2, 4, 4, 8)).astype(np.int8))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"buffer_bytes": 256},
            r"needs 432 bytes of activations .* 176 more than the buffer's 256; .*buffer_bytes=432",
        ),
        ({"weight_bytes": 256}, r"has \d+ bytes of weights, \d+ more than the machine's 256; use weight_bytes="),
        ({"channels": 16}, r"has \d+ channels of parameters"),
        ({"tables": 1}, "has 2 tables, 1 more than the machine's 1; use tables=2"),
        ({"operators": 4}, r"has \d+ instructions"),
    ],
)
def test_too_small(fields, message):
    """Which memory, by how much, and what helps; with that, it compiles."""
    graph = load_tflite(picture_network())
    with pytest.raises(ValueError, match=message) as found:
        compile_graph(graph, NpuConfig(**fields))
    field, value = str(found.value).rpartition("use ")[2].split("=")
    sizes: dict[str, Any] = {field: int(value)}
    compile_graph(graph, NpuConfig(**sizes))


def test_operators_of_the_host():
    net = Network()
    x, y, z = net.input((1, 3, 4)), net.tensor((1, 4, 3), 0.5, 0), net.tensor((1, 4, 3), 0.5, 0)
    net.add("TRANSPOSE", [x, net.constant([0, 2, 1])], y)
    net.add("MUL", [y, y], z)
    net.outputs = [z]
    graph = load_tflite(net.file())
    with pytest.raises(ValueError, match=r"node 't1' \(TRANSPOSE\) of shape \(1, 4, 3\): .*; use --host-fallback"):
        compile_graph(graph)
    program = compile_graph(graph, host_fallback=True)
    assert program.host == ["t1"]
    same(program, graph, np.random.default_rng(4).integers(-128, 128, (2, 3, 4)).astype(np.int8))


def test_clipped_weights():
    net = Network()
    x, y = net.input((1, 3)), net.tensor((1, 2), 0.5, 0)
    weights = np.array([[-128, 3, -128], [5, -127, 0]], np.int8)
    net.add("FULLY_CONNECTED", [x, net.constant(weights, 0.01, dtype=np.int8)], y)
    net.outputs = [y]
    graph = load_tflite(net.file())
    assert compile_graph(graph).clipped == 0
    program = compile_graph(graph, clip_weights=True)
    assert program.clipped == 2
    assert program.memories.weights.min() == -127
    assert Program.loads(program.dumps()).clipped == 2
    dual = NpuConfig(rows=4, cols=4, mac="ecp5-dual")
    message = r"^t\d+: its weight at \(0, 0\) is -128, and mac 'ecp5-dual' has weights from -127 on; clip them"
    with pytest.raises(ValueError, match=message):
        compile_graph(graph, dual)
    assert compile_graph(graph, dual, clip_weights=True).clipped == 2


def test_weights_of_the_depthwise_unit():
    """Its multipliers have -128, those of a dual array do not."""
    net = Network()
    x, y = net.input((1, 3, 3, 2)), net.tensor((1, 3, 3, 2), 0.5, 0)
    weights = np.zeros((1, 1, 1, 2), np.int8)
    weights[..., 1] = -128
    filters = net.constant(weights, [0.01, 0.01], dtype=np.int8, axis=3)
    net.add("DEPTHWISE_CONV_2D", [x, filters], y, Padding="SAME", StrideH=1, StrideW=1, DepthMultiplier=1)
    net.outputs = [y]
    graph = load_tflite(net.file())
    compile_graph(graph, NpuConfig(rows=4, cols=4, mac="ecp5-dual"), fold=False)
    with pytest.raises(ValueError, match=r"its weight at \(0, 0, 1\) is -128"):
        compile_graph(graph, NpuConfig(rows=4, cols=4, mac="ecp5-dual", depthwise_taps=0), fold=False)


def test_file(tmp_path):
    graph = load_tflite(picture_network(dtype="FLOAT32"))
    program = compile_graph(graph, NpuConfig(rows=4, cols=8, requant_lanes=2))
    program.save(tmp_path / "net.tercetn")
    found = Program.load(tmp_path / "net.tercetn")
    same(found, graph, np.random.default_rng(5).random((2, 6, 6, 3)).astype(np.float32))
    assert found.listing() == program.listing()
    assert (found.config, found.layers, found.memory) == (program.config, program.layers, program.memory)
    assert found.dumps() == program.dumps()
    same_configuration(found, program.config)
    with pytest.raises(ValueError, match="for a machine with rows 4, not 8; acc_depth 64, not 32; compile"):
        same_configuration(found, replace(program.config, rows=8, acc_depth=32))


def test_damaged_files():
    data = compile_graph(load_tflite(picture_network())).dumps()
    for at in range(0, len(data), 7):
        for change in (0x01, 0xFF):
            broken = bytearray(data)
            broken[at] ^= change
            with pytest.raises(ValueError, match="compile the model") as found:
                Program.loads(bytes(broken))
            assert "\n" not in str(found.value)
    for length in (0, 5, 24, len(data) // 2, len(data) - 1):
        with pytest.raises(ValueError, match="compile the model"):
            Program.loads(data[:length])


def test_allocation():
    """Storages that live at the same time do not overlap; those that do not share their bytes."""
    rng = np.random.default_rng(6)
    for _ in range(200):
        ends = np.sort(rng.integers(0, 12, (15, 2)), axis=1).tolist()
        found = [Storage(int(rng.integers(1, 40)), first, last) for first, last in ends]
        end = allocate(found, 10)
        used = max(sum(s.size for s in found if s.first <= n <= s.last) for n in range(12))
        assert 10 + used <= end <= 10 + 1.6 * used
        assert end == max(s.address + s.size for s in found)
        for n, one in enumerate(found):
            assert one.address >= 10
            for other in found[:n]:
                if one.first <= other.last and other.first <= one.last:
                    assert one.address >= other.address + other.size or other.address >= one.address + one.size


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
@pytest.mark.parametrize(("kernel", "stride"), [(2, 1), (3, 1), (3, 2), (5, 1), (5, 3), (4, 4)])
def test_averages(size, kernel, stride):
    """Windows that leave the picture at both ends: an instruction for each number of elements inside."""
    net = Network()
    x, y = net.input((1, size, size + 1, 3)), net.tensor((1, -(-size // stride), -(-(size + 1) // stride), 3), 0.5, 0)
    strides = {"StrideH": stride, "StrideW": stride}
    net.add("AVERAGE_POOL_2D", [x], y, Padding="SAME", FilterHeight=kernel, FilterWidth=kernel, **strides)
    net.outputs = [y]
    graph = load_tflite(net.file())
    program = compile_graph(graph, NpuConfig(cols=2, requant_lanes=1))
    same(program, graph, np.random.default_rng(7).integers(-128, 128, (3, size, size + 1, 3)).astype(np.int8))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_concatenation_in_place(axis):
    """Inputs that nobody else reads are written into their part; one with another reader is copied."""
    net = Network()
    x = net.input((1, 4, 4, 3))
    window = {"Padding": "VALID", "StrideH": 1, "StrideW": 1}
    weights = np.random.default_rng(8).integers(-99, 99, (3, 1, 1, 3))
    parts = [net.tensor((1, 4, 4, 3), 0.5, 0) for _ in range(3)]
    for part in parts:
        net.add("CONV_2D", [x, net.constant(weights, 0.01, dtype=np.int8)], part, **window)
    shape = [1, 4, 4, 3]
    shape[axis] *= 3
    y, z, other = net.tensor(shape, 0.5, 0), net.tensor(shape, 0.5, 0), net.tensor((1, 4, 4, 3), 0.5, 0)
    net.add("CONCATENATION", parts, y, Axis=axis)
    net.add("MUL", [y, y], z)
    net.add("MUL", [parts[1], parts[1]], other)
    net.outputs = [z, other]
    graph = load_tflite(net.file())
    program = compile_graph(graph)
    same(program, graph, np.random.default_rng(9).integers(-128, 128, (2, 4, 4, 3)).astype(np.int8))
    assert [line.partition(" ")[0] for line in program.listing().splitlines()].count("MAXIMUM") == 1


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({}, (6400, 21_500, 57_300)),
        ({"cols": 8, "requant_lanes": 4}, (12_000, 46_500, 114_000)),
        ({"requant_lanes": 4, "depthwise_taps": 0, "weight_rows": 1}, (19_000, 37_500, 66_000)),
    ],
)
def test_cycles_of_models(fields, most):
    """Clocks of an inference, the figures of docs/spec/npu.md; those of the layers add up to them."""
    for name, cycles in zip(MODELS, most, strict=True):
        program = compile_graph(load(model(name)), NpuConfig(**fields))
        assert 0.8 * cycles < program.cycles <= cycles
        assert sum(layer.cycles for layer in program.layers) == program.cycles
        assert sum(layer.instructions for layer in program.layers) == sum(step.count for step in program.steps)


def test_report():
    """Clocks, time, utilisation and limit of each layer; zero for operators without instructions."""
    program = compile_graph(load_tflite(picture_network(dtype="FLOAT32")), NpuConfig(rows=4, cols=8))
    found = program.report(50e6)
    assert found == json.loads(json.dumps(found))
    assert found["cycles"] == program.cycles == sum(layer["cycles"] for layer in found["layers"])
    assert found["ms"] == pytest.approx(program.cycles / 50e3)
    assert found["utilisation"] == pytest.approx(found["macs"] / (program.cycles * 32))
    assert (found["config"]["rows"], found["clock_hz"], found["host"]) == (4, 50e6, program.host)
    assert found["memory"] == program.memory
    for layer, instructions in zip(found["layers"], (layer.instructions for layer in program.layers), strict=True):
        assert (layer["cycles"] > 0) == (layer["bound"] != "") == (instructions > 0)
        assert layer["utilisation"] == pytest.approx(layer["macs"] / (32 * layer["cycles"] or 1))
    assert {"name", "op", "shape", "macs", "weight_bytes", "live_bytes"} < set(found["layers"][0])
