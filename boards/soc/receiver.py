"""Frame receiver; see `tercet.boards.host.protocol` for the format.

One intact frame is held until it has been processed. The host waits for the reply, so nothing should arrive meanwhile;
a frame that does is dropped whole and never mixed with the held one.
"""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.ram import Ram
from tercet.rtl.emit import shared

from ..host.protocol import CRC_BYTES, HEADER_BYTES
from .cobs import CobsDecoder
from .frame_crc import CRC
from .frame_signatures import RequestSignature

__all__ = ["FrameReceiver"]


class FrameReceiver(wiring.Component):
    """Decodes, checks and holds one frame::

        i --> [CobsDecoder] --+--> header
                              +--> memory ---> data
                              +--> CRC

    `frame` rises 3 clocks after the final 0; `damaged` and `dropped` come 2 clocks after it. `data` delivers a byte
    every 3 clocks, the first one 2 clocks after `frame`.

    Parameters
    ----------
    frame_bytes : int
        Maximum frame size in bytes from sequence to CRC; 9 to 65536.
    family : str
        FPGA family.

    Members
    -------
    i : In(stream.Signature(8))
        Received bytes; always ready.
    requests : Out(RequestSignature)
        Frame held, its header and data; and what became of frames.

    Raises
    ------
    ValueError
        If `frame_bytes` is out of range.
    """

    def __init__(self, *, frame_bytes: int, family: str = "any"):
        if not HEADER_BYTES + CRC_BYTES < frame_bytes <= 2**16:
            raise ValueError(f"Frames have {frame_bytes} bytes; use 9 to 65536")
        self.frame_bytes, self.family = frame_bytes, family
        self._too_long = frame_bytes - HEADER_BYTES + 1  # position after one byte too many
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "requests": Out(RequestSignature(frame_bytes=frame_bytes)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.decoder = decoder = CobsDecoder()
        wiring.connect(m, wiring.flipped(self.i), decoder.i)
        # Position of the byte to write or read: the header is at negative positions, data starts at 0.
        position = Signal(range(-HEADER_BYTES, self.frame_bytes), init=-HEADER_BYTES)
        header = Signal(8 * HEADER_BYTES)
        accept = self._check(m, decoder, position, header[16:])
        # The RAM delivers a byte two clocks after its position.
        take, moved = Signal(name="take"), Signal(name="moved")
        m.d.sync += moved.eq(take | ~self.requests.frame)
        m.d.comb += [
            Cat(self.requests.sequence, self.requests.code, self.requests.length).eq(header),
            take.eq(self.requests.data.valid & self.requests.data.ready),
        ]
        self._store(m, decoder, position)
        with m.If(self.requests.frame):
            m.d.sync += [
                position.eq(position + take),
                self.requests.data.valid.eq(~take & ~moved & (position != self.requests.length)),
            ]
            with m.If(self.requests.done):
                m.d.sync += [self.requests.frame.eq(0), self.requests.data.valid.eq(0), position.eq(position.init)]
        with m.Elif(accept):
            m.d.sync += [self.requests.frame.eq(1), position.eq(0)]
        with m.Elif(decoder.end):
            m.d.sync += position.eq(position.init)
        with m.Elif(decoder.valid):
            with m.If(position < 0):
                m.d.sync += header.eq(Cat(header[8:], decoder.byte))
            with m.If(position != self._too_long):
                m.d.sync += position.eq(position + 1)
        return m

    def _check(self, m: Module, decoder: CobsDecoder, position: Signal, length: Value) -> Signal:
        """Check the frame that has ended, in the clock before the next byte can arrive."""
        # Use a reset rather than `start`, whose logic also handles a byte in the same clock, which never occurs here.
        m.submodules.crc = crc = ResetInserter(decoder.end)(CRC.create())
        m.d.comb += [crc.data.eq(decoder.byte), crc.valid.eq(decoder.valid)]
        last = Signal(17)  # position after the CRC
        length_right, whole, ended, accept = (
            Signal(name="length_right"),
            Signal(name="whole"),
            Signal(name="ended"),
            Signal(name="accept"),
        )
        missed, lost = (
            Signal(name="missed"),
            Signal(name="lost"),
        )  # earlier bytes came, or one comes now, while a frame is held
        m.d.comb += [
            lost.eq(missed | self.requests.frame),
            accept.eq(ended & whole & length_right),
            self.requests.damaged.eq(ended & ~(whole & length_right)),
        ]
        m.d.sync += [
            # Ready in good time: at least four more bytes follow the length.
            last.eq(length + CRC_BYTES),
            length_right.eq(position == last),
            whole.eq(decoder.good & crc.match_detected & (position != self._too_long)),
            ended.eq(decoder.end & ~lost),
            self.requests.dropped.eq(decoder.end & lost),
        ]
        with m.If(decoder.valid | decoder.end):
            m.d.sync += missed.eq(decoder.valid & lost)
        return accept

    def _store(self, m: Module, decoder: CobsDecoder, position: Signal) -> None:
        """Store the frame. The header wraps to the end of the RAM, where no data is written and nothing is read."""
        m.submodules.ram = ram = shared(Ram, width=8, depth=self.frame_bytes, family=self.family)
        m.d.comb += [
            ram.write_address.eq(position),
            ram.write_data.eq(decoder.byte),
            ram.write.eq(decoder.valid & ~self.requests.frame),
            ram.read_address.eq(position),
            ram.read_enable.eq(1),
            ram.out_enable.eq(1),
            self.requests.data.payload.eq(ram.read_data),
        ]
