"""Verilog emission: each module is defined once, output is byte-identical, and every tool reads it."""

import itertools
import json
import re
import subprocess

import numpy as np
import pytest
from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from tercet.engines.systolic import SPEC
from tercet.golden.systolic.config import SystolicConfig
from tercet.rtl.emit import EmitError, shared, verilog, yosys_command


class Add(wiring.Component):
    """Registered `i` + `n`, with or without a reset."""

    def __init__(self, *, n, width, reset_less=True):
        self.n, self.reset_less = n, reset_less
        super().__init__({"i": In(signed(width)), "o": Out(signed(width))})

    def elaborate(self, platform):
        m = Module()
        total = Signal(self.o.shape(), reset_less=self.reset_less)
        m.d.sync += total.eq(self.i + self.n)
        m.d.comb += self.o.eq(total)
        return m


class Chain(wiring.Component):
    """Chain of `Add` components with shared definitions."""

    def __init__(self, *, stages, reset_less=True):
        self.stages, self.reset_less = stages, reset_less
        super().__init__({"i": In(signed(8)), "o": Out(signed(8))})

    def elaborate(self, platform):
        m = Module()
        value = self.i
        for n in range(self.stages):
            m.submodules[f"add{n}"] = add = shared(Add, n=n % 2, width=8, reset_less=self.reset_less)
            m.d.comb += add.i.eq(value)
            value = add.o
        m.d.comb += self.o.eq(value)
        return m


def modules(text):
    return re.findall(r"^module (\w+)", text, re.M)


def test_one_module_per_component_and_parameters():
    text = verilog(Chain(stages=6), name="chain")
    assert modules(text) == ["chain_add_n0_width8", "chain_add_n1_width8", "chain"]
    assert len(re.findall(r"chain_add_n0_width8 add\d", text)) == 3


def test_same_bytes_every_time():
    config = SystolicConfig(rows=3, cols=2, acc_depth=4)
    assert SPEC.verilog(config) == SPEC.verilog(config)


def test_reset_only_where_something_is_reset():
    assert "rst" not in verilog(Chain(stages=2), name="chain")
    assert ".rst(rst)" in verilog(Chain(stages=2, reset_less=False), name="chain")


class TwoClocks(wiring.Component):
    """Register in domain ``far``, with a reset, and one in ``sync``, without."""

    def __init__(self):
        super().__init__({"i": In(8), "o": Out(8)})

    def elaborate(self, platform):
        m = Module()
        near, far = Signal(8, reset_less=True), Signal(8)
        m.d.sync += near.eq(self.i)
        m.d.far += far.eq(near)
        m.d.comb += self.o.eq(far)
        return m


class Renamed(wiring.Component):
    """`TwoClocks` whose domain ``far`` is ``engine`` here."""

    def __init__(self):
        super().__init__({"i": In(8), "o": Out(8), "engine_clk": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.domains.engine = engine = ClockDomain("engine", local=True)
        m.d.comb += [engine.clk.eq(self.engine_clk), engine.rst.eq(self.i[0])]
        m.submodules.inside = DomainRenamer({"far": "engine"})(inside := shared(TwoClocks))
        m.d.comb += [inside.i.eq(self.i), self.o.eq(inside.o)]
        return m


def test_every_domain_has_its_ports():
    """Each is connected to the parent's domain, under the name that it has there."""
    text = verilog(Renamed(), name="renamed")
    inside, top = re.findall(r"^module .*?^endmodule", text, re.M | re.S)
    assert set(re.findall(r"\w*(?:clk|rst)\w*", inside.partition(";")[0])) == {"clk", "far_clk", "far_rst"}
    assert re.search(r"\.clk\(clk\)", top)
    assert re.search(r"\.far_clk\(engine_clk\)", top)
    assert re.search(r"\.far_rst\((engine_rst|i\[0\])\)", top)
    assert re.search(r"posedge clk\b.*posedge far_clk\b|posedge far_clk\b.*posedge clk\b", inside, re.S)


def test_amaranth_simulates_the_same_component():
    from amaranth.sim import Simulator

    chain = Chain(stages=4)
    seen = []

    async def bench(ctx):
        ctx.set(chain.i, 5)
        await ctx.tick().repeat(5)
        seen.append(ctx.get(chain.o))

    simulator = Simulator(chain)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == [7]


@pytest.mark.parametrize(
    ("dataflow", "mac"), [*itertools.product(("ws", "os"), ("infer", "ecp5", "ice40")), ("ws", "ecp5-dual")]
)
def test_names_need_no_escape(dataflow, mac):
    assert "\\" not in SPEC.verilog(SystolicConfig(rows=4, cols=4, acc_depth=16, dataflow=dataflow, mac=mac))


def yosys(script, folder):
    command = [*yosys_command(), "-q", "-l", "log.txt", "-p", script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, (folder / "log.txt").read_text()


@pytest.mark.parametrize("dataflow", ["ws", "os"])
def test_yosys_reads_the_engine_without_warnings(dataflow, tmp_path):
    text = SPEC.verilog(SystolicConfig(rows=4, cols=4, acc_depth=16, dataflow=dataflow))
    (tmp_path / "systolic.v").write_text(text)
    code, log = yosys("read_verilog systolic.v; hierarchy -check -top systolic; proc; check -assert", tmp_path)
    assert code == 0, log
    assert "Warning" not in log


def test_synthesis_keeps_nested_multipliers(tmp_path):
    """yosys loses instances with signed wires at their ports, so there must be none."""
    (tmp_path / "a.v").write_text(verilog(SPEC.unit(SystolicConfig(rows=2, cols=2, mac="ecp5"), "array"), name="array"))
    script = "synth_ecp5 -nodsp -top array; setattr -mod -unset keep_hierarchy *; flatten; tee -o stat.txt stat"
    code, log = yosys(f"read_verilog a.v; {script}", tmp_path)
    assert code == 0, log
    found = re.search(r"(\d+)\s+MULT18X18D|MULT18X18D\s+(\d+)", (tmp_path / "stat.txt").read_text())
    assert found is not None
    assert "4" in found.groups()


def test_emission_grows_with_the_edge():
    """Four times the edge is 16 times the cells, but less than four times the text."""
    sizes = [len(SPEC.verilog(SystolicConfig(rows=n, cols=n))) for n in (16, 64)]
    assert sizes[1] < 4 * sizes[0]
    assert np.diff(sizes)[0] > 0


def test_refuses(monkeypatch):
    with pytest.raises(ValueError, match="Module name '2x' is not a Verilog identifier"):
        verilog(Chain(stages=1), name="2x")
    with pytest.raises(ValueError, match="Module name 'logic' is a reserved word"):
        verilog(Chain(stages=1), name="logic")
    with pytest.raises(ValueError, match="Language 'vhdl' is unknown; use one of verilog, sv"):
        verilog(Chain(stages=1), name="chain", language="vhdl")
    yosys_command.cache_clear()
    monkeypatch.setenv("YOSYS", "false")
    with pytest.raises(EmitError, match="yosys rejected module chain"):
        verilog(Chain(stages=1), name="chain")
    yosys_command.cache_clear()


class Kept(wiring.Component):
    """A register, and a memory of zeros."""

    keep_hierarchy = True

    def __init__(self):
        super().__init__({"i": In(8), "o": Out(8), "address": In(5)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.many = words = memory.Memory(shape=8, depth=32, init=[])
        write, read = words.write_port(), words.read_port()
        m.d.comb += [write.addr.eq(self.address), write.data.eq(self.i), write.en.eq(1), read.addr.eq(self.address)]
        m.d.comb += read.en.eq(1)
        m.d.sync += self.o.eq(self.o ^ read.data)
        return m


class Pair(wiring.Component):
    """Two instances with identical registers."""

    def __init__(self):
        super().__init__({"i": In(8), "o": Out(16), "address": In(5)})

    def elaborate(self, platform):
        m = Module()
        for n in range(2):
            m.submodules[f"kept{n}"] = kept = shared(Kept)
            m.d.comb += [kept.i.eq(self.i), kept.address.eq(self.address), self.o.word_select(n, 8).eq(kept.o)]
        return m


def test_hierarchy_is_kept_where_a_component_asks(tmp_path):
    text = verilog(Pair(), name="pair")
    assert text.count("(* keep_hierarchy *)\nmodule pair_kept(") == 1
    assert text.count("keep_hierarchy") == 1
    (tmp_path / "pair.v").write_text(text)
    script = "read_verilog pair.v; synth_ecp5 -top pair -nodram -nobram; write_json pair.json"
    subprocess.run([*yosys_command(), "-q", "-p", script], cwd=tmp_path, check=True)
    modules = json.loads((tmp_path / "pair.json").read_text())["modules"]
    assert [cell["type"] for cell in modules["pair"]["cells"].values()] == ["pair_kept"] * 2
