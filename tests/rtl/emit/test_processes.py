"""Always blocks in each language: their text, and that they settle in every simulator."""

import numpy as np
import pytest
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.emit import LANGUAGES, verilog
from tercet.rtl.emit.processes import rewrite
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


class Stale(wiring.Component):
    """`o` depends on a register that keeps its initial value: no change ever starts a block."""

    def __init__(self):
        super().__init__({"i": In(stream.Signature(4)), "o": Out(stream.Signature(4))})

    def elaborate(self, platform):
        m = Module()
        mode = Signal(2, init=2)
        with m.If(self.i.valid & (self.i.payload == 15)):
            m.d.sync += mode.eq(mode)
        added = Signal(4)
        with m.Switch(mode):
            with m.Case(2):
                m.d.comb += added.eq(5)
            with m.Default():
                m.d.comb += added.eq(1)
        m.d.comb += [self.o.payload.eq(self.i.payload + added), self.o.valid.eq(self.i.valid)]
        m.d.comb += self.i.ready.eq(self.o.ready)
        return m


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize(
    ("component", "width", "given", "want"),
    [
        (Entangled, 1, [0, 1, 0, 1, 1], [0, 3, 0, 3, 3]),
        (Stale, 4, [0, 3, 9, 14], [5, 8, 14, 3]),
    ],
)
def test_blocks_settle(component, width, given, want, simulator, language):
    ports = [bench.StreamPort("i", width, "in"), bench.StreamPort("o", {1: 2, 4: 4}[width], "out")]
    job = bench.Job({"i": np.array(given, np.uint8)[:, None]}, {"o": len(want)})
    sources = {f"top.{LANGUAGES[language].suffix}": verilog(component(), name="top", language=language)}
    result = bench.run(sources, "top", ports, [job], simulator=simulator, stall=0.3)[0]
    assert result.outputs["o"][:, 0].tolist() == want


BLOCK = """module a(x);
  output [1:0] x;
  reg [1:0] x;
  wire b;
  wire [7:0] c;
  wire x_value;
  always_comb begin
    x = 2'h0;
    if (b) begin
      x[1] = c[3];
    end
  end
endmodule
"""
REGISTER = """module a(clk);
  reg [1:0] _05_;
  reg [1:0] r = 2'h0;
  wire b;
  always_comb begin
    _05_ = r;
    if (b) begin
      { _05_[1], _05_[0] } = 2'h2;
    end
  end
  always_ff @(posedge clk)
    r <= _05_;
endmodule
"""


def test_verilog_has_a_function_of_what_is_read():
    text = rewrite(BLOCK, "verilog")
    assert "  function [1:0] x_value_(input b_i, input c_3_i);\n    begin\n      x_value_ = 2'h0;\n" in text
    assert "        x_value_[1] = c_3_i;\n" in text
    assert "  assign x = x_value_(b, c[3]);\nendmodule" in text
    assert "  output [1:0] x;\n  wire [1:0] x;\n" in text


def test_systemverilog_assigns_a_signal_once():
    text = rewrite(BLOCK, "sv")
    assert text.count(" x = ") == 1
    assert "  always_comb begin : x_block\n    logic [1:0] x_value_;\n    x_value_ = 2'h0;\n" in text
    assert "      x_value_[1] = c[3];\n" in text
    assert "    x = x_value_;\n  end\n" in text


def test_only_the_bits_of_a_block_are_assigned():
    """A signal's other bits are assigned elsewhere."""
    part = BLOCK.replace("[1:0] x", "[4:0] x").replace("    x = 2'h0", "    x[2:1] = 2'h0")
    text = rewrite(part, "verilog")
    assert "  function [2:1] x_value_(" in text
    assert "  assign x[2:1] = x_value_(b, c[3]);\n" in text
    assert "    x[2:1] = x_value_[2:1];\n  end\n" in rewrite(part, "sv")
    parts = part.replace("    x[2:1] = 2'h0;\n", "    x[4] = 1'h1;\n    x[1] = 1'h0;\n")
    text = rewrite(parts, "verilog")
    assert "  wire [4:1] x_outcome = x_value_(b, c[3]);\n" in text
    assert "  assign x[4] = x_outcome[4];\n  assign x[1] = x_outcome[1];\n" in text


def test_all_cases_may_assign_without_a_default():
    body = "    casez (b)\n      1'h0:\n          x = c;\n      1'h1:\n          x = d;\n    endcase\n"
    block = BLOCK[: BLOCK.index("    x = 2'h0")].replace("wire b", "wire d;\n  wire b") + body + "  end\nendmodule\n"
    assert "    endcase\n    x = x_value_;\n  end\n" in rewrite(block, "sv")
    assert "  assign x = x_value_(b, c, d);\n" in rewrite(block, "verilog")


def test_other_bits_of_the_signal_itself_may_be_read():
    text = rewrite(BLOCK.replace("= c[3]", "= x[0]"), "verilog")
    assert "x_value_[1] = x_0_i;" in text
    assert "x_value_(b, x[0])" in text


def test_a_register_is_one_block():
    """The default that holds the register's value is dropped."""
    block = "    if (b) begin\n      { r[1], r[0] } <= 2'h2;\n    end\n  end\nendmodule\n"
    for language, keyword in (("verilog", "always"), ("sv", "always_ff")):
        text = rewrite(REGISTER, language)
        assert text.endswith(f"  {keyword} @(posedge clk) begin\n{block}")
        assert "_05_" not in text


def test_what_a_register_becomes_may_be_read_elsewhere():
    text = rewrite(REGISTER.replace("  wire b;\n", "  wire b;\n  assign o = _05_;\n"), "verilog")
    assert "  assign _05_ = n05_value(r, b);\n" in text
    assert "  wire [1:0] _05_;\n" in text
    assert "    r <= _05_;\n" in text


def test_one_assignment_needs_no_function():
    text = rewrite(BLOCK.replace(BLOCK[BLOCK.index("  always") : -10], "  always_comb\n    x[1] = b;\n"), "verilog")
    assert "  assign x[1] = b;\nendmodule" in text
    assert "function" not in text
