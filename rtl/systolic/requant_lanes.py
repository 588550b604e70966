"""Lanes that requantise a row of sums, and the scales of its channels."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.cycle_model import REQUANT_CLOCKS
from tercet.rtl.common.fanout_register import FanoutRegister
from tercet.rtl.common.side_by_side import SideBySide
from tercet.rtl.emit import shared

from .layouts import REQUANT_SETTINGS, param_layout
from .requantizer import Requantizer

__all__ = ["LaneRow", "RequantLane", "RequantLanes"]


class RequantLane(wiring.Component):
    """Lane that selects the column of a chunk, reads its scale, and requantises::

        columns --> column of `chunk` --[ ]--> Requantizer --> o
        scales ---> of `chunk` and `slot` --[ ]--^

    Parameters
    ----------
    mac : str
        As in `Requantizer`.
    acc_width : int
        Width of a sum in bits.
    chunks : int
        Number of columns that this lane serves.

    Members
    -------
    columns : In(chunks * acc_width)
        The lane's columns of the row, chunk 0 in the least significant bits.
    chunk : In(range(chunks)), slot : In(1)
        Column to select, and tile, of the two, whose scale to use; a clock before `columns`.
    write : In(1), write_chunk, write_slot, multiplier, shift : In
        Store a scale.
    rounding, zero_point, qmin, qmax : In
        As in `Requantizer`, a clock earlier.
    o : Out(signed(8))
        Code, `latency` clocks after `columns`.
    """

    def __init__(self, *, mac: str, acc_width: int, chunks: int):
        self.mac, self.acc_width, self.chunks = mac, acc_width, chunks
        super().__init__(
            {
                "columns": In(chunks * acc_width),
                "chunk": In(range(chunks)),
                "slot": In(1),
                "write": In(1),
                "write_chunk": In(range(chunks)),
                "write_slot": In(1),
                "multiplier": In(31),
                "shift": In(signed(6)),
                **{name: In(shape) for name, shape in REQUANT_SETTINGS.items()},
                "o": Out(signed(8)),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from `columns` to `o`."""
        return 1 + REQUANT_CLOCKS[self.mac]

    def elaborate(self, platform) -> Module:
        m = Module()
        scale = data.StructLayout({"multiplier": 31, "shift": signed(6)})
        m.submodules.scales = scales = memory.Memory(shape=scale, depth=2 * self.chunks, init=[])
        write_port = scales.write_port()
        read_port = scales.read_port()
        m.submodules.requantizer = unit = shared(Requantizer, mac=self.mac)
        acc = Signal(signed(self.acc_width), reset_less=True)
        # The lanes are far from each other: each has its own copy of what is common.
        given = {name: getattr(self, name) for name in ("chunk", "slot", *REQUANT_SETTINGS)}
        layout = data.StructLayout({name: value.shape() for name, value in given.items()})
        m.submodules.common = common = shared(FanoutRegister, width=layout.size, reset_less=True)
        here = data.View(layout, common.o)
        m.d.sync += acc.eq(self.columns.word_select(here.chunk, self.acc_width))
        m.d.comb += [
            common.i.eq(Cat(given.values())),
            write_port.addr.eq(Cat(self.write_slot, self.write_chunk)),
            write_port.data.multiplier.eq(self.multiplier),
            write_port.data.shift.eq(self.shift),
            write_port.en.eq(self.write),
            read_port.addr.eq(Cat(here.slot, here.chunk)),
            read_port.en.eq(1),
            unit.acc.eq(acc),
            unit.multiplier.eq(read_port.data.multiplier),
            unit.shift.eq(read_port.data.shift),
            *(getattr(unit, name).eq(here[name]) for name in REQUANT_SETTINGS),
            self.o.eq(unit.o),
        ]
        return m


class LaneRow(SideBySide):
    """All lanes."""

    unit = RequantLane
    split = frozenset({"columns", "write", "o"})


class RequantLanes(wiring.Component):
    """Requantise a row in chunks of `requant_lanes` columns, one chunk per clock.

    Column ``n`` belongs to lane ``n % requant_lanes`` in chunk ``n // requant_lanes``. The scales of two column tiles
    are stored; each tile's channels are written in order.

    Parameters
    ----------
    config : SystolicConfig
        Columns, lanes and widths.

    Members
    -------
    params : In(param_layout(config)), params_valid, params_slot : In(1), params_channel : In(range(cols))
        Scales to store; biases are ignored.
    row : In(ArrayLayout(signed(acc_width), cols)), chunk : In(range(chunks)), slot : In(1)
        Row; a clock before it the chunk to requantise, and the tile whose scales to use.
    rounding, zero_point, qmin, qmax : In
        As in `RequantLane`.
    o : Out(ArrayLayout(signed(8), requant_lanes))
        Codes, `latency` clocks later; undefined for columns beyond the last.
    """

    def __init__(self, *, config: SystolicConfig):
        assert config.requant_lanes
        self.config = config
        self.lanes = config.requant_lanes
        self.chunks = -(-config.cols // self.lanes)
        super().__init__(
            {
                "params": In(param_layout(config)),
                "params_valid": In(1),
                "params_slot": In(1),
                "params_channel": In(range(config.cols)),
                "row": In(data.ArrayLayout(signed(config.acc_width), config.cols)),
                "chunk": In(range(self.chunks)),
                "slot": In(1),
                **{name: In(shape) for name, shape in REQUANT_SETTINGS.items()},
                "o": Out(data.ArrayLayout(signed(8), self.lanes)),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from `row` to `o`."""
        return 1 + REQUANT_CLOCKS[self.config.mac]

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        m.submodules.lanes = lanes = shared(
            LaneRow, count=self.lanes, mac=config.mac, acc_width=config.acc_width, chunks=self.chunks
        )
        lane = Signal(self.lanes, init=1)  # of the next channel, one-hot
        chunk = Signal(range(self.chunks))
        with m.If(self.params_valid):
            m.d.sync += lane.eq(lane.rotate_left(1))
            with m.If(lane[-1]):
                m.d.sync += chunk.eq(chunk + 1)
            with m.If(self.params_channel == config.cols - 1):
                m.d.sync += [lane.eq(1), chunk.eq(0)]
        columns = [chunk * self.lanes + lane for lane in range(self.lanes) for chunk in range(self.chunks)]
        missing = Const(0, config.acc_width)
        m.d.comb += [
            lanes.columns.eq(Cat(self.row[n] if n < config.cols else missing for n in columns)),
            lanes.chunk.eq(self.chunk),
            lanes.slot.eq(self.slot),
            lanes.write.eq(Mux(self.params_valid, lane, 0)),
            lanes.write_chunk.eq(chunk),
            lanes.write_slot.eq(self.params_slot),
            lanes.multiplier.eq(self.params.multiplier),
            lanes.shift.eq(self.params.shift),
            *(getattr(lanes, name).eq(getattr(self, name)) for name in REQUANT_SETTINGS),
            Value.cast(self.o).eq(lanes.o),
        ]
        return m
