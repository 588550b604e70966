"""Audit of clock domain crossings: every path between two clocks is found, and only the intended ones pass."""

import json

import pytest
from tercet.boards.fpga.crossings import Crossing, UnsynchronisedPath, find_crossings
from tercet.boards.fpga.netlist import SynthesisError

CLOCKS = {"a_clk": "a", "b_clk": "b"}
KINDS = {r"\w+_sync": "synchroniser", r"\w+_buffer\.ram": "ram"}
A, B = 2, 3
OUTPUTS = ("Q", "Z", "S0", "DO", "DOA0", "DOB0")


class Netlist:
    """A netlist in the making: cells by name, connected by numbers."""

    def __init__(self):
        self.cells = {}

    def add(self, name, kind, parameters=(), **connections):
        self.cells[name] = {
            "type": kind,
            "parameters": {key: f"{value:032b}" for key, value in dict(parameters).items()},
            "port_directions": {pin: "output" if pin in OUTPUTS else "input" for pin in connections},
            "connections": {pin: net if isinstance(net, list) else [net] for pin, net in connections.items()},
        }

    def find(self, folder, clocks=CLOCKS):
        nets = {"a_clk": {"bits": [A]}, "b_clk": {"bits": [B]}}
        top = {"attributes": {"top": "1"}, "cells": self.cells, "netnames": nets}
        (folder / "top.json").write_text(json.dumps({"modules": {"top": top}}))
        return find_crossings(folder / "top.json", clocks, KINDS)


@pytest.fixture
def netlist():
    """A register of each clock: net 10 in clock a, 20 in clock b."""
    made = Netlist()
    made.add("from_a", "TRELLIS_FF", CLK=A, DI="0", Q=10)
    made.add("from_b", "TRELLIS_FF", CLK=B, DI=20, Q=20)
    return made


def test_a_synchroniser(netlist, tmp_path):
    netlist.add("top.level_sync.stage0", "TRELLIS_FF", CLK=B, DI=10, Q=11)
    assert netlist.find(tmp_path) == [Crossing("level_sync", "synchroniser", "a", "b", 1)]


@pytest.mark.parametrize("pin", ["DI", "M", "CE", "LSR"])
@pytest.mark.parametrize("name", ["stage0", "level_synchro.stage0", "level_sync"])
def test_other_registers(netlist, tmp_path, pin, name):
    netlist.add(name, "TRELLIS_FF", CLK=B, Q=11, **{pin: 10})
    with pytest.raises(UnsynchronisedPath, match=f"from clock a to clock b ends at {name}.{pin} without"):
        netlist.find(tmp_path)


def test_through_logic(netlist, tmp_path):
    """Through lookup tables and carries, joined with signals of the clock itself, which are no crossing."""
    netlist.add("table", "LUT4", A=10, B=20, C="1", D="0", Z=11)
    netlist.add("carry", "CCU2C", A0=11, B0=20, CIN="0", S0=12)
    netlist.add("end", "TRELLIS_FF", CLK=A, DI=12, Q=13)
    with pytest.raises(UnsynchronisedPath, match="from clock b to clock a ends at end.DI"):
        netlist.find(tmp_path)
    netlist.cells["carry"]["connections"]["A0"] = [20]
    netlist.cells["end"]["connections"]["CLK"] = [B]
    assert netlist.find(tmp_path) == []


def test_into_blocks(netlist, tmp_path):
    netlist.add("product", "MULT18X18D", CLK0=B, A0=10)
    with pytest.raises(UnsynchronisedPath, match=r"ends at product.A0"):
        netlist.find(tmp_path)


@pytest.mark.parametrize("name", ["x_buffer.ram.words", "words"])
def test_memory_in_tables(netlist, tmp_path, name):
    """Words written with a are read with b, at an address from b; from elsewhere they are no business of a buffer."""
    netlist.add(name, "TRELLIS_DPR16X4", WCK=A, DI=10, WAD=10, RAD=20, DO=30)
    netlist.add("anywhere", "TRELLIS_FF", CLK=B, DI=30, Q=31)
    if name == "words":
        with pytest.raises(UnsynchronisedPath, match="ends at anywhere.DI"):
            netlist.find(tmp_path)
        return
    assert netlist.find(tmp_path) == [Crossing("x_buffer.ram", "ram", "a", "b", 1)]
    # An address is no word.
    netlist.cells[name]["connections"]["RAD"] = [10]
    with pytest.raises(UnsynchronisedPath, match="ends at anywhere.DI"):
        netlist.find(tmp_path)
    # Nor may an address of the wrong clock enter a memory in use.
    netlist.cells[name]["connections"] |= {"RAD": [20], "WAD": [20]}
    with pytest.raises(UnsynchronisedPath, match=f"from clock b to clock a ends at {name}.WAD"):
        netlist.find(tmp_path)


@pytest.mark.parametrize(("width", "output"), [(18, "DOB0"), (36, "DOA0")])
def test_block_memory(netlist, tmp_path, width, output):
    """Port A is written with a, port B read with b; in mode 36 with the outputs of both."""
    pins = {"CLKA": A, "CLKB": B, "DIA0": 10, "ADA5": 10, "ADB5": 20, "CEB": 20, output: 30}
    netlist.add("y_buffer.ram.block", "DP16KD", {"DATA_WIDTH_A": width}, **pins)
    netlist.add("end", "TRELLIS_FF", CLK=B, DI=30, Q=31)
    assert netlist.find(tmp_path) == [Crossing("y_buffer.ram", "ram", "a", "b", 0)]
    netlist.cells["y_buffer.ram.block"]["connections"]["ADB5"] = [10]
    with pytest.raises(UnsynchronisedPath, match="from clock a to clock b ends at y_buffer.ram.block.ADB5"):
        netlist.find(tmp_path)
    netlist.cells["elsewhere"] = netlist.cells.pop("y_buffer.ram.block")
    netlist.cells["elsewhere"]["connections"]["ADB5"] = [20]
    with pytest.raises(UnsynchronisedPath, match="Memory elsewhere is written with clock a and read with clock b"):
        netlist.find(tmp_path)


def test_a_clock_that_is_missing(netlist, tmp_path):
    with pytest.raises(SynthesisError, match="The netlist has no clock c_clk"):
        netlist.find(tmp_path, {**CLOCKS, "c_clk": "c"})
