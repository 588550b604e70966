"""Frame reader of a shallow engine: words pass on to their memories in the clock in which they arrive."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.program import EVERY_PE, FRAMES, step_beats

from .layouts import LOADED, address_width, frame_layout, load_layout, program_width, step_words

__all__ = ["ShallowFrameReader"]


class ShallowFrameReader(wiring.Component):
    """Decode the frames of `FrameReader`; a word of a program takes one clock per program-memory word::

        head: kind, pe, address, count     (check)     word 0     word 1     ...     word count - 1

    The stream holds a word until it has been written, so it needs no register. The registers of the head's address and
    count double as counters.

    Parameters
    ----------
    config : EieConfig
        Depths of the memories.

    Members
    -------
    i, load, run, first_step, vectors, running, error
        As in `FrameReader`.
    program : Out(1), program_address, program_data : Out
        Write a word of `program_width` bits to the program memory.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        steps = config.program_depth
        super().__init__(
            {
                "i": In(stream.Signature(64)),
                "load": Out(load_layout(config, config.tree_levels)),
                "program": Out(1),
                "program_address": Out(address_width(steps * step_words(config))),
                "program_data": Out(program_width(config)),
                "run": Out(1),
                "first_step": Out(range(steps)),
                "vectors": Out(24),
                "running": In(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        load: View = self.load  # pyright: ignore[reportAssignmentType]
        head = View(frame_layout(), self.i.payload)
        depths = self._depths()
        # The address keeps only the bits needed within a memory.
        kind, count, address = (
            Signal(4, name="kind"),
            Signal(24, name="count"),
            Signal(range(max(depths) + 1), name="address"),
        )
        goes = Signal(len(FRAMES))  # one-hot target of this frame's words; 0 if it does not fit
        part = Signal(range(64 // program_width(self.config)))
        program = kind == FRAMES.index("program")
        strobes = Cat(*(load[name] for name in LOADED), self.program)
        run = FRAMES.index("run")
        m.d.comb += [
            load.data.eq(self.i.payload),
            load.address.eq(address),
            self.program_data.eq(self.i.payload.word_select(part, len(self.program_data))),
            self.program_address.eq(Cat(part, address)),
            strobes.eq(goes & self.i.valid.replicate(len(strobes))),
            self.run.eq(goes[run]),
            self.first_step.eq(address),
            self.vectors.eq(count),
        ]
        checked = self._fits(m, head, kind, address, count)
        with m.FSM():
            with m.State("HEAD"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [kind.eq(head.kind), address.eq(head.address), count.eq(head.count)]
                m.d.sync += [load.pe.eq(head.pe), load.every.eq(head.pe == EVERY_PE)]
                with m.If(self.i.valid):
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.sync += [goes.eq(Mux(checked, 1 << kind, 0)), self.error.eq(self.error | ~checked)]
                with m.If(kind == run):
                    m.next = "START"
                with m.Elif(count == 0):
                    m.d.sync += goes.eq(0)
                    m.next = "HEAD"
                with m.Else():
                    m.next = "WORDS"
            with m.State("WORDS"), m.If(self.i.valid):
                m.d.comb += self.i.ready.eq(~program | part.all())
                m.d.sync += part.eq(part + program)
                with m.If(self.i.ready):
                    m.d.sync += [address.eq(address + 1), count.eq(count - 1)]
                    with m.If(count == 1):
                        m.d.sync += goes.eq(0)
                        m.next = "HEAD"
            with m.State("START"):
                m.d.sync += goes.eq(0)
                m.next = "RUN"
            with m.State("RUN"), m.If(~self.running):
                m.next = "HEAD"
        return m

    def _depths(self) -> tuple[int, ...]:
        """Depths of the memories in words, in the order of their frame kinds."""
        config = self.config
        steps = config.program_depth * step_beats(config)
        return config.matrix_depth, config.pointer_depth, config.constant_depth, steps

    def _fits(self, m: Module, head: View, kind: Value, address: Signal, count: Signal) -> Value:
        """Return whether the engine knows the frame and it lies within its memory; one clock after the head."""
        config, depths = self.config, self._depths()
        width = len(address)
        within, known_pe, step = Signal(name="within"), Signal(name="known_pe"), Signal(name="step")
        # The address is not beyond all memories; end of the frame's words.
        small, end = Signal(name="small"), Signal(width + 1, name="end")
        m.d.sync += [
            small.eq(~head.address[width:].any()),
            known_pe.eq((head.pe < config.n_pe) | (head.pe == EVERY_PE)),
            end.eq(head.address[:width] + head.count[:width]),
        ]
        m.d.comb += step.eq(small & (address < config.program_depth))
        with m.Switch(kind):
            for n, depth in enumerate(depths):
                with m.Case(n):
                    m.d.comb += within.eq((end <= depth) & (known_pe if n < len(LOADED) else 1))
        inside = within & small & ~count[width:].any()
        return Mux(kind == FRAMES.index("run"), step & (count != 0), inside)
