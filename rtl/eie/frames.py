"""Frame reader, the host's side of the engine: frames load the memories and start runs."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.program import EVERY_PE, FRAMES, step_beats

from .layouts import LOADED, frame_layout, load_layout

__all__ = ["FrameReader"]


class FrameReader(wiring.Component):
    """Decode frames of a head and as many words as it announces, one word per clock::

        head: kind, pe, address, count      word 0      word 1      ...      word count - 1

    A run has no words; the next frame waits until the run ends. A frame that does not fit its memory is skipped word by
    word, and sets `error`.

    Parameters
    ----------
    config : EieConfig
        Depths of the memories.

    Members
    -------
    i : In(stream.Signature(64))
        Frames.
    load : Out(load_layout(config, tree_levels))
        Word for a memory of a PE.
    program : Out(1), program_data : Out(64)
        Write a step, or half of one, to the program memory, at the address in ``load``.
    run : Out(1)
        Start a run of ``vectors`` vectors, from the step ``first_step`` on.
    first_step, vectors : Out
        See ``run``.
    running : In(1)
        1 from the clock after ``run`` to the end of the run.
    error : Out(1)
        A frame was skipped.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(64)),
                "load": Out(load_layout(config, config.tree_levels)),
                "program": Out(1),
                "program_data": Out(64),
                "run": Out(1),
                "first_step": Out(range(config.program_depth)),
                "vectors": Out(24),
                "running": In(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        load: View = self.load  # pyright: ignore[reportAssignmentType]
        head = Signal(frame_layout())
        left = Signal(signed(25))  # words after this one, less one: negative at the last
        none = Signal()
        fits = self._fits(m, head)
        strobes = Cat(*(load[name] for name in LOADED), self.program)
        m.d.sync += [strobes.eq(0), self.run.eq(0)]
        m.d.comb += load.data.eq(self.program_data)
        with m.FSM():
            with m.State("HEAD"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += head.eq(self.i.payload)
                    m.next = "MEASURE"
            with m.State("MEASURE"):
                m.next = "CHECK"
            with m.State("CHECK"):
                m.d.sync += [
                    left.eq(head.count - 2),
                    none.eq(head.count == 0),
                    load.address.eq(head.address - 1),
                    load.pe.eq(head.pe),
                    load.every.eq(head.pe == EVERY_PE),
                ]
                m.next = "JUDGE"
            with m.State("JUDGE"):
                with m.If(~fits):
                    m.d.sync += self.error.eq(1)
                with m.If(head.kind == FRAMES.index("run")):
                    m.d.sync += [self.run.eq(fits), self.first_step.eq(head.address), self.vectors.eq(head.count)]
                    m.next = "RUN"
                with m.Elif(none):
                    m.next = "HEAD"
                with m.Else():
                    m.next = "WORDS"
            with m.State("WORDS"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [
                        self.program_data.eq(self.i.payload),
                        load.address.eq(load.address + 1),
                        left.eq(left - 1),
                    ]
                    with m.Switch(head.kind):
                        for n, strobe in enumerate(strobes):
                            with m.Case(n):
                                m.d.sync += strobe.eq(fits)
                    with m.If(left < 0):
                        m.next = "HEAD"
            with m.State("RUN"), m.If(~self.run & ~self.running):
                m.next = "HEAD"
        return m

    def _fits(self, m: Module, head: View) -> Signal:
        """Return whether the engine knows the frame and it lies within its memory; two clocks after the head."""
        config = self.config
        depths = (config.matrix_depth, config.pointer_depth, config.constant_depth)
        depths = (*depths, config.program_depth * step_beats(config))
        # End of the frame's words, and depth of its memory; then the terms of the result.
        s1_end, s1_depth = Signal(25, name="s1_end"), Signal(range(max(depths) + 1), name="s1_depth")
        s1_pe, s1_step, s1_some = Signal(name="s1_pe"), Signal(name="s1_step"), Signal(name="s1_some")
        s1_memory, s1_program, s1_run = Signal(name="s1_memory"), Signal(name="s1_program"), Signal(name="s1_run")
        m.d.sync += [
            s1_end.eq(head.address + head.count),
            s1_pe.eq((head.pe < config.n_pe) | (head.pe == EVERY_PE)),
            s1_step.eq(head.address < config.program_depth),
            s1_some.eq(head.count != 0),
            s1_memory.eq(head.kind < len(LOADED)),
            s1_program.eq(head.kind == FRAMES.index("program")),
            s1_run.eq(head.kind == FRAMES.index("run")),
        ]
        with m.Switch(head.kind):
            for n, depth in enumerate(depths):
                with m.Case(n):
                    m.d.sync += s1_depth.eq(depth)
        spare = Signal(signed(26))
        m.d.comb += spare.eq(s1_depth - s1_end)
        fits = Signal()
        inside = (spare >= 0) & ((s1_memory & s1_pe) | s1_program)
        m.d.sync += fits.eq(inside | (s1_run & s1_step & s1_some))
        return fits
