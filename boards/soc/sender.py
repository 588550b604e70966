"""Frame sender with retransmission; see `tercet.boards.host.protocol` for the format.

COBS must locate the next zero before it can emit anything, so the frame is kept in memory and read twice. A lost reply
can be sent again from there.
"""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.ram import Ram
from tercet.rtl.emit import shared

from ..host.protocol import CRC_BYTES, HEADER_BYTES
from .frame_crc import CRC
from .frame_signatures import ReplySignature

__all__ = ["FrameSender"]


class FrameSender(wiring.Component):
    """Collects data, then sends it with header and CRC, encoded by COBS (see `cobs`)::

        position:   -4          0          n       n + 4
                 | header 4  | data ... | CRC 4 |
        HEADER   ----------->
        SUM      ---------------------->            read for the CRC
        CRC                             ------->
        SCAN     ------>                            up to a zero, 254 bytes, or the end
        CODE, FETCH, BYTE                           the same bytes again, to `o`
        SKIP, NEXT                                  past the zero, to the next group
        END                                         the final 0

    The first byte comes ``n + 20 + c`` clocks after `send`, with n bytes of data and c the code of the first group.
    Between groups there are ``c + 5`` clocks, with c the code of the next one; within a group a byte takes 3.

    Parameters
    ----------
    frame_bytes : int
        Maximum frame size in bytes from sequence to CRC; 9 to 65536.
    family : str
        FPGA family.

    Members
    -------
    replies : In(ReplySignature)
        Bytes to append, and when to send them.
    o : Out(stream.Signature(8))
        Encoded bytes, including the final 0.

    Raises
    ------
    ValueError
        If `frame_bytes` is out of range.
    """

    def __init__(self, *, frame_bytes: int, family: str = "any"):
        if not HEADER_BYTES + CRC_BYTES < frame_bytes <= 2**16:
            raise ValueError(f"Frames have {frame_bytes} bytes; use 9 to 65536")
        self.frame_bytes, self.family = frame_bytes, family
        super().__init__(
            {
                "replies": In(ReplySignature()),
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        # The header wraps to the end of the RAM. A block RAM is slow without its output register, so a byte comes two
        # clocks after its position.
        m.submodules.ram = self._ram = ram = shared(
            Ram, width=8, depth=2 ** (self.frame_bytes - 1).bit_length(), family=self.family
        )
        # Position to write or read, the one after it, end of the data, end of the stored frame.
        self._position = position = Signal(range(-HEADER_BYTES, self.frame_bytes))
        self._after = Signal.like(position, name="after")
        self._length = Signal.like(position, name="length")
        self._end = Signal.like(position, name="end")
        # Writes are delayed by a clock, as nothing is read back that soon.
        self._write, self._written = Signal(name="write"), Signal(8, name="written")
        # `_fetched`: the byte read is before the end. `_nonzero`, a clock later: it was also not 0. Comparing the byte
        # and moving the position in one clock would be a long path from the memory.
        self._fetched, latched = Signal(name="fetched"), Signal(name="latched")
        self._passed, self._nonzero = Signal(name="passed"), Signal(name="nonzero")
        # Start of the group, its code, and whether it implies a zero after it.
        self._group = Signal.like(position, name="group", init=-HEADER_BYTES)
        self._size = Signal(8, init=1)
        self._zero = Signal()
        m.d.comb += [
            ram.read_address.eq(position),
            ram.read_enable.eq(1),
            ram.out_enable.eq(1),
            self._after.eq(position + 1),
        ]
        m.d.sync += [
            ram.write.eq(self._write),
            ram.write_address.eq(position),
            ram.write_data.eq(self._written),
            latched.eq(position != self._end),
            self._fetched.eq(latched),
            self._passed.eq(self._fetched),
            self._nonzero.eq(self._fetched & (ram.read_data != 0)),
        ]
        with m.FSM() as fsm:
            self._collect(m)
            self._complete(m)
            self._scan(m)
            self._give(m)
        m.d.comb += self.replies.busy.eq(~fsm.ongoing("COLLECT"))
        return m

    def _collect(self, m: Module) -> None:
        """Append data; sample the header on `send`."""
        position = self._position
        self._header = Signal(16)
        with m.State("COLLECT"):
            m.d.comb += [self.replies.data.ready.eq(~self.replies.send), self._written.eq(self.replies.data.payload)]
            with m.If(self.replies.send):
                m.d.sync += [
                    self._header.eq(Cat(self.replies.sequence, self.replies.code)),
                    self._length.eq(position),
                    self._end.eq(position),
                    position.eq(self._group),
                ]
                m.next = "HEADER"
            with m.Elif(self.replies.clear):
                m.d.sync += [position.eq(0), self.replies.overflow.eq(0)]
            with m.Elif(self.replies.data.valid):
                with m.If(position == self.frame_bytes - HEADER_BYTES - CRC_BYTES):
                    m.d.sync += self.replies.overflow.eq(1)
                with m.Else():
                    m.d.comb += self._write.eq(1)
                    m.d.sync += position.eq(self._after)

    def _complete(self, m: Module) -> None:
        """Write the header before the data and the CRC after it."""
        position = self._position
        new = Signal()
        # Use a reset rather than `start`, whose logic also handles a byte in the same clock, which never occurs here.
        m.submodules.crc = crc = ResetInserter(new)(CRC.create())
        step = Signal(range(HEADER_BYTES + CRC_BYTES))
        length = Signal(16)
        around = Cat(self._header, length, crc.crc).word_select(step, 8)
        m.d.comb += [length.eq(self._length), crc.data.eq(self._ram.read_data)]
        with m.State("HEADER"):
            m.d.comb += [self._written.eq(around), self._write.eq(1), new.eq(1)]
            m.d.sync += [step.eq(step + 1), position.eq(self._after)]
            with m.If(step == HEADER_BYTES - 1):
                m.d.sync += position.eq(self._group)
                m.next = "BEGIN"
        with m.State("BEGIN"):
            m.d.sync += position.eq(self._after)
            m.next = "LATCH"
        with m.State("LATCH"):
            m.d.sync += position.eq(self._after)
            m.next = "SUM"
        with m.State("SUM"):
            m.d.comb += crc.valid.eq(self._fetched)
            m.d.sync += position.eq(self._after)
            with m.If(~self._fetched):
                m.d.sync += position.eq(self._length)
                m.next = "CRC"
        with m.State("CRC"):
            m.d.comb += [self._written.eq(around), self._write.eq(step != 0)]
            m.d.sync += [step.eq(step + 1), position.eq(self._after)]
            with m.If(step == 0):
                m.d.sync += [step.eq(0), self._end.eq(position), position.eq(self._group)]
                m.next = "NEXT"

    def _scan(self, m: Module) -> None:
        """Measure the length of the next group, or detect the end of the frame."""
        position, size = self._position, self._size
        first = Signal()
        m.d.sync += first.eq(0)
        with m.State("NEXT"):
            m.d.sync += [self._group.eq(position), position.eq(self._after)]
            m.next = "AHEAD"
        with m.State("AHEAD"):
            m.d.sync += position.eq(self._after)
            m.next = "COMPARE"
        with m.State("COMPARE"):
            m.d.sync += [position.eq(self._after), first.eq(1)]
            m.next = "SCAN"
        with m.State("SCAN"):
            m.d.sync += position.eq(self._after)
            with m.If(self._nonzero & (size != 0xFF)):
                m.d.sync += size.eq(size + 1)
            with m.Else():
                m.d.sync += [self._zero.eq(self._passed & (size != 0xFF)), position.eq(self._group)]
                m.next = "CODE"
                # A zero is always followed by another group, even an empty one.
                with m.If(first & ~self._passed & ~self._zero):
                    m.next = "END"

    def _give(self, m: Module) -> None:
        """Emit the group and move past it."""
        position, size = self._position, self._size
        with m.State("CODE"):
            m.d.comb += [self.o.payload.eq(size), self.o.valid.eq(1)]
            with m.If(self.o.ready):
                m.next = "FETCH"
        with m.State("FETCH"):
            m.next = "FETCHED"
            with m.If(size == 1):
                m.next = "SKIP"
        with m.State("FETCHED"):
            m.next = "BYTE"
        with m.State("BYTE"):
            m.d.comb += [self.o.payload.eq(self._ram.read_data), self.o.valid.eq(1)]
            with m.If(self.o.ready):
                m.d.sync += [size.eq(size - 1), position.eq(self._after)]
                m.next = "FETCH"
        with m.State("SKIP"):
            with m.If(self._zero):
                m.d.sync += position.eq(self._after)
            m.next = "NEXT"
        with m.State("END"):
            m.d.comb += self.o.valid.eq(1)
            with m.If(self.o.ready):
                m.d.sync += [self._group.eq(self._group.init), position.eq(self._length)]
                m.next = "COLLECT"
