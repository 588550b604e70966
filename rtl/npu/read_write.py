"""Gather, unified buffer and writer together, to be synthesised alone."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu import NpuConfig

from .buffer import UnifiedBuffer
from .gather import Gather, step_layout
from .layouts import beat_layout, instruction_layout, pass_layout
from .writer import Writer

__all__ = ["ReadWrite"]


class ReadWrite(wiring.Component):
    """Passes in, bytes out; codes in::

        passes --> Gather --> UnifiedBuffer --> bytes
        codes --> Writer --------^

    Parameters
    ----------
    config : NpuConfig
        Sizes.

    Members
    -------
    passes, coming, instruction, bank_free, idle, flags, began : as in `Gather`
    bytes : Out(read_bytes * 8)
        As `data` of `UnifiedBuffer`.
    valid, beat, codes, done : as in `Writer`
    error : Out(1)
        A read or write lies outside the buffer.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        super().__init__(
            {
                "passes": In(stream.Signature(pass_layout(config))),
                "coming": In(1),
                "instruction": In(instruction_layout()),
                "bank_free": In(1),
                "idle": In(1),
                "flags": Out(step_layout()),
                "began": Out(1),
                "bytes": Out(8 * config.read_bytes),
                "valid": In(1),
                "beat": In(beat_layout(config)),
                "codes": In(8 * config.lanes),
                "done": Out(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.gather = gather = Gather(config=self.config)
        m.submodules.buffer = buffer = UnifiedBuffer(config=self.config)
        m.submodules.writer = writer = Writer(config=self.config)
        wiring.connect(m, wiring.flipped(self.passes), gather.passes)
        m.d.comb += [
            *(part.instruction.eq(self.instruction) for part in (gather, writer)),
            gather.coming.eq(self.coming),
            gather.bank_free.eq(self.bank_free),
            gather.idle.eq(self.idle),
            self.flags.eq(gather.flags),
            self.began.eq(gather.began),
            buffer.read_address.eq(gather.address),
            *(getattr(buffer, name).eq(getattr(gather, name)) for name in ("low", "high", "splat", "fill")),
            self.bytes.eq(buffer.data),
            writer.began.eq(gather.began),
            *(getattr(writer, name).eq(getattr(self, name)) for name in ("valid", "beat", "codes")),
            buffer.write.eq(writer.count),
            buffer.write_address.eq(writer.address),
            buffer.write_data.eq(writer.data),
            self.done.eq(writer.done),
            self.error.eq(gather.error | writer.error),
        ]
        return m
