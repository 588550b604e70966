"""The writer's text is that of Amaranth's own."""

import re
from typing import Any

import pytest
from amaranth import *
from amaranth.back import rtlil
from amaranth.hdl._nir import CombinationalCycle, Net
from amaranth.hdl._nir import Value as NetValue
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu.config import NpuConfig
from tercet.rtl.common.ram import Ram
from tercet.rtl.emit import rtlil as emission
from tercet.rtl.emit.rtlil import convert
from tercet.rtl.npu.lanes import Lanes
from tercet.rtl.systolic.requantizer import Requantizer


class Contents(wiring.Component):
    """A memory with initial contents, constants, single bits, and values put together from pieces."""

    def __init__(self, depth, shape, init):
        self.memory = memory.Memory(shape=shape, depth=depth, init=init)
        super().__init__({"a": In(stream.Signature(signed(6))), "b": Out(signed(40)), "only_constant": Out(3)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = self.memory
        read, write = self.memory.read_port(), self.memory.write_port()
        a = self.a.payload
        m.d.comb += [
            read.addr.eq(a),
            read.en.eq(self.a.valid),
            write.addr.eq(Cat(a[3], a[0:2])),
            write.data.eq(Cat(a[5], C(2, 2), a[1:4], a)),
            write.en.eq(a[2]),
            self.only_constant.eq(5),
            self.a.ready.eq(1),
        ]
        m.d.sync += self.b.eq(Cat(read.data, C(1, 7), a, C(0, 3)) - a)
        return m


COMPONENTS = {
    "contents": lambda: Contents(5, signed(9), [-1, 3, -256, 0, 255]),
    "contents in part": lambda: Contents(300, unsigned(33), [1 << 32, 7]),
    "no contents": lambda: Contents(16, 8, []),
    "no bits": lambda: Contents(4, 0, []),
    "ram": lambda: Ram(depth=40, width=70, family="ecp5"),
    "cells": lambda: Lanes(config=NpuConfig(rows=4, cols=4, requant_lanes=2, mac="ecp5")),
    "arithmetic": lambda: Requantizer(mac="infer"),
}


@pytest.mark.parametrize("component", COMPONENTS.values(), ids=COMPONENTS)
def test_equals_amaranth(component):
    text = convert(component(), "top")
    assert text == rtlil.convert(component(), name="top", emit_src=False)
    assert text.count("\n") > 20


class Clocked(wiring.Component):
    """A register in each of eight clock domains."""

    NAMES = "pear", "fig", "kiwi", "date", "lime", "plum", "nut", "acai"

    def __init__(self):
        super().__init__({"a": In(1), **{name: Out(1) for name in self.NAMES}})

    def elaborate(self, platform):
        m = Module()
        for name in self.NAMES:
            m.d[name] += getattr(self, name).eq(self.a)
        return m


def test_clock_domains_are_in_order_of_name():
    """Amaranth's order is that of a set of strings, which differs between runs: so would a board's build hash."""
    clocks = [f"{name}_{kind}" for name in sorted(Clocked.NAMES) for kind in ("clk", "rst")]
    assert re.findall(r"input \d+\s+\\(\w+_(?:clk|rst))$", convert(Clocked(), "top"), re.M) == clocks


class Loop(wiring.Component):
    """Signals that depend on themselves: through logic, or only by being connected in a circle."""

    def __init__(self, *, logic):
        self.logic = logic
        super().__init__({"a": In(4), "b": Out(4)})

    def elaborate(self, platform):
        m = Module()
        first, second, third = (Signal(4, name=name) for name in ("first", "second", "third"))
        m.d.comb += [
            first.eq(third ^ self.a if self.logic else third),
            second.eq(first),
            third.eq(second),
            self.b.eq(third + self.a),
        ]
        return m


@pytest.mark.parametrize("logic", [False, True])
def test_cycles_are_described_as_by_amaranth(logic):
    with pytest.raises(CombinationalCycle) as theirs:
        rtlil.convert(Loop(logic=logic), name="top", emit_src=False)
    with pytest.raises(CombinationalCycle) as ours:
        convert(Loop(logic=logic), "top")
    # Signals of the two are made on the same lines.
    assert str(ours.value) == str(theirs.value)


class Crossed(wiring.Component):
    """Bits that depend on other bits of the same signal, and so on none of themselves."""

    def __init__(self):
        super().__init__({"a": In(1), "b": Out(8)})

    def elaborate(self, platform):
        m = Module()
        chain = Signal(8)
        m.d.comb += [chain[0].eq(self.a), self.b.eq(chain)]
        for n in range(1, 8):
            m.d.comb += chain[n].eq(~chain[n - 1] & self.b[n - 1])
        return m


def test_a_chain_is_no_cycle():
    assert convert(Crossed(), "top") == rtlil.convert(Crossed(), name="top", emit_src=False)


def test_amaranth_checks_its_nets_afterwards():
    """Also where conversions overlap, as in threads: the first to end leaves the other one with checks."""
    unchecked: Any = (5,)  # not of type Net
    first, second = emission._unchecked_values(), emission._unchecked_values()
    with first:
        assert NetValue(unchecked) == unchecked
        second.__enter__()
    second.__exit__(None, None, None)
    with pytest.raises(AssertionError):
        NetValue(unchecked)
    with pytest.raises(AssertionError):
        Net.from_cell(0, 0)
    assert NetValue.from_const(6, 4) == (0, 1, 1, 0)
