"""Frames from the other side, as far as they are whole; see `protocol`.

One is kept until it has been dealt with. As the other side waits for the reply, nothing else comes meanwhile; what
comes all the same is dropped whole, never mixed with what is there.
"""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.ram import Ram
from tercet.rtl.emit import shared

from ..host.protocol import CRC_BYTES, HEADER_BYTES
from .cobs import CobsDecoder
from .frame_crc import CRC

__all__ = ["FrameReceiver"]


class FrameReceiver(wiring.Component):
    """Decode, check and keep a frame::

        i --> [CobsDecoder] --+--> header
                              +--> memory ---> data
                              +--> CRC

    `frame` comes 3 clocks after the 0, `damaged` and `dropped` 2 clocks. A byte of data each 3 clocks, the first one
    2 clocks after `frame`.

    Parameters
    ----------
    frame_bytes : int
        Most bytes of a frame from sequence to CRC; 9 to 65536.
    family : str
        FPGA family.

    Members
    -------
    i : In(stream.Signature(8))
        Bytes as they come; always ready.
    frame : Out(1)
        A frame is here.
    sequence : Out(8), code : Out(8), length : Out(range(frame_bytes))
        Its header, as long as it is.
    data : Out(stream.Signature(8))
        Its data, one byte after the other; valid as long as there are more.
    done : In(1)
        Give it away, with all of its data; without effect where none is.
    damaged : Out(1)
        What has ended was no frame, or too long.
    dropped : Out(1)
        What has ended came, at least in part, while another frame was here.

    Raises
    ------
    ValueError
        If `frame_bytes` is out of range.
    """

    def __init__(self, *, frame_bytes: int, family: str = "any"):
        if not HEADER_BYTES + CRC_BYTES < frame_bytes <= 2**16:
            raise ValueError(f"Frames have {frame_bytes} bytes; use 9 to 65536")
        self.frame_bytes, self.family = frame_bytes, family
        self._too_long = frame_bytes - HEADER_BYTES + 1  # position behind a byte too many
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "frame": Out(1),
                "sequence": Out(8),
                "code": Out(8),
                "length": Out(range(frame_bytes)),
                "data": Out(stream.Signature(8)),
                "done": In(1),
                "damaged": Out(1),
                "dropped": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.decoder = decoder = CobsDecoder()
        wiring.connect(m, wiring.flipped(self.i), decoder.i)
        # Of the header, which is before it, and then of the byte to write or to read.
        position = Signal(range(-HEADER_BYTES, self.frame_bytes), init=-HEADER_BYTES)
        header = Signal(8 * HEADER_BYTES)
        accept = self._check(m, decoder, position, header[16:])
        # A byte comes two clocks after its position.
        take, moved = Signal(), Signal()
        m.d.sync += moved.eq(take | ~self.frame)
        m.d.comb += [
            Cat(self.sequence, self.code, self.length).eq(header),
            take.eq(self.data.valid & self.data.ready),
        ]
        self._store(m, decoder, position)
        with m.If(self.frame):
            m.d.sync += [position.eq(position + take), self.data.valid.eq(~take & ~moved & (position != self.length))]
            with m.If(self.done):
                m.d.sync += [self.frame.eq(0), self.data.valid.eq(0), position.eq(position.init)]
        with m.Elif(accept):
            m.d.sync += [self.frame.eq(1), position.eq(0)]
        with m.Elif(decoder.end):
            m.d.sync += position.eq(position.init)
        with m.Elif(decoder.valid):
            with m.If(position < 0):
                m.d.sync += header.eq(Cat(header[8:], decoder.byte))
            with m.If(position != self._too_long):
                m.d.sync += position.eq(position + 1)
        return m

    def _check(self, m: Module, decoder: CobsDecoder, position: Signal, length: Value) -> Signal:
        """Judge what has ended, in the clock before something else can come."""
        # Its `start` has logic for a byte in the same clock, which never comes; a reset has not.
        m.submodules.crc = crc = ResetInserter(decoder.end)(CRC.create())
        m.d.comb += [crc.data.eq(decoder.byte), crc.valid.eq(decoder.valid)]
        last = Signal(17)  # position behind the CRC
        length_right, whole, ended, accept = Signal(), Signal(), Signal(), Signal()
        missed, lost = Signal(), Signal()  # a byte has come, something comes, while a frame is here
        m.d.comb += [
            lost.eq(missed | self.frame),
            accept.eq(ended & whole & length_right),
            self.damaged.eq(ended & ~(whole & length_right)),
        ]
        m.d.sync += [
            # Long before it matters: four more bytes follow the length.
            last.eq(length + CRC_BYTES),
            length_right.eq(position == last),
            whole.eq(decoder.good & crc.match_detected & (position != self._too_long)),
            ended.eq(decoder.end & ~lost),
            self.dropped.eq(decoder.end & lost),
        ]
        with m.If(decoder.valid | decoder.end):
            m.d.sync += missed.eq(decoder.valid & lost)
        return accept

    def _store(self, m: Module, decoder: CobsDecoder, position: Signal) -> None:
        """The header goes around the end, where no data comes and nothing is read."""
        m.submodules.ram = ram = shared(Ram, width=8, depth=self.frame_bytes, family=self.family)
        m.d.comb += [
            ram.write_address.eq(position),
            ram.write_data.eq(decoder.byte),
            ram.write.eq(decoder.valid & ~self.frame),
            ram.read_address.eq(position),
            ram.read_enable.eq(1),
            ram.out_enable.eq(1),
            self.data.payload.eq(ram.read_data),
        ]
