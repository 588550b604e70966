"""Per-channel parameters: taken a column tile ahead, so that the array never waits for them."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic import SystolicConfig

from .layouts import TILES_BITS, param_layout

__all__ = ["ParamLoader", "ScaleMemory"]


class ParamLoader(wiring.Component):
    """Distribute the parameters of a column tile: biases to the accumulators, the rest to the requantiser.

    Two tiles may be on their way through the engine; their scales lie in the two slots of `ScaleMemory` in turn.

    Parameters
    ----------
    config : SystolicConfig
        Columns of a tile, and what a channel's parameters are.

    Members
    -------
    i : In(stream.Signature(param_layout(config)))
        Parameters, one channel a beat, `cols` beats a tile.
    tiles : In(range(2**16)), request : In(1)
        A command with parameters begins: tiles to load. All of those before are loaded by then.
    ready : Out(1)
        A tile is loaded and was not taken yet.
    taken : In(1)
        Its first operands go into the array.
    bias_taken : In(1)
        Its biases are in use: there is room for the next ones.
    freed : In(1)
        The oldest tile's scales are not needed any more.
    o : Out(param_layout(config)), o_valid : Out(1)
        Parameters, registered.
    slot : Out(1), channel : Out(range(cols))
        Where they belong.
    """

    def __init__(self, *, config: SystolicConfig):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(param_layout(config))),
                "tiles": In(TILES_BITS),
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
        left = Signal(TILES_BITS)
        slot = Signal()
        channel = Signal(range(self.config.cols))
        held = Signal(range(3))  # tiles whose scales are loaded or being loaded, and not freed
        begins = Signal()
        fire = self.i.valid & self.i.ready
        with m.FSM():
            with m.State("EMPTY"), m.If((left != 0) & (held != 2)):
                m.d.comb += begins.eq(1)
                m.next = "LOAD"
            with m.State("LOAD"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += channel.eq(channel + 1)
                    with m.If(channel == self.config.cols - 1):
                        m.d.sync += [channel.eq(0), slot.eq(~slot), left.eq(left - 1), self.ready.eq(1)]
                        m.next = "LOADED"
            with m.State("LOADED"):
                with m.If(self.taken):
                    m.d.sync += self.ready.eq(0)
                with m.If(self.bias_taken):
                    m.next = "EMPTY"
        with m.If(self.request):
            m.d.sync += left.eq(self.tiles)
        m.d.sync += held.eq(held + begins - self.freed)
        m.d.sync += [self.o.eq(self.i.payload), self.o_valid.eq(fire), self.slot.eq(slot), self.channel.eq(channel)]
        return m


class ScaleMemory(wiring.Component):
    """Multipliers and shifts of two column tiles, read for all requantiser lanes at once.

    Channel ``n`` is lane ``n % requant_lanes`` of chunk ``n // requant_lanes``.

    Parameters
    ----------
    config : SystolicConfig
        Columns and lanes.

    Members
    -------
    i : In(param_layout(config)), i_valid, slot : In(1), channel : In(range(cols))
        What to write; a tile's channels come in order.
    read_slot : In(1), read_chunk : In(range(chunks))
        What to read.
    o : Out(ArrayLayout(param_layout(config), requant_lanes))
        Read in the clock before; the biases in it are zero.
    """

    def __init__(self, *, config: SystolicConfig):
        self.config = config
        assert config.requant_lanes
        self.chunks = -(-config.cols // config.requant_lanes)
        super().__init__(
            {
                "i": In(param_layout(config)),
                "i_valid": In(1),
                "slot": In(1),
                "channel": In(range(config.cols)),
                "read_slot": In(1),
                "read_chunk": In(range(self.chunks)),
                "o": Out(data.ArrayLayout(param_layout(config), config.requant_lanes)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes = self.config.requant_lanes
        assert lanes
        lane = Signal(lanes, init=1)
        chunk = Signal(range(self.chunks))
        with m.If(self.i_valid):
            m.d.sync += lane.eq(lane.rotate_left(1))
            with m.If(lane[-1]):
                m.d.sync += chunk.eq(chunk + 1)
            with m.If(self.channel == self.config.cols - 1):
                m.d.sync += [lane.eq(1), chunk.eq(0)]
        scale = data.StructLayout({"multiplier": 31, "shift": signed(6)})
        for n in range(lanes):
            m.submodules[f"lane{n}"] = ram = memory.Memory(shape=scale, depth=2 * self.chunks, init=[])
            write = ram.write_port()
            read = ram.read_port()
            m.d.comb += [
                write.addr.eq(chunk * 2 + self.slot),
                write.data.multiplier.eq(self.i.multiplier),
                write.data.shift.eq(self.i.shift),
                write.en.eq(self.i_valid & lane[n]),
                read.addr.eq(self.read_chunk * 2 + self.read_slot),
                read.en.eq(1),
                self.o[n].multiplier.eq(read.data.multiplier),
                self.o[n].shift.eq(read.data.shift),
            ]
        return m
