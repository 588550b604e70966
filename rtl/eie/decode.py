"""Entry decoder: looks up the weight in the codebook and accumulates the row address."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.eie.config import EieConfig
from tercet.rtl.common.choice import add_chosen
from tercet.rtl.common.pipeline import event, register
from tercet.rtl.common.ram import Ram

from .layouts import address_width

__all__ = ["Decode"]


class Decode(wiring.Component):
    """Turn entries into weights and rows. Biases share the weights' memory, which is idle while rows are swept::

        s4  value -------->[constants]           zeros --> row + zeros + 1
        s5                 [         ]                     row
        s6  constant: a weight                             row
        s9  constant: a bias

    In a shallow engine an entry arrives at s1 and has its row and weight at s2; a swept row has its bias at s4.

    Parameters
    ----------
    config : EieConfig
        Widths and depths.

    Members
    -------
    valid, first, value, zeros : In
        Entry, at s4; `zeros` and `value` are 0 if there is none.
    sweep, sweep_first : In(1)
        Sweep the next row, or the first one, instead of an entry.
    bias_address : In
        Address of the row's bias, ``config.timing.bias`` clocks after `sweep`.
    codebook : In
        Codebook number: the upper bits of a weight's address.
    load : In(1), load_address, load_data : In
        Write a constant.
    constant : Out(signed)
        Weight, `latency` clocks after its entry; or bias, `latency` clocks after its address.
    row : Out
        Row, in the clock of the weight.
    write : Out(1)
        The row is to be written: the entry is not a filler, or the row is swept; in the clock of the weight.
    swept : Out(1)
        The row is swept; in the clock of the weight.
    filler : Out(1)
        The entry is a filler; one clock after it.
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

    @property
    def latency(self) -> int:
        """Clocks from an entry to its weight."""
        return 1 if self.config.shallow else 2

    def elaborate(self, platform) -> Module:
        m = Module()
        s5_row = Signal.like(self.row, reset_less=True)
        first = Signal()
        m.d.comb += first.eq(Mux(self.sweep, self.sweep_first, self.first))
        # row + 1 + zeros, or zeros for the first entry; an extra bit below the LSB generates the carry for the 1.
        width = len(s5_row) + 1
        row = add_chosen(
            m, "next_row", self.config.family, Cat(~first, self.zeros), first, C(0, width), Cat(1, s5_row), width
        )
        m.d.sync += s5_row.eq(row[1:])
        m.d.comb += self.row.eq(register(m, "s6_row", s5_row, self.latency - 1))

        some = Signal()
        m.d.comb += some.eq(self.value != 0)
        s5_write = Signal()
        m.d.sync += [s5_write.eq(some | self.sweep), self.filler.eq(self.valid & ~some)]
        m.d.comb += self.write.eq(event(m, "s6_write", s5_write, self.latency - 1))
        m.d.comb += self.swept.eq(event(m, "s6_sweep", self.sweep, self.latency))

        m.submodules.constants = constants = Ram(
            width=self.constant_width,
            depth=self.config.constant_depth,
            family=self.config.family,
            latency=self.latency,
        )
        s7_sweep = register(m, "s7_sweep", self.sweep, self.config.timing.bias)
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
