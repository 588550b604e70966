"""Codebook lookup beside address accumulation: an entry becomes a weight and a row."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.eie_layer import EieConfig
from tercet.rtl.common.choice import add_chosen
from tercet.rtl.common.pipeline import register
from tercet.rtl.common.ram import Ram

from .layouts import address_width

__all__ = ["Decode"]

# Clocks from a swept row to the address of its bias.
_BIAS_DELAY = 3


class Decode(wiring.Component):
    """Weights and biases come from one memory, which is free for biases while rows are swept::

        s4  value -------->[constants]           zeros --> row + zeros + 1
        s5                 [         ]                     row
        s6  constant: a weight                             row
        s9  constant: a bias

    Parameters
    ----------
    config : EieConfig
        Widths and depths.

    Members
    -------
    valid, first, value, zeros : In
        An entry, at s4; zeros and value are 0 if there is none.
    sweep, sweep_first : In(1)
        Instead of an entry: the next row, or the first one.
    bias_address : In
        The row's bias, three clocks after `sweep`.
    codebook : In
        Which codebook: the upper bits of a weight's address.
    load : In(1), load_address, load_data : In
        Write a constant.
    constant : Out(signed)
        A weight at s6, a bias at s9.
    row : Out
        The row, at s6.
    write : Out(1)
        The row is to be written: the entry is no filler, or the row is swept; at s6.
    swept : Out(1)
        The row is swept; at s6.
    filler : Out(1)
        The entry is a filler; at s5.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        address = address_width(config.constant_depth)
        self.constant_width = max(16, config.acc_width)
        super().__init__(
            {
                "valid": In(1),
                "first": In(1),
                "value": In(config.code_bits),
                "zeros": In(config.index_bits),
                "sweep": In(1),
                "sweep_first": In(1),
                "bias_address": In(address),
                "codebook": In(address - config.code_bits),
                "load": In(1),
                "load_address": In(address),
                "load_data": In(self.constant_width),
                "constant": Out(signed(self.constant_width)),
                "row": Out(address_width(config.act_depth)),
                "write": Out(1),
                "swept": Out(1),
                "filler": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        s5_row = Signal.like(self.row, reset_less=True)
        first = Signal()
        m.d.comb += first.eq(Mux(self.sweep, self.sweep_first, self.first))
        # The row behind the last one, or the first; a bit below holds the carry for that.
        width = len(s5_row) + 1
        row = add_chosen(
            m, "next_row", self.config.family, Cat(~first, self.zeros), first, C(0, width), Cat(1, s5_row), width
        )
        m.d.sync += s5_row.eq(row[1:])
        m.d.comb += self.row.eq(register(m, "s6_row", s5_row))

        some = Signal()
        m.d.comb += some.eq(self.value != 0)
        s5_write = Signal(reset_less=True)
        m.d.sync += [s5_write.eq(some | self.sweep), self.filler.eq(self.valid & ~some)]
        m.d.comb += self.write.eq(register(m, "s6_write", s5_write))
        m.d.comb += self.swept.eq(register(m, "s6_sweep", self.sweep, 2))

        m.submodules.constants = constants = Ram(
            width=self.constant_width, depth=self.config.constant_depth, family=self.config.family
        )
        s7_sweep = register(m, "s7_sweep", self.sweep, _BIAS_DELAY)
        m.d.comb += [
            constants.read_enable.eq(1),
            constants.out_enable.eq(1),
            constants.read_address.eq(Mux(s7_sweep, self.bias_address, Cat(self.value, self.codebook))),
            constants.write.eq(self.load),
            constants.write_address.eq(self.load_address),
            constants.write_data.eq(self.load_data),
            self.constant.eq(constants.read_data),
        ]
        return m
