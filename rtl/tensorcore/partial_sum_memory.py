"""The addends of one dot-product unit: a part of C in the first step, then its own sums, which stay beside it."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.cycle_model import TILE
from tercet.rtl.common.pipeline import register
from tercet.rtl.common.ram import Ram, has_latency_1

from .plan import Plan

__all__ = ["PartialSumMemory"]


class PartialSumMemory(wiring.Component):
    """Sums by their place in a tile. What decides arrives a clock early, and is registered here for this unit alone::

                                 first ----v
        addend -----------------------> [choice] --> c
        place ----> [memory of sums] ------^
                          ^
        write_place ------+------ value (the unit's d)

    Units lie all over the chip, and so would wires from one set of registers for all.

    Parameters
    ----------
    config : TensorCoreConfig
        Output format, fold, family.

    Members
    -------
    place : In
        Of the sum that is the next addend, `latency` clocks before it.
    first : In(1)
        The addend is part of C; 2 clocks before it.
    addend : In
        That part; 1 clock before it.
    c : Out
        The addend.
    write : In(1), write_place : In
        In the next clock `value` is a sum for that place.
    value : In
        A sum.
    """

    # Synthesis would make one set of registers out of the equal ones of all units, with wires across the chip.
    keep_hierarchy = True

    def __init__(self, *, config: TensorCoreConfig):
        self.config = config
        width, depth = Plan(config).c_width, TILE[0] * TILE[1] * config.fold
        super().__init__(
            {
                "place": In(range(depth)),
                "first": In(1),
                "addend": In(width),
                "c": Out(width),
                "write": In(1),
                "write_place": In(range(depth)),
                "value": In(width),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from `place` to `c`."""
        return 3

    def elaborate(self, platform) -> Module:
        m = Module()
        depth = TILE[0] * TILE[1] * self.config.fold
        # The output register is behind the choice where it can be: what takes addends apart is slow enough.
        early = has_latency_1(self.config.family, depth)
        m.submodules.words = words = Ram(
            width=len(self.c), depth=depth, family=self.config.family, latency=1 if early else 2
        )
        first = register(m, "s1_first", self.first)
        write = Signal()
        m.d.sync += write.eq(self.write)
        m.d.comb += [
            words.read_enable.eq(1),
            words.out_enable.eq(1),
            words.read_address.eq(register(m, "s1_place", self.place)),
            words.write.eq(write),
            words.write_address.eq(register(m, "s1_write_place", self.write_place)),
            words.write_data.eq(self.value),
        ]
        if early:
            m.d.comb += self.c.eq(register(m, "s3_c", Mux(first, self.addend, words.read_data)))
        else:
            addend = register(m, "s3_addend", self.addend)
            m.d.comb += self.c.eq(Mux(register(m, "s3_first", first), addend, words.read_data))
        return m
