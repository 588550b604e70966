"""Graphs on a board: products on its systolic engine, the rest on the host, every bit as NumPy's."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tercet.boards.host import graphs
from tercet.boards.host.device import WrongEngine
from tercet.boards.host.graphs import plans
from tercet.boards.host.networks import GraphNetwork
from tercet.boards.sizing import check_run
from tercet.compiler.tflite import load_tflite
from tercet.golden.systolic.config import SystolicConfig
from tercet.sim import systolic

from ...compiler.micro import Micro
from ...compiler.small_networks import picture_network
from ..socs import opened, same, soc_of

FILE = picture_network()
GRAPH = load_tflite(FILE)
X = np.random.default_rng(1).integers(-128, 128, (3, 6, 6, 3)).astype(np.int8)


def test_on_a_board(tmp_path):
    """As a graph, as a path, and with the board's product as an argument; in buffers that hold no whole product."""
    (tmp_path / "net.tflite").write_bytes(FILE)
    want = GRAPH.run(X)[0]
    same(want[:1], Micro(FILE).run(X[:1])[0])
    told = []
    with opened(soc_of("systolic"), progress=lambda done, whole: told.append((done, whole))) as device:
        run = device.on_engine(GRAPH)
        same(run.run(X)[0], want)
        # One product per group of a convolution, and the fully connected layer.
        assert run.products == 4
        assert run.seconds > 0
        assert told == sorted(told)
        assert told[-1] == (1000, 1000)
        for network in (GRAPH, GraphNetwork(GRAPH), tmp_path / "net.tflite", str(tmp_path / "net.tflite")):
            same(device.run(network, X[0])[0], want[0])
        same(device.network(GRAPH, X)[0], want)
        same(GRAPH.run(X, on=device.product)[0], want)


def test_a_second_run(monkeypatch):
    """Its figures are its own; the board is NumPy here."""

    def product(session, plan, acts):
        return (acts.astype(np.int64) @ plan.w + plan.bias).astype(np.int32)

    monkeypatch.setattr(graphs, "run_plan", product)
    session: Any = SimpleNamespace(soc=soc_of("systolic"), transfer=lambda parts: nullcontext())
    run = graphs.OnEngine(session, GRAPH)
    for x in (X, X[:1]):
        same(run.run(x)[0], GRAPH.run(x)[0])
        assert run.products == 4


def test_on_the_rtl():
    """In simulation, with pauses."""
    on = systolic.product(SystolicConfig(rows=2, cols=2, acc_depth=16), stall=0.2)
    same(GRAPH.run(X, on=on)[0], GRAPH.run(X)[0])


def test_a_product_must_give_int32():
    with pytest.raises(TypeError, match=r"The product gave int64 \(108, 4\); use one that returns int32 \(108, 4\)"):
        GRAPH.run(X, on=lambda a, w, b: np.zeros((len(a), w.shape[1]), np.int64))


def test_refused_before_anything_is_sent():
    """A product that does not fit names its node; wrong inputs are refused as by NumPy."""
    narrow = soc_of("systolic")
    small = SystolicConfig(rows=2, cols=2, acc_depth=16, requant_lanes=1, acc_width=16)
    soc = type(narrow)("systolic", small, narrow.depths, clock_hz=24_000_000, baud=3_000_000, board="bench")
    with pytest.raises(ValueError, match=r"node 't\d+' \(CONV_2D\): Column \d can reach .*, beyond acc_width 16"):
        plans(soc, GRAPH, 1)
    with pytest.raises(ValueError, match=r"'picture' has shape \(5, 6, 3\)"):
        check_run(narrow, GraphNetwork(GRAPH), X[0, 1:])
    with opened(narrow) as device:
        before = device.counters()["accepted"]
        with pytest.raises(TypeError, match="'picture' has dtype int64; use int8"):
            device.run(GRAPH, X.astype(int))
        # The request for the counters itself.
        assert device.counters()["accepted"] == before + 1
    with opened(soc_of("eie")) as device, pytest.raises(WrongEngine, match="runs eie, not systolic"):
        device.run(GRAPH, X)
