"""Multiply-accumulate in few logic cells: only one entry at a time is between the read and the write of its sum."""

from amaranth import *
from tercet.rtl.common.pipeline import event, register
from tercet.rtl.common.ram import Ram
from tercet.rtl.common.signed_multiplier import SignedMultiplier
from tercet.rtl.emit import shared

from .arithmetic import Arithmetic

__all__ = ["ShallowArithmetic"]


class ShallowArithmetic(Arithmetic):
    """Accumulators of a PE of a shallow engine, with the function of `Arithmetic`::

        s2   act, weight          row
        s3   [multiplier]        [accumulators]
        s4   product (or bias) + (sum of the row, or the one at s5: the entry before) --> written
        s5   sum

    The sum is written in the clock in which it is computed, so only the previous entry's can be in flight: one register
    and one comparison of rows suffice. A swept row outputs its sum at s4, where its bias replaces product and sum.

    Parameters
    ----------
    config : EieConfig
        Widths and depths.

    Members
    -------
    act, row, write, swept : In
        As in `Arithmetic`, at s2.
    constant : In(signed)
        Weight at s2, or bias at s4.
    total, total_valid : Out
        As in `Arithmetic`, at s4.
    """

    def elaborate(self, platform) -> Module:
        m = Module()
        width, family = self.config.acc_width, self.config.family
        m.submodules.product = product = shared(SignedMultiplier, family=family, latency=2)
        m.submodules.sums = sums = Ram(width=width, depth=self.config.act_depth, family=family, latency=1)
        m.d.comb += [product.act.eq(self.act), product.weight.eq(self.constant[:16])]

        s3_row, s3_write = register(m, "s3_row", self.row), event(m, "s3_write", self.write)
        s4_row, s4_write = register(m, "s4_row", s3_row), event(m, "s4_write", s3_write)
        s4_swept = event(m, "s4_swept", self.swept, 2)
        # The previous entry is written while this one's sum is read.
        s4_again = register(m, "s4_again", (s3_row == s4_row) & s4_write)

        s4_sum, s4_old, s4_term = (
            Signal(width, name="s4_sum"),
            Signal(signed(width), name="s4_old"),
            Signal(signed(width), name="s4_term"),
        )
        s5_sum = register(m, "s5_sum", s4_sum)
        m.d.comb += [
            s4_old.eq(Mux(s4_swept, 0, Mux(s4_again, s5_sum, sums.read_data))),
            s4_term.eq(Mux(s4_swept, self.constant[:width].as_signed(), product.product)),
            s4_sum.eq(s4_term + s4_old),
            sums.read_enable.eq(1),
            sums.read_address.eq(s3_row),
            sums.write.eq(s4_write),
            sums.write_address.eq(s4_row),
            sums.write_data.eq(s4_sum),
            self.total.eq(sums.read_data),
            self.total_valid.eq(s4_swept),
        ]
        return m
