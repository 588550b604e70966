"""An operator added to the compiler as `docs/extending/operator.md` shows: TRANSPOSE of rows and pixels."""

from dataclasses import replace

import numpy as np
import pytest
from tercet.compiler import compile as compile_graph
from tercet.compiler.npu import lower
from tercet.compiler.npu.lowering import Lowering
from tercet.compiler.tflite import load_tflite
from tercet.engines.npu import SPEC
from tercet.golden.networks.operators import Transpose
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import Instruction, Opcode
from tercet.sim.engine import run_jobs

from ...sim.npu_inferences import check, inference
from ..tflite_files import Network

CONFIG = NpuConfig(rows=4, cols=4, requant_lanes=2, depthwise_taps=3, weight_rows=2, acc_depth=8, buffer_bytes=1024)


def transpose(low: Lowering) -> list[Instruction]:
    """Lower TRANSPOSE of rows and pixels: a copy whose operand has its pitches exchanged."""
    (x,) = low.inputs
    exchanged = replace(x, row=x.pixel, pixel=x.row, rows=x.cols, cols=x.rows)
    return low.pointwise(Opcode.MAXIMUM, exchanged, None, low.output, low.identity())


def graph():
    net = Network()
    x, y = net.input((1, 3, 9, 5)), net.tensor((1, 9, 3, 5), 0.5, 0)
    net.add("TRANSPOSE", [x, net.constant([0, 2, 1, 3])], y)
    net.outputs = [y]
    return load_tflite(net.file())


def test_transpose(monkeypatch):
    """Bit-exact on the golden machine and on the RTL, in all clocks."""
    with pytest.raises(ValueError, match=r"\(TRANSPOSE\)"):
        compile_graph(graph(), CONFIG)
    monkeypatch.setitem(lower.LOWERINGS, Transpose, transpose)
    program = compile_graph(graph(), CONFIG)
    assert not program.host
    x = np.random.default_rng(0).integers(-128, 128, (2, 3, 9, 5)).astype(np.int8)
    want = graph().run(x)[0]
    np.testing.assert_array_equal(want, x.transpose(0, 2, 1, 3))
    np.testing.assert_array_equal(program.run(x)[0], want)
    item = inference(program, x[0], [want[0]])
    check([item], run_jobs(SPEC, CONFIG, [item.job()]))
