"""Multiply-accumulate: a row's sum is read, added to and written while younger entries are in flight."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.eie.config import EieConfig
from tercet.rtl.common.choice import add_chosen, choose
from tercet.rtl.common.pipeline import event, register
from tercet.rtl.common.ram import Ram
from tercet.rtl.common.signed_multiplier import SignedMultiplier
from tercet.rtl.emit import shared

from .layouts import address_width

__all__ = ["Arithmetic"]


class Arithmetic(wiring.Component):
    """Accumulators of a PE and the pipeline around them::

        s6   act, weight          row
        s7   [multiplier]        [accumulators]
        s8   [          ]        [            ]
        s9   [          ]         sum of the row, or one in flight: s11, s12, s13 (two to four entries before)
        s10  product (or bias) + (sum of the row, or the one at s11: the entry before)
        s11  sum                 --> written
        s12  sum
        s13  sum

    If the row was written up to four entries before, the sum in flight is forwarded; from five entries before on it is
    in the memory. Rows increase within a column, so forwarding only occurs from one column to the next.

    A swept row outputs its sum at s10, and its bias replaces product and sum.

    Parameters
    ----------
    config : EieConfig
        Widths and depths.

    Members
    -------
    act : In(signed(16))
        Activation, at s6.
    constant : In(signed)
        Weight at s6, or bias at s9.
    row : In
        Row, at s6.
    write : In(1)
        The entry is not a filler, or its row is swept; at s6.
    swept : In(1)
        The row is swept; at s6.
    total : Out(signed(acc_width))
        Sum of a swept row; at s10.
    total_valid : Out(1)
        `total` is valid.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        super().__init__(
            {
                "act": In(signed(16)),
                "constant": In(signed(max(16, config.acc_width))),
                "row": In(address_width(config.act_depth)),
                "write": In(1),
                "swept": In(1),
                "total": Out(signed(config.acc_width)),
                "total_valid": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        width = self.config.acc_width
        m.submodules.product = product = shared(SignedMultiplier, family=self.config.family)
        m.submodules.sums = sums = Ram(width=width, depth=self.config.act_depth, family=self.config.family)
        m.d.comb += [product.act.eq(self.act), product.weight.eq(self.constant[:16])]

        row, write = {6: self.row}, {6: self.write}
        for stage in range(7, 13):
            row[stage] = register(m, f"s{stage}_row", row[stage - 1])
            write[stage] = event(m, f"s{stage}_write", write[stage - 1])
        s9_swept = event(m, "s9_swept", self.swept, 3)

        s11_sum = Signal(width, reset_less=True)
        s12_sum = register(m, "s12_sum", s11_sum)
        s13_sum = register(m, "s13_sum", s12_sum)
        s10_one, s9_choice = self._compare(m, row, write)
        older = [sums.read_data, s13_sum, s12_sum, s11_sum]
        s9_sum = choose(m, "s9_sum", self.config.family, older, s9_choice)
        s10_old = register(m, "s10_old", Mux(s9_swept, 0, s9_sum))
        s10_term = Signal(width, reset_less=True)
        m.d.sync += s10_term.eq(Mux(s9_swept, self.constant[:width].as_signed(), product.product))
        s10_sum = add_chosen(m, "s10_sum", self.config.family, s10_term, s10_one, s11_sum, s10_old, width)
        m.d.sync += s11_sum.eq(s10_sum)
        m.d.comb += [
            sums.read_enable.eq(1),
            sums.out_enable.eq(1),
            sums.read_address.eq(row[7]),
            sums.write.eq(write[11]),
            sums.write_address.eq(row[11]),
            sums.write_data.eq(s11_sum),
            self.total.eq(register(m, "s10_total", sums.read_data)),
            self.total_valid.eq(event(m, "s10_swept", s9_swept)),
        ]
        return m

    def _compare(self, m: Module, row: dict[int, Value], write: dict[int, Value]) -> tuple[Value, Value]:
        """Return whether the entry before wrote the row, for s10, and which of the three before that did, for s9.

        Rows are compared and the youngest writer is selected a clock ahead, so both results are registers.
        """
        s9_equal = register(m, "s9_equal", row[8] == row[9])
        s10_one = register(m, "s10_one", s9_equal & write[10])
        same = [
            register(m, f"s8_same_{distance}", row[7] == row[7 + distance]) & write[8 + distance]
            for distance in (2, 3, 4)
        ]
        s9_choice = register(m, "s9_choice", Cat(same[0] | (same[2] & ~same[1]), same[0] | same[1]))
        return s10_one, s9_choice
