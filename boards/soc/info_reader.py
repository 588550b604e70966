"""Readout of the board's description and counters for replies."""

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..host.protocol import IDENTIFY_BYTES
from .island_signature import CounterByte
from .word_packer import byte_of

__all__ = ["NONCE_BYTES", "InfoReader"]

NONCE_BYTES = 4
_PART_BITS = exact_log2(IDENTIFY_BYTES)


class InfoReader(wiring.Component):
    """Sends one part of the description, preceded by the host's nonce, or all counters.

    Parameters
    ----------
    description : bytes
        Description of the board, a multiple of `IDENTIFY_BYTES` long.
    counters : int
        Total bytes of the link's counters.

    Members
    -------
    offset : In(16), nonce : In(32), counters : In
        Operands; stable from the clock before the request until the last byte has been sent.
    engine : In(stream.Signature(CounterByte))
        Counters of the engine, sent before those of the link.
    missing : Out(1)
        The description has no part that starts at `offset`; valid one clock after `offset`.
    identify, count : In(1)
        Request a part of the description, or the counters; only while idle.
    o : Out(stream.Signature(8)), last : Out(1)
        Bytes, and whether the current one is the last.
    """

    def __init__(self, *, description: bytes, counters: int):
        self._description = description
        super().__init__(
            {
                "offset": In(16),
                "nonce": In(8 * NONCE_BYTES),
                "counters": In(8 * counters),
                "engine": In(stream.Signature(CounterByte())),
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
                    m.next = "ENGINE"
            with m.State("NONCE"), self._give(m, self.nonce.word_select(step[:2], 8)):
                m.d.sync += step.eq(step + 1)
                with m.If(step == NONCE_BYTES - 1):
                    m.d.sync += step.eq(0)
                    m.next = "TEXT_READ"
            with m.State("ENGINE"):
                m.d.comb += [
                    self.o.payload.eq(self.engine.payload.byte),
                    self.o.valid.eq(self.engine.valid),
                    self.engine.ready.eq(self.o.ready),
                ]
                with m.If(self.engine.valid & self.engine.payload.last & self.o.ready):
                    m.next = "COUNT_READ"
            for name, byte, size in (("TEXT", text, IDENTIFY_BYTES), ("COUNT", count, number)):
                # The byte selected by the step is valid within 2 clocks.
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
        """Offer a byte; the returned context applies once it is accepted."""
        m.d.comb += [self.o.payload.eq(byte), self.o.valid.eq(1)]
        return m.If(self.o.ready)

    def _text(self, m: Module) -> Signal:
        """Byte of the description selected by offset and step, 2 clocks later."""
        size = len(self._description)
        m.submodules.description = text = memory.Memory(shape=8, depth=size, init=self._description)
        port, byte = text.read_port(), Signal(8, name="byte")
        # The output of a block RAM is slow; register it.
        m.d.sync += byte.eq(port.data)
        m.d.comb += port.addr.eq(Cat(self._step[:_PART_BITS], self.offset[_PART_BITS:]))
        return byte

    def _counter(self, m: Module) -> Signal:
        """Byte of the counters selected by the step, within 2 clocks."""
        byte = Signal(8)
        m.d.sync += byte.eq(byte_of(m, self.counters, self._step))
        return byte
