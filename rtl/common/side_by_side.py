"""Identical units side by side, in few definitions however many there are.

Each unit has its own signals, and others are common to the whole row. Connecting hundreds of units one by one is slow
to write and to read; here a row consists of two half rows, each defined once.
"""

from typing import Any, ClassVar

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.emit import prototype, shared

__all__ = ["SideBySide"]

# Longest row that is not halved further.
_ROW = 16


class SideBySide(wiring.Component):
    """A row of `count` units; to be subclassed::

        all      ----+---------+---------+---->
                 [unit 0]  [unit 1]  [unit 2]  <-- chain
        split        |         |         |

    Attributes
    ----------
    unit : type
        Class of a unit, instantiated with ``params``.
    split : frozenset of str
        Members separate for each unit; the rest are common. All outputs except the chain's must be split.
    chain : tuple of str and str, or None
        Input and output that link the units: each unit's output drives the input of the unit before it. The last unit's
        input and the first unit's output are those of the row.

    Parameters
    ----------
    count : int
        Number of units, at least 1.
    **params
        Parameters of a unit.

    Members
    -------
    Those of a unit. A split member is `count` times as wide, with unit 0 in the least significant bits.
    """

    unit: ClassVar[type]
    split: ClassVar[frozenset[str]]
    chain: ClassVar[tuple[str, str] | None] = None

    def __init__(self, *, count: int, **params):
        if count < 1:
            raise ValueError(f"Row of {count} units; use at least 1")
        self.count, self.params = count, params
        one = prototype(self.unit, **params).signature.members
        members = {}
        for name in one:
            flow = In if one[name].flow == wiring.In else Out
            width = Shape.cast(one[name].shape).width
            members[name] = flow(count * width) if name in self.split else flow(one[name].shape)
        super().__init__(members)

    def elaborate(self, platform) -> Module:
        m = Module()
        # The chain enters at the last unit.
        link: Any = getattr(self, self.chain[0]) if self.chain else None
        for name, first, count in reversed(self._parts()):
            part = shared(self.unit, **self.params) if count == 1 else shared(type(self), count=count, **self.params)
            m.submodules[name] = part
            for member_name, member in self.signature.members.items():
                if self.chain and member_name in self.chain:
                    continue
                ours, inner = Value.cast(getattr(self, member_name)), Value.cast(getattr(part, member_name))
                if member_name in self.split:
                    low = first * (len(ours) // self.count)
                    ours = ours[low : low + len(inner)]
                m.d.comb += inner.eq(ours) if member.flow == wiring.In else ours.eq(inner)
            if self.chain:
                m.d.comb += getattr(part, self.chain[0]).eq(link)
                link = getattr(part, self.chain[1])
        if self.chain:
            m.d.comb += getattr(self, self.chain[1]).eq(link)
        return m

    def _parts(self) -> list[tuple[str, int, int]]:
        """List name, first unit and count of the units or half rows in this row."""
        if self.count <= _ROW:
            return [(f"unit{n}", n, 1) for n in range(self.count)]
        # The lower part is a multiple of _ROW, which keeps distinct row lengths few.
        cut = _ROW * (self.count // _ROW + 1 >> 1)
        return [("low", 0, cut), ("high", cut, self.count - cut)]
