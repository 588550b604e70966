"""Feeders of both dataflows: turn passes into the clocked operands of the array."""

from typing import Any

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.cycle_model import ACCUMULATE_CLOCKS
from tercet.rtl.common.lookahead_queue import LookaheadQueue
from tercet.rtl.common.pipeline import register

from .layouts import block_layout, mark_layout, pass_layout

__all__ = ["OsFeeder", "WeightLoader", "WsFeeder"]


class WeightLoader(wiring.Component):
    """Load the weight plane of a pass while the previous pass computes.

    A pass enters, its plane is shifted into the array, and the pass leaves: then its activations may start. The next
    plane begins one clock later; its pass has waited in a queue.

    Parameters
    ----------
    config : SystolicConfig
        Size of a plane.

    Members
    -------
    i, o : In and Out(stream.Signature(pass_layout(config)))
        Passes before and after their weights are loaded into the array.
    coming : Out(1)
        `o` is valid in the next clock unless it is taken in this one; its payload already is.
    weights : In(stream.Signature(ArrayLayout(signed(weight_width), cols)))
        Rows of the planes, row 0 first.
    row : Out(ArrayLayout(signed(weight_width), cols))
        Row of weights for the array, registered.
    load : Out(rows)
        Row of the array that loads it, one-hot or zero, registered.
    waiting : Out(1)
        A pass is present whose plane is not yet complete.
    """

    def __init__(self, *, config: SystolicConfig):
        self.config = config
        row = data.ArrayLayout(signed(config.weight_width), config.cols)
        super().__init__(
            {
                "i": In(stream.Signature(pass_layout(config))),
                "o": Out(stream.Signature(pass_layout(config))),
                "coming": Out(1),
                "weights": In(stream.Signature(row)),
                "row": Out(row),
                "load": Out(config.rows),
                "waiting": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        full = Signal()
        place = Signal(self.config.rows, init=1)  # of the next row, one-hot
        fire, taken = Signal(name="fire"), Signal(name="taken")
        m.submodules.queue = queue = LookaheadQueue(shape=self.i.payload.shape())
        wiring.connect(m, wiring.flipped(self.i), queue.i)
        m.d.comb += [
            queue.take.eq(taken),
            self.o.payload.eq(queue.first),
            self.weights.ready.eq(self.waiting),
            fire.eq(self.weights.valid & self.waiting),
            taken.eq(full & self.o.ready),
            self.o.valid.eq(full),
            self.coming.eq(full | fire & place[-1]),
        ]
        row = register(m, "s1_row", self.weights.payload.as_value())
        load = register(m, "s1_load", Mux(fire, place, 0))
        m.d.comb += [self.row.eq(row), self.load.eq(load)]
        with m.If(fire):
            m.d.sync += place.eq(place.rotate_left(1))
            with m.If(place[-1]):
                m.d.sync += [self.waiting.eq(0), full.eq(1)]
        with m.If(taken):
            m.d.sync += full.eq(0)
        with m.If(taken | ~full & ~self.waiting):
            m.d.sync += self.waiting.eq(queue.coming)
        return m


class _Feeder(wiring.Component):
    """Base class of the feeders.

    Members
    -------
    passes : In(stream.Signature(pass_layout(config)))
        Passes to run; each is taken with its first operands.
    operands : In(stream.Signature(ArrayLayout(signed(act_width), rows)))
        Activations, one beat per step.
    coming : In(1)
        A pass is valid in the next clock unless it is taken in this one; its payload already is.
    bank_free, params_ready : In(1)
        A new block may begin in the next clock unless one does in this; a column tile with parameters may.
    acts : Out(ArrayLayout(signed(act_width), rows))
        Activations for the array, registered.
    step, idle : Out(1)
        Operands are taken in this clock; no pass has begun.
    block : Out(block_layout(config))
        Block of the pass that begins.
    block_start, params_taken : Out(1)
        A block begins with the operands of this clock; a column tile with parameters does.
    mark : Out(mark_layout())
        Flags for the accumulators, in the clock of `acts`; if output stationary, with the last operands of a block.
    """

    def __init__(self, *, config: SystolicConfig, **members):
        self.config = config
        acts = data.ArrayLayout(signed(config.act_width), config.rows)
        super().__init__(
            {
                "passes": In(stream.Signature(pass_layout(config))),
                "operands": In(stream.Signature(acts)),
                "coming": In(1),
                "bank_free": In(1),
                "params_ready": In(1),
                "acts": Out(acts),
                "step": Out(1),
                "idle": Out(1),
                "block": Out(block_layout(config)),
                "block_start": Out(1),
                "params_taken": Out(1),
                "mark": Out(mark_layout()),
                **members,
            }
        )

    def _count_steps(self, m: Module, hold: Value) -> tuple[Signal, Signal, Signal, Any]:
        """Count the steps of a pass.

        Returns ``go`` (operands may be taken), ``starting`` and ``ending`` (the next operands are the first or the last
        of the pass) and the flags of the pass. ``hold`` prevents a pass from beginning in the next clock.
        """
        new = self.passes.payload
        flags = data.StructLayout(dict.fromkeys(("first", "last", "tile", "params"), 1))
        run = Signal(flags, reset_less=True)
        now = Signal(flags)
        busy = Signal()
        go = Signal()
        starting = Signal()
        ending = Signal()
        left = Signal(new.steps.shape(), reset_less=True)
        one_left = Signal(reset_less=True)
        # Much depends on whether a pass begins, so it is decided a clock ahead that one is valid and may.
        allowed = Signal()
        room = (self.bank_free | ~new.first) & (self.params_ready | ~(new.tile & new.params))
        m.d.sync += allowed.eq(self.coming & room & ~hold & ~(starting & self.step))
        m.d.comb += [
            starting.eq(~busy),
            self.idle.eq(~busy),
            go.eq(busy | allowed),
            ending.eq(Mux(busy, one_left, new.steps == 0)),
            self.passes.ready.eq(starting & self.step),
            now.eq(Mux(busy, run, Cat(new.first, new.last, new.tile, new.params))),
            self.block.eq(new.block),
            self.block_start.eq(self.passes.ready & new.first),
            self.params_taken.eq(self.passes.ready & new.tile & new.params),
        ]
        with m.If(self.step):
            m.d.sync += [
                run.eq(now),
                busy.eq(~ending),
                left.eq(Mux(busy, left, new.steps) - 1),
                one_left.eq(Mux(busy, left == 1, new.steps == 1)),
            ]
        return go, starting, ending, now


class WsFeeder(_Feeder):
    """Feed a weight-stationary array: one row of activations per clock, the first of a pass with the weight swap.

    Further members
    ---------------
    swap : Out(1)
        `acts` are the first of a pass.
    """

    def __init__(self, *, config: SystolicConfig):
        super().__init__(config=config, swap=Out(1))

    def elaborate(self, platform) -> Module:
        m = Module()
        # The accumulators must have read, added to and written back a row before the next pass reaches it: the starts
        # of two passes are at least ACCUMULATE_CLOCKS apart, in steps or in clocks between the passes.
        age = Signal(range(ACCUMULATE_CLOCKS))
        # At age 1 it is old enough in the next clock, or the pass is still busy then.
        go, starting, ending, now = self._count_steps(m, hold=age > 1)
        m.d.comb += [self.operands.ready.eq(go), self.step.eq(go & self.operands.valid)]
        with m.If(starting & self.step):
            m.d.sync += age.eq(ACCUMULATE_CLOCKS - 1)
        with m.Elif((age != 0) & (starting | self.step)):
            m.d.sync += age.eq(age - 1)
        m.d.comb += self.acts.eq(register(m, "s1_acts", self.operands.payload.as_value()))
        m.d.sync += [
            self.swap.eq(starting & self.step),
            self.mark.valid.eq(self.step),
            self.mark.begin.eq(starting & self.step),
            self.mark.first.eq(now.first),
            self.mark.end.eq(ending & self.step & now.last),
            self.mark.tile.eq(starting & self.step & now.tile),
            self.mark.params.eq(now.params),
        ]
        return m


class OsFeeder(_Feeder):
    """Feed an output-stationary array: one column of A and one row of W per clock.

    Further members
    ---------------
    weights : In(stream.Signature(ArrayLayout(signed(weight_width), cols)))
        Rows of W, taken together with the activations.
    row : Out(ArrayLayout(signed(weight_width), cols))
        Row of W, in the clock of `acts`.
    clear, capture : Out(1)
        `acts` and `row` are the first operands of a block; they are the last.
    starved : Out(1)
        Activations are available in this clock, weights are not.
    """

    def __init__(self, *, config: SystolicConfig):
        row = data.ArrayLayout(signed(config.weight_width), config.cols)
        super().__init__(
            config=config,
            weights=In(stream.Signature(row)),
            row=Out(row),
            clear=Out(1),
            capture=Out(1),
            starved=Out(1),
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        # Captured sums leave a column of the array at half the clock rate.
        spacing = 2 * self.config.rows - 1
        age = Signal(range(spacing))
        young = Signal()
        go, starting, ending, now = self._count_steps(m, hold=Const(0))
        may_step = Signal()
        m.d.comb += [
            may_step.eq(go & ~(ending & young)),
            self.operands.ready.eq(may_step & self.weights.valid),
            self.weights.ready.eq(may_step & self.operands.valid),
            self.step.eq(may_step & self.weights.valid & self.operands.valid),
            self.starved.eq(may_step & ~self.weights.valid & self.operands.valid),
        ]
        with m.If(self.step & ending):
            m.d.sync += [age.eq(spacing - 1), young.eq(spacing > 1)]
        with m.Elif(young):
            m.d.sync += [age.eq(age - 1), young.eq(age != 1)]
        # A clock without operands must not change the sums.
        acts = Mux(self.step, self.operands.payload.as_value(), 0)
        m.d.comb += self.acts.eq(register(m, "s1_acts", acts))
        m.d.comb += self.row.eq(register(m, "s1_row", self.weights.payload.as_value()))
        m.d.sync += [
            self.clear.eq(self.step & starting),
            self.capture.eq(self.step & ending),
            self.mark.valid.eq(self.step & ending),
            self.mark.begin.eq(self.step & ending),
            self.mark.first.eq(1),
            self.mark.tile.eq(now.tile),
            self.mark.params.eq(now.params),
        ]
        return m
