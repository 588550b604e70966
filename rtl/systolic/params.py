"""Per-channel parameters, loaded a column tile ahead so that the array never waits for them."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.operands import COMMAND_FIELDS
from tercet.rtl.common.pipeline import event, register

from .layouts import param_layout

__all__ = ["ParamLoader"]


class ParamLoader(wiring.Component):
    """Distribute the parameters of a column tile: biases to the accumulators, the rest to the requantiser.

    Two tiles may be in flight in the engine; their scales alternate between the two slots of `RequantLanes`.

    Parameters
    ----------
    config : SystolicConfig
        Columns of a tile, and parameters of a channel.

    Members
    -------
    i : In(stream.Signature(param_layout(config)))
        Parameters, one channel per beat, `cols` beats per tile.
    tiles : In(range(2**16)), request : In(1)
        A command with parameters begins, with `tiles` tiles to load. Less than 2**17 tiles are then to be loaded.
    ready : Out(1)
        A tile is loaded and has not been taken.
    taken : In(1)
        The tile's first operands enter the array.
    bias_taken : In(1)
        The tile's biases are in use: there is room for the next ones.
    freed : In(1)
        The oldest tile's scales are no longer needed.
    o : Out(param_layout(config)), o_valid : Out(1)
        Parameters, registered.
    slot : Out(1), channel : Out(range(cols))
        Destination of `o`.
    """

    def __init__(self, *, config: SystolicConfig):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(param_layout(config))),
                "tiles": In(COMMAND_FIELDS["n_tiles"]),
                "request": In(1),
                "ready": Out(1),
                "taken": In(1),
                "bias_taken": In(1),
                "freed": In(1),
                "o": Out(param_layout(config)),
                "o_valid": Out(1),
                "slot": Out(1),
                "channel": Out(range(config.cols)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        # Tiles requested and loaded so far, modulo what can be under way, and whether they differ: a clock late,
        # which matters after a request only.
        requested, loaded = (Signal(COMMAND_FIELDS["n_tiles"] + 1, name=name) for name in ("requested", "loaded"))
        behind = Signal()
        s1_request = event(m, "s1_request", self.request)
        slot = Signal()
        channel = Signal(range(self.config.cols))
        held = Signal(range(3))  # tiles with scales loaded or being loaded, not yet freed
        begins = Signal()
        complete = Signal()
        fire = self.i.valid & self.i.ready
        with m.FSM():
            with m.State("EMPTY"), m.If((behind | s1_request) & (held != 2)):
                m.d.comb += begins.eq(1)
                m.next = "LOAD"
            with m.State("LOAD"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += channel.eq(channel + 1)
                    with m.If(channel == self.config.cols - 1):
                        m.d.comb += complete.eq(1)
                        m.d.sync += [channel.eq(0), slot.eq(~slot), self.ready.eq(1)]
                        m.next = "LOADED"
            with m.State("LOADED"):
                with m.If(self.taken):
                    m.d.sync += self.ready.eq(0)
                with m.If(self.bias_taken):
                    m.next = "EMPTY"
        m.d.sync += behind.eq(requested != loaded)
        with m.If(self.request):
            m.d.sync += requested.eq(requested + self.tiles)
        with m.If(complete):
            m.d.sync += loaded.eq(loaded + 1)
        m.d.sync += held.eq(held + begins - self.freed)
        m.d.sync += [self.o_valid.eq(fire), self.slot.eq(slot), self.channel.eq(channel)]
        m.d.comb += Value.cast(self.o).eq(register(m, "s1_params", self.i.payload.as_value()))
        return m
