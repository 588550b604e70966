"""Drain: finished blocks leave the accumulators as sums, or requantised to int8."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.cycle_model import READ_CLOCKS
from tercet.rtl.common.delay import EventDelay
from tercet.rtl.common.outlet import Outlet
from tercet.rtl.emit import shared

from .layouts import OUTPUT_SETTINGS, REQUANT_SETTINGS, block_layout, output_layout, param_layout
from .requant_lanes import RequantLanes

__all__ = ["Drain"]

_LANE = 64  # bits of a wide row of sums that share a FIFO


def _lanes(width: int) -> tuple[int, ...]:
    """Split the bits of an outlet; a narrow one has a single FIFO."""
    if width <= 2 * _LANE:
        return ()
    return tuple(min(_LANE, width - low) for low in range(0, width, _LANE))


class Drain(wiring.Component):
    """Read out blocks in order: one row, or `requant_lanes` results through the requantiser, per clock::

        accumulators --row--+-------------------------------> outlet --> sums
                            +--chunk--> requantiser lanes --> outlet --> outs

    Parameters
    ----------
    config : SystolicConfig
        Size, depth and lanes.

    Members
    -------
    block : In(block_layout(config)), block_start : In(1)
        A block has begun in the array.
    full : In(1)
        The oldest block not yet announced is complete; two clocks after its `block_start` at the earliest.
    freed : Out(1)
        A bank may be reused.
    draining, bank, address : Out
        Read enable, bank and row of the accumulators.
    row : In(ArrayLayout(signed(acc_width), cols))
        Row read, 4 clocks later.
    params : In(param_layout(config)), params_valid, params_slot, params_channel : In
        Scales to store (only with requantiser).
    params_freed : Out(1)
        The oldest tile's scales are no longer needed.
    sums : Out(stream.Signature(output_layout(acc_width, cols)))
        Rows of sums, for commands without requantisation.
    outs : Out(stream.Signature(output_layout(8, requant_lanes)))
        Requantised results, each row in chunks from column 0 on (only with requantiser).
    """

    def __init__(self, *, config: SystolicConfig):
        self.config = config
        self.lanes = config.requant_lanes or 0
        self.chunks = -(-config.cols // self.lanes) if self.lanes else 1
        requant = {
            "params": In(param_layout(config)),
            "params_valid": In(1),
            "params_slot": In(1),
            "params_channel": In(range(config.cols)),
            "outs": Out(stream.Signature(output_layout(8, self.lanes))),
        }
        super().__init__(
            {
                "block": In(block_layout(config)),
                "block_start": In(1),
                "full": In(1),
                "freed": Out(1),
                "draining": Out(1),
                "bank": Out(1),
                "address": Out(range(config.acc_depth)),
                "row": In(data.ArrayLayout(signed(config.acc_width), config.cols)),
                "params_freed": Out(1),
                "sums": Out(stream.Signature(output_layout(config.acc_width, config.cols))),
                **(requant if self.lanes else {}),
            }
        )

    @property
    def _tags(self) -> data.StructLayout:
        """What is known of a word when its address goes out."""
        flags = dict.fromkeys(("raw", "requant", "last", "frees", "slot"), 1)
        return data.StructLayout({**flags, "chunk": range(self.chunks)})

    def elaborate(self, platform) -> Module:
        m = Module()
        layout, tags = block_layout(self.config), self._tags
        started = [Signal(layout, name=f"block_{n}", reset_less=True) for n in "ab"]
        current = Signal(layout, reset_less=True, name="current")
        chunk = Signal(range(self.chunks))
        slot, issue, last, room = Signal(name="slot"), Signal(name="issue"), Signal(name="last"), Signal(name="room")
        m.submodules.sums = sums = Outlet(
            shape=self.sums.payload.shape(),
            latency=READ_CLOCKS,
            lanes=_lanes(self.sums.payload.shape().size),
            cut=False,
        )
        empty = sums.empty
        m.d.comb += room.eq(sums.ready)
        self._latch(m, started)

        # Tags that follow each read.
        s0, s3, s4 = (Signal(tags, name=name) for name in ("s0", "s3", "s4"))
        m.submodules.reading = reading = EventDelay(clocks=READ_CLOCKS - 1, width=tags.size)
        m.d.comb += [
            s0.raw.eq(issue & ~current.requant),
            s0.requant.eq(issue & current.requant),
            s0.last.eq(last & current.ends),
            s0.frees.eq(issue & last & current.frees),
            s0.slot.eq(slot),
            s0.chunk.eq(chunk),
            reading.i.eq(s0),
            Value.cast(s3).eq(reading.o),
            sums.start.eq(s0.raw),
            sums.arrive.eq(s4.raw),
            sums.value.data.eq(self.row),
            sums.value.last.eq(s4.last),
            self.params_freed.eq(s4.frees),
            self.freed.eq(issue & last),
        ]
        m.d.sync += s4.eq(s3)
        wiring.connect(m, sums.o, wiring.flipped(self.sums))
        if self.lanes:
            outs = self._requantise(m, current, s0, s3, s4)
            empty = empty & outs.empty
            m.d.comb += room.eq(Mux(current.requant, outs.ready, sums.ready))

        self._read(m, started, current, empty=empty, room=room, issue=issue, last=last, chunk=chunk, slot=slot)
        return m

    def _read(self, m: Module, started: list, current, *, empty, room, issue, last, chunk, slot) -> None:
        """Take one complete block after the other and step through its rows and chunks."""
        upcoming = Signal(block_layout(self.config), name="upcoming")
        blocks = Signal(range(3))  # complete and not yet being read
        # Compared a step ahead.
        row_end, last_row = Signal(reset_less=True, name="row_end"), Signal(reset_less=True, name="last_row")
        taken = Signal()
        starts = Signal(reset_less=True, name="starts")  # the next block to be read is the first of a command
        m.d.sync += starts.eq(Mux(self.bank ^ self.freed, started[1].starts, started[0].starts))
        m.d.comb += last.eq(row_end & last_row)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += upcoming.eq(Mux(self.bank, started[1], started[0]))
                m.d.sync += [self.address.eq(0), chunk.eq(0)]
                m.d.sync += [row_end.eq(self._is_last(upcoming, 0)), last_row.eq(upcoming.rows == 0)]
                # A command's settings must not change while results of the previous command are in flight.
                m.d.sync += [current[name].eq(upcoming[name]) for name in ("rows", "starts", "ends", "frees")]
                with m.If((blocks != 0) & (empty | ~starts)):
                    m.d.comb += taken.eq(1)
                    m.d.sync += [current[name].eq(upcoming[name]) for name in OUTPUT_SETTINGS]
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += [self.draining.eq(1), issue.eq(room)]
                with m.If(issue):
                    m.d.sync += [chunk.eq(chunk + 1), row_end.eq(self._is_last(current, chunk + 1))]
                    with m.If(row_end):
                        m.d.sync += [chunk.eq(0), row_end.eq(self._is_last(current, 0))]
                        m.d.sync += [self.address.eq(self.address + 1), current.rows.eq(current.rows - 1)]
                        m.d.sync += last_row.eq(current.rows == 1)
                    with m.If(last):
                        m.d.sync += [self.bank.eq(~self.bank), slot.eq(slot ^ current.frees)]
                        m.next = "IDLE"
        m.d.sync += blocks.eq(blocks + self.full - taken)

    def _is_last(self, block, chunk: Value | int) -> Value:
        """Whether a chunk is the last of its row."""
        return ~block.requant | (chunk == self.chunks - 1)

    def _latch(self, m: Module, started: list) -> None:
        """Keep the description of the block that each bank gathers."""
        start_bank = Signal()
        # Registered on the way here: the block completes much later.
        s1_block = Signal(started[0].shape(), reset_less=True)
        s1_start = Signal()
        m.d.sync += [s1_block.eq(self.block), s1_start.eq(self.block_start)]
        with m.If(s1_start):
            m.d.sync += start_bank.eq(~start_bank)
            for n in range(2):
                with m.If(start_bank == n):
                    m.d.sync += started[n].eq(s1_block)

    def _requantise(self, m: Module, current, s0, s3, s4) -> Outlet:
        """Add the requantiser lanes and their outlet."""
        m.submodules.lanes = lanes = shared(RequantLanes, config=self.config)
        latency = READ_CLOCKS + lanes.latency
        m.submodules.outs = outs = Outlet(shape=self.outs.payload.shape(), latency=latency)
        m.submodules.requantising = arriving = EventDelay(clocks=lanes.latency, width=2)
        m.d.comb += [
            lanes.params.eq(self.params),
            lanes.params_valid.eq(self.params_valid),
            lanes.params_slot.eq(self.params_slot),
            lanes.params_channel.eq(self.params_channel),
            lanes.row.eq(self.row),
            lanes.chunk.eq(s3.chunk),
            lanes.slot.eq(s3.slot),
            *(getattr(lanes, name).eq(current[name]) for name in REQUANT_SETTINGS),
            arriving.i.eq(Cat(s4.requant, s4.last)),
            outs.start.eq(s0.requant),
            Cat(outs.arrive, outs.value.last).eq(arriving.o),
            outs.value.data.eq(lanes.o),
        ]
        wiring.connect(m, outs.o, wiring.flipped(self.outs))
        return outs
