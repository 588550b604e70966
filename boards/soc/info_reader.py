"""What a board tells of itself, as bytes of a reply."""

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..host.protocol import IDENTIFY_BYTES
from .word_packer import byte_of

__all__ = ["NONCE_BYTES", "InfoReader"]

NONCE_BYTES = 4
_PART_BITS = exact_log2(IDENTIFY_BYTES)


class InfoReader(wiring.Component):
    """A part of the description behind the host's nonce, or the counters.

    Parameters
    ----------
    description : bytes
        A multiple of `IDENTIFY_BYTES`.
    counters : int
        Bytes of the counters.

    Members
    -------
    offset : In(16), nonce : In(32), counters : In
        From the clock before it is asked until the last byte has gone.
    missing : Out(1)
        The description has no part that begins at `offset`; a clock later.
    identify, count : In(1)
        Ask for the one or the other, while nothing is on its way.
    o : Out(stream.Signature(8)), last : Out(1)
        Bytes, and whether the one that is taken is the last.
    """

    def __init__(self, *, description: bytes, counters: int):
        self._description = description
        super().__init__(
            {
                "offset": In(16),
                "nonce": In(8 * NONCE_BYTES),
                "counters": In(8 * counters),
                "missing": Out(1),
                "identify": In(1),
                "count": In(1),
                "o": Out(stream.Signature(8)),
                "last": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        number = len(self.counters) // 8
        self._step = step = Signal(range(max(NONCE_BYTES, IDENTIFY_BYTES, number)))
        at, part = self.offset[:_PART_BITS], self.offset[_PART_BITS:]
        m.d.sync += self.missing.eq(at.any() | (part >= len(self._description) // IDENTIFY_BYTES))
        text, count = self._text(m), self._counter(m)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += step.eq(0)
                with m.If(self.identify):
                    m.next = "NONCE"
                with m.If(self.count):
                    m.next = "COUNT_READ"
            with m.State("NONCE"), self._give(m, self.nonce.word_select(step[:2], 8)):
                m.d.sync += step.eq(step + 1)
                with m.If(step == NONCE_BYTES - 1):
                    m.d.sync += step.eq(0)
                    m.next = "TEXT_READ"
            for name, byte, size in (("TEXT", text, IDENTIFY_BYTES), ("COUNT", count, number)):
                # What the step chooses is there within 2 clocks.
                with m.State(f"{name}_READ"):
                    m.next = f"{name}_WAIT"
                with m.State(f"{name}_WAIT"):
                    m.next = name
                with m.State(name), self._give(m, byte):
                    m.d.sync += step.eq(step + 1)
                    m.next = f"{name}_READ"
                    with m.If(step == size - 1):
                        m.d.comb += self.last.eq(1)
                        m.next = "IDLE"
        return m

    def _give(self, m: Module, byte: Value):
        """A byte, and what follows from it when it has been taken."""
        m.d.comb += [self.o.payload.eq(byte), self.o.valid.eq(1)]
        return m.If(self.o.ready)

    def _text(self, m: Module) -> Signal:
        """The byte of the part that the step says, 2 clocks later."""
        size = len(self._description)
        m.submodules.description = text = memory.Memory(shape=8, depth=size, init=self._description)
        port, byte = text.read_port(), Signal(8)
        # A block RAM's way out is slow, and needs a clock.
        m.d.sync += byte.eq(port.data)
        m.d.comb += port.addr.eq(Cat(self._step[:_PART_BITS], self.offset[_PART_BITS:]))
        return byte

    def _counter(self, m: Module) -> Signal:
        """The byte of the counters that the step says, within 2 clocks."""
        byte = Signal(8)
        m.d.sync += byte.eq(byte_of(m, self.counters, self._step))
        return byte
