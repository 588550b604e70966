"""Central control: runs a program of steps once per vector, without host intervention."""

from typing import Any

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.program import step_beats
from tercet.rtl.common.ram import Ram

from .layouts import address_width, program_width, setup_layout, step_layout, step_words

__all__ = ["Control"]


class _Progress:
    """Progress of a run."""

    def __init__(self, config: EieConfig):
        # Clocks from a program address to its step, plus one spare; in a shallow engine, to the step's first word.
        self.fetch = 1 if config.shallow else 3
        self.place = Signal(range(config.program_depth))  # of the next step
        self.wait = Signal(range(self.fetch + 1))  # clocks until it is fetched
        # Shallow engine: index of the step's word at the program memory's output, now and in the next clock.
        self.part, self.ahead = (
            Signal(range(step_words(config)), name="part"),
            Signal(range(step_words(config)), name="ahead"),
        )
        self.vectors = Signal(24)  # vectors after this one
        self.loaded = Signal()  # this step's activations are loaded
        # Beats, rows or groups after this one, less one; negative if there is none.
        self.left = Signal(signed(config.act_depth.bit_length() + 1))
        self.over = Signal()
        # Results after this row; negative if the row itself is not a result.
        self.results = Signal(signed(config.act_depth.bit_length() + 1))
        self.timer = Signal(range(max(config.drain_clocks, config.settle_clocks)))


class Control(wiring.Component):
    """Sequencer for the steps of a program::

        IDLE -> STEP -> BEGIN -> LOAD -> BEGIN -> COMPUTE -> DRAIN -> SWEEP -> SETTLE -> UNLOAD -> FLUSH -> STEP, IDLE
                                                                                  `-> STEP

    States that a step does not need are skipped. The next step is fetched while the current one runs, so STEP and BEGIN
    take one clock each. The last step is followed by the first of the next vector. A shallow engine reads the step in
    STEP, one word per clock, from a single narrow memory.

    Parameters
    ----------
    config : EieConfig
        Engine configuration.

    Members
    -------
    run : In(1), first_step, vectors : In
        Start a run of at least one vector; ``first_step`` must be stable until it ends.
    running : Out(1)
        A run is in progress.
    program : In(1), program_address, program_data : In
        Write a word of a step: 64 bits, or 16 in a shallow engine.
    acts_valid : In(1), acts_ready : Out(1)
        Handshake of a beat of activations.
    setup : Out(setup_layout(config))
        Settings and triggers for the PEs.
    step : Out(step_layout(config))
        Current step.
    start : Out(1)
        The detection tree starts in the next clock.
    compute : Out(1)
        The detection tree runs.
    done : In(1)
        All PEs have read their last column.
    sweep, sweep_first : Out(1)
        Sweep the next row; it is the first.
    result : Out(1)
        The swept row is one of the step's results.
    bias_address : Out
        Address of the row's bias, ``config.timing.bias`` clocks after `sweep`.
    room : In(1)
        There is room for another group of results.
    unload, unload_last : Out(1)
        Read a group of results; it is the vector's last.
    delivered : In(1)
        All groups read have left the engine.
    computing, loading, unloading : Out(1)
        Phase of the run in this clock, for the counters.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        super().__init__(
            {
                "run": In(1),
                "first_step": In(range(config.program_depth)),
                "vectors": In(24),
                "running": Out(1),
                "program": In(1),
                "program_address": In(address_width(config.program_depth * step_words(config))),
                "program_data": In(program_width(config)),
                "acts_valid": In(1),
                "acts_ready": Out(1),
                "setup": Out(setup_layout(config)),
                "step": Out(step_layout(config)),
                "start": Out(1),
                "compute": Out(1),
                "done": In(1),
                "sweep": Out(1),
                "sweep_first": Out(1),
                "result": Out(1),
                "bias_address": Out(address_width(config.constant_depth)),
                "room": In(1),
                "unload": Out(1),
                "unload_last": Out(1),
                "delivered": In(1),
                "computing": Out(1),
                "loading": Out(1),
                "unloading": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        step: View = self.step  # pyright: ignore[reportAssignmentType]
        setup: View = self.setup  # pyright: ignore[reportAssignmentType]
        now = _Progress(self.config)
        source = Signal()
        shallow = self.config.shallow
        fetched: Any = self._words(m, now) if shallow else self._program(m, now.place)
        with m.If(now.wait != 0):
            m.d.sync += now.wait.eq(now.wait - 1)
        m.d.comb += [
            now.over.eq(now.left < 0),
            setup.source.eq(source),
            setup.codebook.eq(step.codebook),
            setup.shift.eq(step.shift),
            setup.relu.eq(step.relu),
            setup.deliver.eq(step.deliver),
            setup.unload.eq(self.unload),
            self.compute.eq(setup.scan),
            self.loading.eq(self.running & ~self.computing & ~self.unloading),
        ]
        with m.FSM():
            self._idle(m, now)
            (self._read if shallow else self._fetch)(m, now, step, fetched)
            self._begin(m, now, step, setup)
            self._compute(m, now, step, setup)
            self._sweep(m, now, step, setup, source)
            self._unload(m, now)
        self._biases(m)
        return m

    def _proceed(self, m: Module, step: View):
        """Continue with the next step or, after the last, with the vector's results."""
        with m.If(step.last):
            m.next = "UNLOAD"
        with m.Else():
            m.next = "STEP"

    def _idle(self, m: Module, now: "_Progress"):
        with m.State("IDLE"), m.If(self.run):
            m.d.sync += [self.running.eq(1), now.vectors.eq(self.vectors - 1)]
            m.d.sync += [now.place.eq(self.first_step), now.wait.eq(now.fetch)]
            m.next = "STEP"

    def _fetch(self, m: Module, now: "_Progress", step: View, fetched: View):
        with m.State("STEP"), m.If(now.wait == 0):
            last = Signal()
            m.d.comb += last.eq(fetched.last | (now.place == self.config.program_depth - 1))
            m.d.comb += self.computing.eq(fetched.compute & ~fetched.load)
            m.d.sync += [step.eq(fetched), step.last.eq(last), now.loaded.eq(0)]
            m.d.sync += [now.place.eq(Mux(last, self.first_step, now.place + 1)), now.wait.eq(now.fetch)]
            m.next = "BEGIN"

    def _read(self, m: Module, now: "_Progress", step: View, word: Value):
        end = self.config.step_parts - 1
        parts = Value.cast(step)
        with m.State("STEP"), m.If(now.wait == 0):
            m.d.comb += now.ahead.eq(Mux(now.part == end, 0, now.part + 1))
            m.d.sync += now.part.eq(now.ahead)
            for n in range(1, end + 1):
                with m.If(now.part == n):
                    m.d.comb += self.computing.eq(step.compute & ~step.load)
                    m.d.sync += parts[16 * n : 16 * n + 16].eq(word)
            with m.If(now.part == 0):
                # All flags are in the first word.
                first = View(step.shape(), Cat(word, C(0, len(parts) - 16)))
                last = first.last | (now.place == self.config.program_depth - 1)
                m.d.comb += self.computing.eq(first.compute & ~first.load)
                m.d.sync += [parts[:16].eq(word), step.last.eq(last), now.loaded.eq(0)]
            with m.If(now.part == end):
                m.d.sync += now.place.eq(Mux(step.last, self.first_step, now.place + 1))
                m.next = "BEGIN"

    def _begin(self, m: Module, now: "_Progress", step: View, setup: View):
        with m.State("BEGIN"):
            m.d.comb += setup.restart.eq(1)
            m.d.sync += [now.left.eq(step.groups - 2), now.results.eq(step.results - 1)]
            with m.If(step.load & ~now.loaded):
                m.d.sync += self.acts_ready.eq(1)  # a register, as the sender is far away
                m.next = "LOAD"
            with m.Elif(step.compute):
                m.d.comb += [self.computing.eq(1), self.start.eq(1)]
                m.next = "COMPUTE"
            with m.Elif(step.sweep):
                m.d.sync += now.left.eq(step.rows - 2)
                m.next = "SWEEP"
            with m.Else():
                self._proceed(m, step)
        with m.State("LOAD"):
            m.d.comb += setup.store.eq(self.acts_valid)
            with m.If(self.acts_valid):
                m.d.sync += now.left.eq(now.left - 1)
                with m.If(now.over):
                    m.d.sync += [now.loaded.eq(1), self.acts_ready.eq(0)]
                    m.next = "BEGIN"

    def _compute(self, m: Module, now: "_Progress", step: View, setup: View):
        with m.State("COMPUTE"):
            m.d.comb += [self.computing.eq(1), setup.scan.eq(~self.done)]
            m.d.sync += now.timer.eq(self.config.drain_clocks - 1)
            with m.If(self.done):
                m.next = "DRAIN"
        with m.State("DRAIN"):
            m.d.comb += self.computing.eq(1)
            m.d.sync += [now.timer.eq(now.timer - 1), now.left.eq(step.rows - 2)]
            with m.If(now.timer == 0):
                with m.If(step.sweep):
                    m.next = "SWEEP"
                with m.Else():
                    self._proceed(m, step)

    def _sweep(self, m: Module, now: "_Progress", step: View, setup: View, source: Signal):
        with m.State("SWEEP"):
            m.d.comb += [self.sweep.eq(1), self.result.eq(now.results >= 0), self.computing.eq(step.compute)]
            m.d.sync += [now.left.eq(now.left - 1), now.timer.eq(self.config.settle_clocks - 1)]
            m.d.sync += now.results.eq(now.results - 1)
            with m.If(now.over):
                m.next = "SETTLE"
        with m.State("SETTLE"):
            m.d.comb += self.computing.eq(step.compute)
            m.d.sync += [now.timer.eq(now.timer - 1), now.left.eq(step.rows - 2)]
            with m.If(now.timer == 0):
                m.d.comb += setup.restart.eq(1)
                m.d.sync += source.eq(source ^ step.deliver)
                self._proceed(m, step)

    def _unload(self, m: Module, now: "_Progress"):
        with m.State("UNLOAD"):
            m.d.comb += [self.unloading.eq(1), self.unload.eq(self.room), self.unload_last.eq(now.over)]
            with m.If(self.room):
                m.d.sync += now.left.eq(now.left - 1)
                with m.If(now.over):
                    m.next = "FLUSH"
        with m.State("FLUSH"):
            m.d.comb += self.unloading.eq(1)
            with m.If(self.delivered):
                m.d.sync += now.vectors.eq(now.vectors - 1)
                with m.If(now.vectors == 0):
                    m.d.sync += self.running.eq(0)
                    m.next = "IDLE"
                with m.Else():
                    m.next = "STEP"

    def _program(self, m: Module, address: Signal) -> View:
        """Add the program memory, one step wide in columns of 64 bits; return the step two clocks after its address."""
        beats = step_beats(self.config)
        beat, number = C(0, 1), self.program_address
        if beats > 1:
            beat, number = number[0], number[1:]
        columns = []
        for n in range(beats):
            column = Ram(width=64, depth=self.config.program_depth, family=self.config.family)
            m.submodules[f"program{n}"] = column
            m.d.comb += [
                column.read_enable.eq(1),
                column.out_enable.eq(1),
                column.read_address.eq(address),
                column.write.eq(self.program & (beat == n)),
                column.write_address.eq(number),
                column.write_data.eq(self.program_data),
            ]
            columns.append(column.read_data)
        layout = step_layout(self.config)
        return View(layout, Cat(columns)[: layout.size])

    def _words(self, m: Module, now: "_Progress") -> Value:
        """Add the program memory, 16 bits wide; return the step's word one clock after its address."""
        words = step_words(self.config)
        depth, family = self.config.program_depth * words, self.config.family
        m.submodules.program = memory = Ram(width=16, depth=depth, family=family, latency=1)
        m.d.comb += [
            memory.read_enable.eq(1),
            memory.read_address.eq(Cat(now.ahead, now.place)),
            memory.write.eq(self.program),
            memory.write_address.eq(self.program_address),
            memory.write_data.eq(self.program_data),
        ]
        return memory.read_data

    def _biases(self, m: Module):
        """Flag the first row of a sweep, and step the bias address behind the rows."""
        swept = Signal(self.config.timing.bias)
        m.d.sync += swept.eq(Cat(self.sweep, swept))
        m.d.comb += self.sweep_first.eq(~swept[0])
        with m.If(swept[-1]):
            m.d.sync += self.bias_address.eq(self.bias_address + 1)
        with m.Elif(self.sweep & ~swept[0]):
            m.d.sync += self.bias_address.eq(self.step.biases)
