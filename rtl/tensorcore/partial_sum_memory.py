"""Addends of one dot-product unit: C in the first step, then the partial sums stored beside the unit."""

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
    """Memory of one unit's partial sums, by block and part. Control signals arrive one clock early and are registered
    here, for this unit alone::

                                 first ----v
        addend -----------------------> [choice] --> c
        place ----> [memory of sums] ------^
                          ^
        write_place ------+------ value (the unit's d)

    Units are spread over the whole chip; registers shared by all would need wires across it.

    Parameters
    ----------
    config : TensorCoreConfig
        Output format, fold, family.

    Members
    -------
    place : In
        Address of the sum that is the next addend, `latency` clocks before `c`.
    first : In(1)
        The addend comes from C; 2 clocks before `c`.
    addend : In
        Element of C; 1 clock before `c`.
    c : Out
        The addend.
    write : In(1), write_place : In
        In the next clock `value` is the sum for that address.
    value : In
        Sum to store.
    """

    # Otherwise synthesis merges the equal registers of all units, with wires across the chip.
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
        # The output register follows the multiplexer where possible: the unpacking of the addend is slow enough.
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
