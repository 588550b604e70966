"""Systolic engine: commands and operands in, results out."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.engine import MODEL
from tercet.rtl.common.delay import EventDelay
from tercet.rtl.common.engine import control_members
from tercet.rtl.emit import shared

from .accumulators import Accumulators
from .array import SystolicArray
from .counters import Counters
from .drain import Drain
from .feed import OsFeeder, WeightLoader, WsFeeder
from .layouts import command_layout, mark_layout, output_layout, param_layout
from .params import ParamLoader
from .row_tags import RowTags
from .sequencer import Sequencer

__all__ = ["Engine"]

# Clocks by which flags precede their sums, since the accumulators read the addend before the sum arrives.
_MARK_LEAD = 4


class Engine(wiring.Component):
    """Tiled matrix products on a systolic array::

        commands --> Sequencer --passes--> WeightLoader --> WsFeeder
                                weights ------^    |           |  ^------ acts
                                                   v           v
                                                   SystolicArray (skew, grid, de-skew)
                                                          |
        params --> ParamLoader --biases--------> Accumulators (two banks)
                        |                                 |
                        +------scales----------------> Drain --> sums, outs

    Output stationary: there is no WeightLoader; the feeder takes activations and weights together.

    Operands arrive in the order of `tercet.golden.systolic.operands`.

    Parameters
    ----------
    config : SystolicConfig
        Engine configuration.

    Members
    -------
    commands : In(stream.Signature(command_layout(config)))
        Products to compute, all counts at least 1; ``requant`` needs ``params``.
    acts : In(stream.Signature(ArrayLayout(signed(act_width), rows)))
        Activations.
    weights : In(stream.Signature(ArrayLayout(signed(weight_width), cols)))
        Weights.
    params : In(stream.Signature(param_layout(config)))
        Per-channel parameters, `cols` beats per column tile, for commands with ``params``.
    sums : Out(stream.Signature(output_layout(acc_width, cols)))
        One row of sums per beat, for commands without ``requant``.
    outs : Out(stream.Signature(output_layout(8, requant_lanes)))
        `requant_lanes` results per beat, a row in several beats, for commands with ``requant`` (only with requantiser).
    counters, clear, running, error
        As in `control_members`; every command is accepted, so `error` stays 0.
    """

    def __init__(self, *, config: SystolicConfig):
        self.config = config
        members = {
            "commands": In(stream.Signature(command_layout(config))),
            "acts": In(stream.Signature(data.ArrayLayout(signed(config.act_width), config.rows))),
            "weights": In(stream.Signature(data.ArrayLayout(signed(config.weight_width), config.cols))),
            "params": In(stream.Signature(param_layout(config))),
            "sums": Out(stream.Signature(output_layout(config.acc_width, config.cols))),
        }
        if config.requant_lanes:
            members["outs"] = Out(stream.Signature(output_layout(8, config.requant_lanes)))
        super().__init__({**members, **control_members(MODEL)})

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        m.submodules.sequencer = sequencer = Sequencer(config=config)
        m.submodules.array = array = shared(SystolicArray, config=config)
        m.submodules.accumulators = accumulators = shared(Accumulators, config=config)
        m.submodules.drain = drain = shared(Drain, config=config)
        m.submodules.loader = params = ParamLoader(config=config)
        m.submodules.counters = counters = Counters()

        wiring.connect(m, wiring.flipped(self.commands), sequencer.commands)
        started = self.commands.valid & self.commands.ready
        m.d.comb += params.tiles.eq(self.commands.payload.n_tiles)
        m.d.comb += params.request.eq(started & self.commands.payload.params)
        feeder = self._feed(m, sequencer, array, counters)
        banks = Signal(range(3))  # in use
        m.d.sync += banks.eq(banks + feeder.block_start - drain.freed)
        m.d.comb += [
            feeder.bank_free.eq((banks != 2) | drain.freed),
            feeder.params_ready.eq(params.ready),
            params.taken.eq(feeder.params_taken),
            accumulators.sums.eq(array.sums),
        ]
        self._mark(m, feeder, array, accumulators)
        self._drain(m, feeder, params, accumulators, drain)

        finished = self.sums.valid & self.sums.ready & self.sums.payload.last
        if config.requant_lanes:
            finished = finished | (self.outs.valid & self.outs.ready & self.outs.payload.last)
        m.d.comb += [counters.started.eq(started), counters.finished.eq(finished), counters.clear.eq(self.clear)]
        m.d.comb += [self.running.eq(counters.running), counters.computing.eq(feeder.step)]
        m.d.comb += self.counters.eq(counters.counts)
        return m

    def _feed(self, m: Module, sequencer, array, counters):
        """Connect the components that feed operands to the array."""
        if self.config.dataflow == "ws":
            m.submodules.weight_loader = loader = WeightLoader(config=self.config)
            m.submodules.feeder = feeder = WsFeeder(config=self.config)
            wiring.connect(m, sequencer.passes, loader.i)
            wiring.connect(m, loader.o, feeder.passes)
            m.d.comb += feeder.coming.eq(loader.coming)
            wiring.connect(m, wiring.flipped(self.weights), loader.weights)
            m.d.comb += [array.weights.eq(loader.row), array.load.eq(loader.load), array.swap.eq(feeder.swap)]
            m.d.comb += counters.shifting.eq(feeder.idle & loader.waiting & self.weights.valid)
            m.d.comb += counters.stalled.eq(feeder.idle & loader.waiting & ~self.weights.valid)
        else:
            m.submodules.feeder = feeder = OsFeeder(config=self.config)
            wiring.connect(m, sequencer.passes, feeder.passes)
            m.d.comb += feeder.coming.eq(sequencer.coming)
            wiring.connect(m, wiring.flipped(self.weights), feeder.weights)
            m.d.comb += [array.weights.eq(feeder.row), array.clear.eq(feeder.clear), array.capture.eq(feeder.capture)]
            m.d.comb += counters.stalled.eq(feeder.starved)
        wiring.connect(m, wiring.flipped(self.acts), feeder.operands)
        m.d.comb += array.acts.eq(feeder.acts)
        return feeder

    def _mark(self, m: Module, feeder, array, accumulators):
        """Deliver the flags of each row to the accumulators ahead of its sums."""
        width = mark_layout().size
        m.submodules.mark_delay = delay = shared(EventDelay, clocks=array.latency - _MARK_LEAD, width=width)
        m.d.comb += delay.i.eq(feeder.mark)
        if self.config.dataflow == "ws":
            m.d.comb += Value.cast(accumulators.mark).eq(delay.o)
        else:
            m.submodules.row_marks = rows = RowTags(config=self.config)
            m.d.comb += [rows.block.eq(feeder.block), rows.block_start.eq(feeder.block_start)]
            m.d.comb += [Value.cast(rows.i).eq(delay.o), accumulators.mark.eq(rows.o)]

    def _drain(self, m: Module, feeder, params, accumulators, drain):
        """Connect the paths of results and parameters."""
        m.d.comb += [
            drain.block.eq(feeder.block),
            drain.block_start.eq(feeder.block_start),
            drain.full.eq(accumulators.full),
            drain.row.eq(accumulators.drained),
            accumulators.draining.eq(drain.draining),
            accumulators.drain_bank.eq(drain.bank),
            accumulators.drain_address.eq(drain.address),
            accumulators.bias.eq(params.o.bias),
            accumulators.bias_shift.eq(params.o_valid),
            params.bias_taken.eq(accumulators.bias_taken),
            params.freed.eq(drain.params_freed),
        ]
        wiring.connect(m, wiring.flipped(self.params), params.i)
        wiring.connect(m, drain.sums, wiring.flipped(self.sums))
        if self.config.requant_lanes:
            m.d.comb += [
                drain.params.eq(params.o),
                drain.params_valid.eq(params.o_valid),
                drain.params_slot.eq(params.slot),
                drain.params_channel.eq(params.channel),
            ]
            wiring.connect(m, drain.outs, wiring.flipped(self.outs))
