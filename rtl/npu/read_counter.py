"""Counter of the reads of a pass: which give results, which end a row, which is the last."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.pipeline import register

from .layouts import instruction_layout

__all__ = ["ReadCounter"]


class ReadCounter(wiring.Component):
    """Count `rows` rows of `cols` results; all outputs are registers, computed a read ahead.

    In each row, the first result comes with read ``taps - 1``, each further one `stride` reads later; it ends with its
    last result.

    Members
    -------
    rows, cols, taps, stride : In
        Of the next pass; stable a clock before `take`, at least 1.
    free, take : In(1)
        No pass is running, or this is its last read; the first read of the next one comes in the next clock, only with
        `free`.
    emit, row_end, ending : Out(1)
        This clock's read gives a result; ends its row; is the last. 0 between passes.
    """

    def __init__(self):
        fields = instruction_layout()
        super().__init__(
            {
                "rows": In(fields["block"].shape),
                "cols": In(fields["out_cols"].shape),
                "taps": In(fields["taps"].shape),
                "stride": In(fields["stride_cols"].shape),
                "free": In(1),
                "take": In(1),
                "emit": Out(1),
                "row_end": Out(1),
                "ending": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        # Comparisons are made where there is time: on the next pass before it begins, and two results ahead.
        tests = {"emit": self.taps == 1, "col_1": self.cols == 1, "col_2": self.cols == 2, "stride_1": self.stride == 1}
        coming = {name: register(m, f"coming_{name}", test) for name, test in tests.items()}
        coming_delay, coming_stride = (
            register(m, name, value - 1)
            for name, value in (("coming_delay", self.taps), ("coming_stride", self.stride))
        )
        coming_wait_1 = register(m, "coming_wait_1", self.taps == 2)
        coming_row = [register(m, f"coming_row_{n}", self.rows == n) for n in (1, 2)]
        row = {name: Signal(name=f"row_{name}", reset_less=True) for name in tests}  # as a row begins
        cols, delay, stride = (
            Signal(shape, name=name, reset_less=True)
            for name, shape in (("cols_kept", self.cols.shape()), ("delay", 8), ("stride_kept", self.stride.shape()))
        )
        wait, col, left = (
            Signal(shape, name=name, reset_less=True)
            for name, shape in (("wait", 8), ("col", self.cols.shape()), ("rows_left", self.rows.shape()))
        )
        last_col, col_2, last_row, row_2, wait_1 = (
            Signal(name=name, reset_less=True) for name in ("last_col", "col_2", "last_row", "row_2", "wait_1")
        )
        emit, next_col, next_row = (Signal(name=name) for name in ("next_emit", "next_last_col", "next_last_row"))
        with m.If(self.free):
            m.d.comb += [emit.eq(coming["emit"]), next_col.eq(coming["col_1"]), next_row.eq(coming_row[0])]
            m.d.sync += [row[name].eq(coming[name]) for name in tests]
            m.d.sync += [cols.eq(self.cols), delay.eq(coming_delay), stride.eq(coming_stride)]
            m.d.sync += [wait.eq(coming_delay), wait_1.eq(coming_wait_1), col.eq(self.cols), left.eq(self.rows)]
            m.d.sync += [col_2.eq(coming["col_2"]), row_2.eq(coming_row[1])]
        with m.Elif(self.row_end):
            m.d.comb += [emit.eq(row["emit"]), next_col.eq(row["col_1"]), next_row.eq(row_2)]
            m.d.sync += [wait.eq(delay), wait_1.eq(delay == 1), col.eq(cols), left.eq(left - 1)]
            m.d.sync += [col_2.eq(row["col_2"]), row_2.eq(left == 3)]
        with m.Elif(self.emit):
            m.d.comb += [emit.eq(row["stride_1"]), next_col.eq(col_2), next_row.eq(last_row)]
            m.d.sync += [wait.eq(stride), wait_1.eq(stride == 1), col.eq(col - 1), col_2.eq(col == 3)]
        with m.Else():
            m.d.comb += [emit.eq(wait_1), next_col.eq(last_col), next_row.eq(last_row)]
            m.d.sync += [wait.eq(wait - 1), wait_1.eq(wait == 2)]
        running = Signal(name="running")
        m.d.sync += [
            running.eq(self.take | running & ~self.ending),
            last_col.eq(next_col),
            last_row.eq(next_row),
        ]
        going = Mux(self.free, self.take, running)
        m.d.sync += [
            self.emit.eq(emit & going),
            self.row_end.eq(emit & next_col & going),
            self.ending.eq(emit & next_col & next_row & going),
        ]
        return m
