"""Interfaces from the commander to the frame receiver and the frame sender."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ReplySignature", "RequestSignature"]


class RequestSignature(wiring.Signature):
    """Interface from `FrameReceiver` to `Commander`, from the receiver's side.

    Parameters
    ----------
    frame_bytes : int
        Maximum frame size in bytes from sequence to CRC.

    Members
    -------
    frame : Out(1)
        A frame is held.
    sequence : Out(8), code : Out(8), length : Out(range(frame_bytes))
        Header of the frame; valid with `frame`.
    data : Out(stream.Signature(8))
        Data of the frame, byte by byte; ends after `length` bytes.
    done : In(1)
        Release the frame with all of its data; no effect if none is held.
    damaged : Out(1)
        The frame that has just ended was malformed or too long.
    dropped : Out(1)
        The frame that has just ended arrived, at least in part, while another was held.
    """

    def __init__(self, *, frame_bytes: int):
        super().__init__(
            {
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


class ReplySignature(wiring.Signature):
    """Interface from `Commander` to `FrameSender`, from the commander's side.

    Members
    -------
    data : Out(stream.Signature(8))
        Bytes to append; ready except while `busy` and in the clock of `send`.
    overflow : In(1)
        A byte did not fit and was lost since the last `clear`.
    clear : Out(1)
        Discard all appended bytes. No effect while `busy` or in the clock of `send`.
    sequence : Out(8), code : Out(8)
        Header to send; sampled with `send`.
    send : Out(1)
        Send the bytes appended since `clear`, for the first time or again. No effect while `busy`.
    busy : In(1)
        A frame is being sent.
    """

    def __init__(self):
        super().__init__(
            {
                "data": Out(stream.Signature(8)),
                "overflow": In(1),
                "clear": Out(1),
                "sequence": Out(8),
                "code": Out(8),
                "send": Out(1),
                "busy": In(1),
            }
        )
