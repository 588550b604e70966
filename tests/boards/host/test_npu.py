"""Whole networks on a board with an NPU: every bit and every clock, and a program loaded once."""

import numpy as np
import pytest
from tercet.boards.catalog import soc_config
from tercet.boards.host.device import Device, WrongEngine
from tercet.boards.host.networks import CompiledNetwork, GraphNetwork, Int8, for_board
from tercet.boards.sizing import check_run
from tercet.compiler import compile as compile_graph
from tercet.compiler.tflite import load_tflite
from tercet.golden.networks.int8_network import quantize_mlp
from tercet.golden.networks.mlp import Mlp
from tercet.golden.npu.config import NpuConfig
from tercet.golden.npu.program import Program

from ...compiler.models import MODELS, model
from ...compiler.small_networks import picture_network
from ..socs import CONFIGS, opened, same, soc_of

FILE = picture_network()
GRAPH = load_tflite(FILE)
SOC = soc_of("npu")
PROGRAM = compile_graph(GRAPH, CONFIGS["npu"])
X = np.random.default_rng(1).integers(-128, 128, (3, 6, 6, 3)).astype(np.int8)
OTHER = compile_graph(load_tflite(picture_network(classes=5)), CONFIGS["npu"])


def equal(got, want):
    for one, other in zip(got, want, strict=True):
        same(one, other)


def test_on_a_board(tmp_path):
    """As a program, a graph, and a path of either; buffers hold neither the program nor an input."""
    (tmp_path / "net.tflite").write_bytes(FILE)
    PROGRAM.save(tmp_path / "net.tercetn")
    want = GRAPH.run(X)
    told = []
    with opened(soc_of("npu", 16), progress=lambda done, whole: told.append((done, whole))) as device:
        device.counters(clear=True)
        equal(device.run(PROGRAM, X), want)
        assert told == sorted(told)
        assert told[-1] == (1000, 1000)
        assert len({done for done, _ in told}) > 20
        assert device.counters()["run"] == len(X) * PROGRAM.cycles
        paths = [tmp_path / name for name in ("net.tflite", "net.tercetn")]
        for network in (GRAPH, GraphNetwork(GRAPH), CompiledNetwork(PROGRAM), *paths, str(paths[0])):
            equal(device.run(network, X[0]), [want[0][0]])
        equal(device.network(GRAPH, X[:1]), [want[0][:1]])
        equal(device.network(PROGRAM, X[:1]), [want[0][:1]])
        equal(device.compute(PROGRAM, X[0]), [want[0][0]])


def test_loaded_once():
    """Weights stay between calls, until another program or a reset."""
    with opened(SOC) as device:
        sent, request = [], device.link.request

        def counted(command, data=b""):
            sent.append(len(data))
            return request(command, data)

        device.link.request = counted
        runs = []
        networks = (PROGRAM, PROGRAM, Program.loads(PROGRAM.dumps()), OTHER, PROGRAM)
        for network in networks:
            sent.clear()
            run = device.on_npu(network)
            equal(run.run(X[:1]), network.run(X[:1]))
            runs.append((run.load_bytes, run.inference_bytes, sum(sent)))
        sizes, each, link = zip(*runs, strict=True)
        assert [size > 0 for size in sizes] == [True, False, False, True, True]
        assert sizes[0] == sizes[4] > PROGRAM.memories.weights.size
        assert link[0] > sizes[0]
        # A picture of 108 bytes, its commands, and a result of 4.
        assert each[0] == each[1] < 200
        assert link[1] < link[0] // 4
        device.reset()
        assert device.on_npu(PROGRAM).load_bytes == 0
        run = device.on_npu(GRAPH)
        run.run(X[0])
        assert run.load_bytes == sizes[0]
        assert run.seconds > run.host_seconds > 0
        assert run.load_seconds > 0


def test_host_operators_between_instructions():
    program = compile_graph(GRAPH, CONFIGS["npu"], fold=False, host_fallback=True)
    with opened(SOC) as device:
        equal(device.run(program, X), GRAPH.run(X))


def test_an_int8_network():
    """The host takes a last layer that gives INT32 sums."""
    x = np.random.default_rng(2).random((50, 12)).astype(np.float32)
    network = quantize_mlp(Mlp.random((12, 9, 5), seed=1), x)
    what = for_board(Int8(network), SOC)
    assert isinstance(what, CompiledNetwork)
    assert len(what.program.host) == 1
    with opened(SOC) as device:
        equal(device.run(network, x[:3]), [network.run(x[:3])[-1]])


def test_refused_before_anything_is_sent():
    """Another configuration, a network too large, wrong inputs, other engines."""
    foreign = compile_graph(GRAPH, NpuConfig(rows=8, cols=4))
    small = NpuConfig(rows=4, cols=4, weight_rows=2, requant_lanes=2, weight_bytes=256)
    with opened(SOC) as device:
        before = device.counters()["accepted"]
        with pytest.raises(ValueError, match="The program is for a machine with rows 8, not 4; .*; compile the model"):
            device.run(foreign, X)
        with pytest.raises(TypeError, match="'picture' has dtype int64; use int8"):
            device.run(GRAPH, X.astype(int))
        with pytest.raises(ValueError, match=r"'picture' has shape \(5, 6, 3\)"):
            device.run(PROGRAM, X[0, 1:])
        for wrong in (np.ones((2, 2), np.int8), b"program"):
            with pytest.raises(TypeError, match="cannot be run"):
                device.on_npu(wrong)
        with pytest.raises(WrongEngine, match="runs npu, not systolic; build and flash: tercet build systolic"):
            device.matmul(X[0, 0], X[0, 0, :3])
        # The request for the counters itself.
        assert device.counters()["accepted"] == before + 1
    with pytest.raises(ValueError, match=r"bytes of weights, \d+ more than the machine's 256"):
        for_board(GraphNetwork(GRAPH), type(SOC)("npu", small, SOC.depths, 24_000_000, 3_000_000))
    check_run(SOC, CompiledNetwork(PROGRAM), X)
    with pytest.raises(ValueError, match="A word of 3 beats does not fit the data buffer of 2; make it deeper"):
        check_run(soc_of("npu", 2), CompiledNetwork(PROGRAM), X)
    with opened(soc_of("systolic")) as device:
        with pytest.raises(WrongEngine, match="runs systolic, not npu; build and flash: tercet build npu"):
            device.network(PROGRAM, X)
        with pytest.raises(WrongEngine, match="runs systolic, not npu"):
            device.on_npu(PROGRAM)


@pytest.mark.parametrize(
    ("name", "fits"), [("ulx3s-25f", MODELS[1:2]), ("ulx3s-45f", MODELS[1:]), ("ulx3s-85f", MODELS)]
)
def test_models_that_presets_hold(name, fits):
    config = soc_config(name, "npu").config
    for model_name in MODELS:
        graph = load_tflite(model(model_name).read_bytes())
        if model_name in fits:
            assert compile_graph(graph, config).cycles
        else:
            with pytest.raises(ValueError, match=r"use (weight|buffer)_bytes=\d+"):
                compile_graph(graph, config)


@pytest.mark.long
def test_the_preset():
    """Keyword spotting on the simulated board."""
    graph = load_tflite(model("kws_ref_model_int8").read_bytes())
    shape = graph.inputs[0].sample_shape
    x = np.random.default_rng(2).integers(-128, 128, (2, *shape)).astype(np.int8)
    with Device.open("sim:ulx3s-85f,bytes", engine="npu") as device:
        run = device.on_npu(graph)
        equal(run.run(x), graph.run(x))
        assert device.counters()["run"] == 2 * run.program.cycles
