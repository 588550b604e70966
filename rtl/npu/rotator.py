"""Rotation of the lanes of a vector, between byte addresses and the columns of a memory."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.choice import choose
from tercet.rtl.common.pipeline import register

__all__ = ["Rotator"]

_WIDEST = 64


class Rotator(wiring.Component):
    """Rotate lanes towards lane 0, first by whole groups of 4 or 8 lanes, then within 4 or 8 neighbours::

        amount --[ ]--------[ ]------+
                  |                  |
        i ---> groups --[ ]--> neighbours --[ ]--> o
        clock 1           2                  3

    With `splat` the first step gives every group the lanes of the same group, and the second gives every lane the same
    one of them. Each group and each lane of a group has registers of its own to select by, which splits their fan-out.

    Parameters
    ----------
    lanes : int
        Lanes, a power of two from 4 to 64.
    width : int
        Width of a lane in bits, at least 1.
    family : "any", "ecp5" or "ice40"
        FPGA family, whose multiplexers are used.

    Members
    -------
    amount : In(range(lanes)), splat : In(1)
        Rotation, one clock before `i`. With `splat`, every lane is given lane `amount`.
    i : In(lanes * width)
        Vector, lane 0 in the least significant bits.
    o : Out(lanes * width)
        Lane ``l`` is lane ``(l + amount) % lanes`` of `i`, `latency` clocks after it.

    Raises
    ------
    ValueError
        If `lanes` is not a power of two from 4 to 64, or `width` is below 1.
    """

    def __init__(self, *, lanes: int, width: int = 8, family: str = "any"):
        if not 4 <= lanes <= _WIDEST or lanes & (lanes - 1):
            raise ValueError(f"Rotation of {lanes} lanes; use a power of two from 4 to {_WIDEST}")
        if width < 1:
            raise ValueError(f"Rotation of lanes of width {width}; use at least 1")
        self.lanes, self.width, self.family = lanes, width, family
        self.neighbours = 8 if lanes == _WIDEST else 4
        self.groups = lanes // self.neighbours
        super().__init__(
            {
                "amount": In(range(lanes)),
                "splat": In(1),
                "i": In(lanes * width),
                "o": Out(lanes * width),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from `i` to `o`."""
        return 2

    def elaborate(self, platform) -> Module:
        m = Module()
        low = self.neighbours.bit_length() - 1
        s1_amount = register(m, "s1_amount", self.amount[:low])
        s1_splat = register(m, "s1_splat", self.splat)
        # Groups in the order of the group that each gets when `amount` is below a group.
        lanes, size = self.i, self.neighbours * self.width
        groups = [lanes[n * size : (n + 1) * size] for n in range(self.groups)]
        rotated = []
        for n in range(self.groups):
            moved = (self.amount[low:] + Mux(self.splat, 0, n))[: len(self.amount) - low]
            s1_group = register(m, f"s1_group{n}", moved)
            rotated.append(register(m, f"s2_lanes{n}", self._choose(m, f"group{n}", groups, s1_group)))
        s2 = Cat(rotated)

        lane = [s2.word_select(n, self.width) for n in range(self.lanes)]
        lane += lane[: self.neighbours]
        for n in range(self.neighbours):
            # The candidates begin at the lane's own: where all lanes are given the same one, that moves back by one
            # from lane to lane.
            s2_amount = register(m, f"s2_amount{n}", (s1_amount - Mux(s1_splat, n, 0))[:low])
            firsts = range(n, self.lanes, self.neighbours)
            values = [Cat(lane[first + k] for first in firsts) for k in range(self.neighbours)]
            s3 = register(m, f"s3_lanes{n}", self._choose(m, f"lanes{n}", values, s2_amount))
            m.d.comb += [
                self.o.word_select(first, self.width).eq(s3.word_select(k, self.width))
                for k, first in enumerate(firsts)
            ]
        return m

    def _choose(self, m: Module, name: str, values: list, choice: Value) -> Value:
        """Select one of up to 8 values, from 4:1 multiplexers where that takes more than one."""
        if len(values) == 1:
            return values[0]
        if len(values) < 8:
            return choose(m, name, self.family, values, choice)
        halves = [choose(m, f"{name}_{k}", self.family, values[4 * k : 4 * k + 4], choice[:2]) for k in range(2)]
        return Mux(choice[2], halves[1], halves[0])
