"""Blocks that listen to different bits of each other: they must settle in every simulator."""

import numpy as np
import pytest
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.emit import verilog
from tercet.rtl.settle import settle
from tercet.sim import bench, simulators

SIMULATORS = [found.name for found in simulators.available() if found.simulator is not None]


class Entangled(wiring.Component):
    """Bit 0 of `x` depends on `y`, which depends on bit 1 of `x`: no loop, but two blocks that listen to each other."""

    def __init__(self):
        super().__init__({"i": In(stream.Signature(1)), "o": Out(stream.Signature(2))})

    def elaborate(self, platform):
        m = Module()
        x = Signal(2)
        y = Signal()
        with m.If(self.i.valid & self.i.payload):
            m.d.comb += x.eq(Cat(y, 1))
        with m.If(x[1]):
            m.d.comb += y.eq(1)
        m.d.comb += [self.o.payload.eq(x), self.o.valid.eq(self.i.valid), self.i.ready.eq(self.o.ready)]
        # The bench drives a clock, so there must be one.
        idle = Signal()
        m.d.sync += idle.eq(~self.i.valid)
        return m


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_entangled_blocks_settle(simulator):
    ports = [bench.StreamPort("i", 1, "in"), bench.StreamPort("o", 2, "out")]
    values = np.array([[0], [1], [0], [1], [1]], np.uint8)
    job = bench.Job({"i": values}, {"o": len(values)})
    sources = {"entangled.v": verilog(Entangled(), name="entangled")}
    result = bench.run(sources, "entangled", ports, [job], simulator=simulator, stall=0.3)[0]
    np.testing.assert_array_equal(result.outputs["o"], 3 * values)


BLOCK = """module a(x);
  output [1:0] x;
  reg [1:0] x;
  wire x_value;
  always_comb begin
    x = 2'h0;
    if (b) begin
      x[1] = c;
    end
  end
endmodule
"""


def test_a_signal_is_assigned_once():
    settled = settle(BLOCK)
    assert settled.count(" x = ") == 1
    assert "    logic [1:0] x_value_;\n    x_value_ = 2'h0;\n" in settled
    assert "      x_value_[1] = c;\n" in settled
    assert "    x = x_value_;\n  end\n" in settled


def test_only_the_bits_of_the_block_are_assigned():
    """The others are assigned elsewhere."""
    settled = settle(BLOCK.replace("[1:0] x", "[3:0] x").replace("    x = 2'h0", "    x[1:0] = 2'h0"))
    assert "    x[1:0] = x_value_[1:0];\n  end\n" in settled
    assert " x = " not in settled


def test_all_cases_may_assign_without_a_default():
    body = "    casez (b)\n      1'h0:\n          x = c;\n      1'h1:\n          x = d;\n    endcase\n"
    settled = settle(BLOCK[: BLOCK.index("    x = 2'h0")] + body + "  end\nendmodule\n")
    assert "    endcase\n    x = x_value_;\n  end\n" in settled


@pytest.mark.parametrize(
    "block",
    [
        BLOCK.replace("x", "_05_").replace("_05__value", "x"),
        BLOCK.replace("= c", "= x[0]"),
        BLOCK.replace("x[1] = c", "y = c"),
    ],
    ids=["feeds a register", "reads itself", "two signals"],
)
def test_other_blocks_are_left_alone(block):
    assert settle(block) == block
