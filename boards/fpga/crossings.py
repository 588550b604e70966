"""Audit of clock domain crossings in a netlist of ECP5 cells.

nextpnr neither times paths from one clock to another nor lets one declare exceptions (its SDC reader takes
``set_false_path`` and warns that it has no effect). So the netlist is searched here for every such path, and each must
end in one of the structures made for it.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .netlist import SynthesisError

__all__ = ["KINDS_OF_CROSSING", "Crossing", "UnsynchronisedPath", "find_crossings"]

KINDS_OF_CROSSING = ("synchroniser", "fifo", "ram")
"""``ram``: words written in one clock and read in the other, and nothing else between the two."""


class UnsynchronisedPath(SynthesisError):
    """A path from one clock to another ends outside the structures made for it."""


@dataclass(frozen=True, order=True)
class Crossing:
    """A structure that carries data from one clock to another.

    Attributes
    ----------
    name : str
        Name of the submodule.
    kind : str
        One of `KINDS_OF_CROSSING`.
    source, target : str
        Names of the clocks.
    paths : int
        Pins at which paths end; 0 inside a block RAM with a clock for each port.
    """

    name: str
    kind: str
    source: str
    target: str
    paths: int


# Clock of the cell in which paths begin, and its name if it is a memory in lookup tables.
_Source = tuple[str, str]


def find_crossings(netlist: Path, clocks: Mapping[str, str], kinds: Mapping[str, str]) -> list[Crossing]:
    """Return all crossings between clocks in a flattened netlist.

    Parameters
    ----------
    netlist : Path
        Netlist of ECP5 cells, as yosys JSON.
    clocks : mapping
        Net to name of each clock.
    kinds : mapping
        Regular expression for the name of a submodule to its kind of crossing.

    Raises
    ------
    UnsynchronisedPath
        If a path from clock to clock ends outside these submodules, or in one of kind ``ram`` without coming from its
        memory.
    SynthesisError
        If a clock is missing.
    """
    modules = json.loads(netlist.read_text())["modules"]
    design = _Design(next(m for m in modules.values() if int(m["attributes"].get("top", "0"), 2)), clocks)
    found: dict[tuple[str, str, str, str], int] = defaultdict(int)
    for cell, pin, bit, target in design.endpoints():
        for source, memory in design.sources(bit):
            if source != target:
                name, kind = _structure(memory or cell, kinds)
                if not kind or (kind == "ram" and not memory):
                    raise UnsynchronisedPath(
                        f"A path from clock {source} to clock {target} ends at {cell}.{pin} without a synchroniser"
                    )
                found[name, kind, source, target] += 1
    for cell, source, target in design.dual_clock_memories():
        name, kind = _structure(cell, kinds)
        if not kind:
            raise UnsynchronisedPath(f"Memory {cell} is written with clock {source} and read with clock {target}")
        found[name, kind, source, target] += 0
    return sorted(Crossing(*key, paths) for key, paths in found.items())


def _structure(cell: str, kinds: Mapping[str, str]) -> tuple[str, str]:
    """Return name and kind of the crossing that a cell is in; empty if it is in none."""
    for pattern, kind in kinds.items():
        match = re.search(rf"(?:^|\.)({pattern})\.", cell)
        if match:
            return match[1], kind
    return "", ""


class _Design:
    """Cells and nets of a netlist, with the clock of every pin."""

    def __init__(self, module: Mapping[str, Any], clocks: Mapping[str, str]):
        self._cells = {name: cell for name, cell in module["cells"].items() if not cell["type"].startswith("$")}
        nets = module["netnames"]
        for net in clocks:
            if net not in nets:
                raise SynthesisError(f"The netlist has no clock {net}")
        self._clocks = {nets[net]["bits"][0]: name for net, name in clocks.items()}
        self._drivers = {
            bit: (name, pin)
            for name, cell in self._cells.items()
            for pin, bits in cell["connections"].items()
            if cell["port_directions"][pin] == "output"
            for bit in bits
        }
        self._known: dict[int, frozenset[_Source]] = {}

    def _pins(self, cell: str, direction: str) -> Iterator[tuple[str, list]]:
        content = self._cells[cell]
        for pin, bits in content["connections"].items():
            if content["port_directions"][pin] == direction:
                yield pin, bits

    def _clock(self, cell: str, pin: str) -> str | None:
        """Name of the clock that a pin is sampled or driven with; None if there is none."""
        content = self._cells[cell]
        ports = content["connections"]
        if content["type"] == "DP16KD":
            side = re.sub(r"\d+$", "", pin)[-1]
            if int(content["parameters"]["DATA_WIDTH_A"], 2) == 36 and pin.startswith(("DI", "DO")):
                # Both halves of the widest words are written by port A and read by port B.
                side = "A" if pin.startswith("DI") else "B"
            return self._clocks.get(ports[f"CLK{side}"][0])
        for clock in ("CLK", "WCK", "CLK0", "CLK1", "CLK2", "CLK3"):
            if clock in ports and ports[clock][0] in self._clocks:
                return self._clocks[ports[clock][0]]
        return None

    def endpoints(self) -> Iterator[tuple[str, str, int, str]]:
        """Yield cell, pin, net and clock of every sampled pin."""
        for cell, content in self._cells.items():
            for pin, bits in self._pins(cell, "input"):
                clock = self._clock(cell, pin)
                if clock is None or pin in _CLOCKS or (content["type"] == _LUT_RAM and pin == "RAD"):
                    continue
                for bit in bits:
                    if isinstance(bit, int):
                        yield cell, pin, bit, clock

    def sources(self, bit: int) -> frozenset[_Source]:
        """Return where the paths begin that end at a net, through any logic."""
        stack = [bit]
        while stack:
            bit = stack[-1]
            if bit in self._known:
                stack.pop()
                continue
            direct, through = self._behind(bit)
            missing = [each for each in through if each not in self._known]
            if missing:
                stack += missing
            else:
                self._known[bit] = direct.union(*(self._known[each] for each in through))
                stack.pop()
        return self._known[bit]

    def _behind(self, bit: int) -> tuple[frozenset[_Source], list[int]]:
        """Return the clock of a net's driver, and the nets that it combines."""
        if bit not in self._drivers:
            return frozenset(), []
        cell, pin = self._drivers[bit]
        kind, clock = self._cells[cell]["type"], self._clock(cell, pin)
        if kind == _LUT_RAM:
            # An asynchronous read of words that a clock has written.
            read = [each for each in self._cells[cell]["connections"]["RAD"] if isinstance(each, int)]
            return frozenset({(clock, cell)} if clock else ()), read
        if clock is not None:
            return frozenset({(clock, "")}), []
        if kind in _LOGIC:
            inputs = (bit for _, bits in self._pins(cell, "input") for bit in bits)
            return frozenset(), [each for each in inputs if isinstance(each, int)]
        return frozenset(), []

    def dual_clock_memories(self) -> Iterator[tuple[str, str, str]]:
        """Yield the block RAMs with two clocks: cell, and the clocks of its writes and reads."""
        for cell, content in self._cells.items():
            if content["type"] == "DP16KD":
                write, read = self._clock(cell, "CLKA"), self._clock(cell, "CLKB")
                if write is not None and read is not None and write != read:
                    yield cell, write, read


_LUT_RAM = "TRELLIS_DPR16X4"
_LOGIC = ("LUT4", "CCU2C", "PFUMX", "L6MUX21", "MULT18X18D", "ALU54B")
_CLOCKS = ("CLK", "WCK", "CLK0", "CLK1", "CLK2", "CLK3", "CLKA", "CLKB")
