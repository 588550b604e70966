"""Instruction fetch: instructions from their memory, checked before anything runs."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import BYTES, Opcode
from tercet.golden.npu.latencies import WORD_CLOCKS
from tercet.golden.numerics.requantization import ROUNDINGS
from tercet.rtl.common.pipeline import event

from .layouts import instruction_layout

__all__ = ["BEATS", "InstructionFetch"]

BEATS = BYTES // 4
"""Words of 32 bits of an instruction."""

_NONZERO = ("out_rows", "out_cols", "channels", "kernel_rows", "kernel_cols", "block", "taps", "stride_cols")


class InstructionFetch(wiring.Component):
    """Read one instruction after another and check it::

        address --> instruction memory --> shift register --> checks --> instruction, valid, malformed

    Parameters
    ----------
    config : NpuConfig
        Size of the memory, and what an instruction may use.

    Members
    -------
    first, next : In(1), first_address : In(range(operators * BEATS))
        Fetch the instruction at this address; fetch the one after. Only when none is being fetched.
    address : Out(range(operators * BEATS)), word : In(32)
        Port of the instruction memory, with a latency of `WORD_CLOCKS`.
    instruction : Out(instruction_layout())
        The instruction; stable from a clock before `valid` until the next fetch.
    valid : Out(1)
        The instruction is complete and checked.
    malformed : Out(1)
        It cannot be executed, or there is none.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        super().__init__(
            {
                "first": In(1),
                "next": In(1),
                "first_address": In(range(config.operators * BEATS)),
                "address": Out(range(config.operators * BEATS)),
                "word": In(32),
                "instruction": Out(instruction_layout()),
                "valid": Out(1),
                "malformed": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        # One bit more than the address: past the last instruction there is no HALT.
        beat = Signal(range(self.config.operators * BEATS + 1))
        left = Signal(range(BEATS + 1))
        beyond = Signal()
        bits = Signal(BYTES * 8, reset_less=True)
        issue = Signal()
        m.d.comb += [issue.eq(left != 0), self.address.eq(beat)]
        with m.If(issue):
            m.d.sync += [beat.eq(beat + 1), left.eq(left - 1)]
        with m.If(self.first | self.next):
            m.d.sync += [left.eq(BEATS), self.valid.eq(0)]
            m.d.sync += beyond.eq(self.next & (beat == self.config.operators * BEATS))
        with m.If(self.first):
            m.d.sync += beat.eq(self.first_address)
        arrive = event(m, "arrive", issue, WORD_CLOCKS)
        ended = event(m, "ended", issue & (left == 1), WORD_CLOCKS)
        with m.If(arrive):
            m.d.sync += bits.eq(Cat(bits[32:], self.word))
        complete = event(m, "complete", ended)
        early, late = self._wrong(bits)
        # Two clocks before the last word, everything but the last two words is there, 64 bits ahead of its place: those
        # fields, all over the chip, are compared in one clock and joined in the next.
        wrong = Signal(len(early), name="wrong", reset_less=True)
        any_wrong, halt = Signal(name="any_wrong", reset_less=True), Signal(name="halt", reset_less=True)
        m.d.sync += [wrong.eq(early), any_wrong.eq(wrong.any()), halt.eq(self._fields(bits, 32).opcode == Opcode.HALT)]
        with m.If(complete):
            m.d.sync += [self.valid.eq(1), self.malformed.eq(beyond | (~halt & (any_wrong | late.any())))]
        m.d.comb += self.instruction.eq(bits)
        return m

    def _fields(self, bits: Value, ahead: int):
        """Return the fields of an instruction of which the last `ahead` bits have not arrived."""
        layout = instruction_layout()
        return layout(Cat(bits[ahead:], C(0, ahead))[: layout.size])

    def _wrong(self, bits: Value) -> tuple[Value, Value]:
        """Return what is wrong with the fields before the last two words, two clocks early, and with the others."""
        config = self.config
        i = self._fields(bits, 64)
        wide = i.opcode == Opcode.DEPTHWISE if config.depthwise_taps else C(0)
        wrong = [
            i.opcode > max(Opcode),
            *(i[name] == 0 for name in _NONZERO),
            (i.opcode == Opcode.CONVOLVE) & (i.run == 0),
            i.taps > Mux(wide, max(1, config.depthwise_taps), 1),
        ]
        if config.tables == 0:
            wrong.append((i.opcode == Opcode.ADD) | (i.opcode == Opcode.LOOKUP))
        else:
            wrong.append(((i.opcode == Opcode.ADD) | (i.opcode == Opcode.LOOKUP)) & (i.table >= config.tables))
            wrong.append((i.opcode == Opcode.ADD) & (i.other_table >= config.tables))
        last = self._fields(bits, 0)
        rest = bits[instruction_layout().size :]
        # A sign: see `VectorLane`.
        crossed = (last.high - last.low)[-1]
        return Cat(wrong), Cat(crossed, last.rounding >= len(ROUNDINGS), rest.any())
