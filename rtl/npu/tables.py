"""Table fetch: the tables of an instruction, for the vector unit."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import Opcode
from tercet.golden.npu.latencies import WORD_CLOCKS
from tercet.rtl.common.pipeline import event, register

from .layouts import instruction_layout

__all__ = ["TableFetch", "reads_tables"]


def reads_tables(opcode: Value) -> Value:
    """Whether an instruction reads tables."""
    return (opcode == Opcode.ADD) | (opcode == Opcode.LOOKUP)


class TableFetch(wiring.Component):
    """Copy tables into the vector unit, a word per clock, unless they are there.

    An instruction names the tables that it reads, or with ``prefetch`` those of a later one: they are copied while it
    runs. While an instruction reads tables, copies wait.

    Parameters
    ----------
    config : NpuConfig
        Number of tables; at least 1.

    Members
    -------
    clear : In(1)
        The table memory may have changed.
    valid : In(1), instruction : In(instruction_layout())
        Copy the tables of this instruction. It stays for three clocks after `valid`.
    in_use : In(1)
        A running instruction reads tables.
    ready : Out(1)
        The tables that the instruction reads are in place.
    address : Out(range(256 * tables))
        Word to read; it arrives with `write`.
    write : Out(1), write_address : Out(9)
        Store the word; bit 8 of the address selects the table of the second operand.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        super().__init__(
            {
                "clear": In(1),
                "valid": In(1),
                "instruction": In(instruction_layout()),
                "in_use": In(1),
                "ready": Out(1),
                "address": Out(range(256 * config.tables)),
                "write": Out(1),
                "write_address": Out(9),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        i = self.instruction
        tables = (i.table, i.other_table)
        reads = Cat(reads_tables(i.opcode), i.opcode == Opcode.ADD)
        kept = [Signal(i.table.shape(), name=f"kept_{n}", reset_less=True) for n in "ab"]
        known = Signal(2, name="known")
        has = Cat(known[n] & (kept[n] == table) for n, table in enumerate(tables))
        missing = Signal(2, name="s1_missing")
        m.d.sync += missing.eq(Mux(self.valid, (reads | i.prefetch) & ~has, 0))
        m.d.comb += self.ready.eq((~reads | has).all())
        second, word, issue = Signal(name="second"), Signal(8, name="word"), Signal(name="issue")
        table = Signal(i.table.shape(), name="table", reset_less=True)
        m.d.comb += self.address.eq(Cat(word, table))
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += word.eq(0)
                with m.If((missing != 0) & ~self.in_use):
                    m.d.sync += [second.eq(~missing[0]), table.eq(Mux(missing[0], i.table, i.other_table))]
                    m.d.sync += known.eq(known & ~Mux(missing[0], 1, 2))
                    m.next = "COPY"
            with m.State("COPY"):
                m.d.comb += issue.eq(1)
                m.d.sync += word.eq(word + 1)
                with m.If(word == 255):
                    m.d.sync += known.eq(known | Mux(second, 2, 1))
                    m.d.sync += [kept[n].eq(Mux(second == n, table, kept[n])) for n in range(2)]
                    m.next = "STORED"
                with m.If(self.clear):
                    m.next = "STORED"
            with m.State("STORED"):
                # `missing` lags by a clock. The last words arrive long before a pass reads them.
                m.next = "IDLE"
        with m.If(self.clear):
            m.d.sync += known.eq(0)
        m.d.comb += [
            self.write.eq(event(m, "arrive", issue, WORD_CLOCKS)),
            self.write_address.eq(register(m, "arrive_address", Cat(word, second), WORD_CLOCKS)),
        ]
        return m
