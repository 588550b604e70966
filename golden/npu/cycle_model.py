"""Exact cycle model of the NPU: the clocks of a program, instruction by instruction.

Follows the machine pass by pass: when the sequencer offers a pass, when its weights are loaded, when its reads may
start, when a block's sums are complete, and when the drain has read them. Nothing in the machine stalls otherwise, so
the clocks do not depend on data.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..systolic.cycle_model import ACCUMULATE_CLOCKS, READ_CLOCKS
from .config import NpuConfig
from .instructions import BYTES, Instruction, Opcode
from .latencies import BYTES_CLOCKS, LANE_CLOCKS, WORD_CLOCKS, unit_clocks

__all__ = ["InstructionCycles", "instruction_cycles"]

# Clocks from the request of an instruction until it is checked: its words, their latency, the check.
_FETCH = BYTES // 4 + WORD_CLOCKS + 2
# Clocks from the sequencer's states: from a checked instruction to its first pass, and from a pass taken by the loader
# to the next one of the block, of the next block, and of the next tile.
_TO_PASS, _NEXT_PASS, _NEXT_BLOCK, _NEXT_TILE = 5, 3, 4, 5
_COPY = 256 + 2  # from the decision to copy a table until the next one


@dataclass(frozen=True)
class InstructionCycles:
    """Clocks of an instruction.

    Attributes
    ----------
    cycles : int
        Clocks from the last result of the instruction before, or the start of the run, to its own last result.
    active : int
        Clocks in which the buffer is read for it.
    drain : int
        Clocks in which results are read from the accumulators.
    load : int
        Clocks in which weights are loaded.
    passes : int
        Number of passes.
    """

    cycles: int
    active: int
    drain: int
    load: int
    passes: int

    @property
    def bound(self) -> str:
        """What takes most of the time: "reads", "requantiser" or "weights"; "latency" if none takes half of it."""
        busiest = max(("reads", self.active), ("requantiser", self.drain), ("weights", self.load), key=lambda p: p[1])
        return busiest[0] if 2 * busiest[1] > self.cycles else "latency"


def instruction_cycles(instructions: Iterable[Instruction], config: NpuConfig) -> list[InstructionCycles]:
    """Clocks of each instruction of a run, up to HALT.

    Their sum is the number of clocks from the start of the run to its last byte written.
    """
    timeline = _Timeline(config)
    found = []
    for instruction in instructions:
        if instruction.opcode == Opcode.HALT:
            break
        found.append(timeline.run(instruction))
    return found


class _Timeline:
    """Clocks of the latest events; 0 is the start of the run."""

    def __init__(self, config: NpuConfig):
        self.config = config
        self.units = unit_clocks(config)
        self.fetched = _FETCH  # the instruction is checked
        self.taken = -ACCUMULATE_CLOCKS  # the gather took the pass before
        self.before = self.taken  # it took the one before that
        self.ending = -1  # its last read
        self.written = -1  # the last result of the instruction before; its write is complete
        self.finished = 0
        self.tables: list[int | None] = [None, None]
        self.stored = [0, 0]  # the tables are in place
        self.copier = 0  # the next table may be copied
        self.reads_tables = False

    def run(self, i: Instruction) -> InstructionCycles:
        """Advance by an instruction."""
        config = self.config
        offered = self._with_tables(i)
        first_loads, next_loads = _loads(i, config)
        unit = _unit(i, config)
        passes, pixel_reads = _passes(i, config), (i.out_cols - 1) * i.stride_cols + i.taps
        parameters = _Parameters(i, config)
        blocks = [min(i.block, i.out_rows - start) for start in range(0, i.out_rows, i.block)]
        freed = [-2, -2]  # the blocks before are read
        drained, began, active, drain, load, count = -1, None, 0, 0, 0, 0
        for tile in range(-(-i.channels // config.cols)):
            chunks = -(-min(config.cols, i.channels - tile * config.cols) // config.lanes)
            for number, rows in enumerate(blocks):
                for n in range(passes):
                    # The loader has two passes at a time, and loads the older one.
                    accepted = max(offered, self.before + 1)
                    loads = next_loads if n else first_loads
                    load += loads
                    taken = max(accepted, self.taken) + max(loads, 1) + 1
                    taken = max(taken, self.ending, self.taken + ACCUMULATE_CLOCKS)
                    if n == 0:
                        taken = max(taken, freed[-2] + 2)
                    if began is None:
                        taken = max(taken, self.written + 2)
                        began = taken + 1
                        parameters.begin(began)
                    self.before, self.taken, self.ending = self.taken, taken, taken + rows * pixel_reads
                    offered = accepted + _NEXT_PASS
                active += passes * rows * pixel_reads
                count += passes
                offered = accepted + (_NEXT_BLOCK if number + 1 < len(blocks) else _NEXT_TILE)
                full = self.ending + BYTES_CLOCKS + self.units[unit] + 1
                begin = max(full + 1, drained + 1, parameters.ready(tile))
                drained = begin + rows * i.out_cols * chunks
                drain += rows * i.out_cols * chunks
                freed.append(drained)
            parameters.free(drained)
        assert began is not None
        request = max(accepted + 2, began)
        self._prefetch(i, request + 1)
        self.fetched = request + _FETCH
        self.written = drained + READ_CLOCKS + LANE_CLOCKS[config.mac] + 1
        total, self.finished = self.written - self.finished, self.written
        self.reads_tables = bool(_tables(i))
        return InstructionCycles(total, active, drain, load, count)

    def _with_tables(self, i: Instruction) -> int:
        """Clock in which the first pass is offered: the tables that it reads are in place."""
        ready = self.fetched + 1
        for n, table in _tables(i).items():
            if self.tables[n] != table:
                self._copy(n, table)
            ready = max(ready, self.stored[n])
        return ready + _TO_PASS

    def _copy(self, n: int, table: int, latest: int | None = None) -> None:
        """Copy a table as soon as possible, but not if that is after `latest`."""
        # Tables in use by the instruction before stay until its results are written.
        start = max(self.fetched + 1, self.copier, self.written + 1 if self.reads_tables else 0)
        if latest is None or start <= latest:
            self.copier = start + _COPY
            self.tables[n], self.stored[n] = table, start + _COPY - 1

    def _prefetch(self, i: Instruction, latest: int) -> None:
        """Copy the tables of a later instruction; `latest` is the last clock in which a copy may begin."""
        if self.config.tables and not _tables(i):
            for n, table in enumerate((i.table, i.other_table)):
                if i.prefetch >> n & 1 and self.tables[n] != table:
                    self._copy(n, table, latest)


class _Parameters:
    """When the parameters of each tile are in the lanes; two tiles at a time."""

    def __init__(self, i: Instruction, config: NpuConfig):
        self._counts = iter(_tile_channels(i, config))
        self._common = not i.parameter_channel
        self._ready: list[int] = []
        self._freed: list[int] = []
        self._next = 0

    def begin(self, clock: int) -> None:
        """The instruction begins."""
        self._next = clock + 1
        self._load()

    def _load(self) -> None:
        ended = self._next + next(self._counts)
        self._ready.append(ended + WORD_CLOCKS + 3)
        self._next = ended + 1

    def ready(self, tile: int) -> int:
        """First clock in which the drain may begin a block of the tile."""
        if self._common:
            return self._ready[0]
        while len(self._ready) <= tile:
            if len(self._ready) >= 2:
                self._next = max(self._next, self._freed[len(self._ready) - 2] + READ_CLOCKS + 2)
            self._load()
        return self._ready[tile]

    def free(self, clock: int) -> None:
        """The tile is drained."""
        self._freed.append(clock)


def _tile_channels(i: Instruction, config: NpuConfig) -> Iterator[int]:
    if not i.parameter_channel:
        yield 1
        return
    for start in range(0, i.channels, config.cols):
        yield min(config.cols, i.channels - start)


def _passes(i: Instruction, config: NpuConfig) -> int:
    """Passes of a block."""
    if i.opcode in (Opcode.ADD, Opcode.MULTIPLY, Opcode.LARGER):
        return 2
    if i.opcode == Opcode.LOOKUP:
        return 1
    pieces = -(-i.run // config.rows) if i.opcode == Opcode.CONVOLVE else 1
    return i.kernel_rows * i.kernel_cols * pieces


def _loads(i: Instruction, config: NpuConfig) -> tuple[int, int]:
    """Clocks in which the weights of a block's first pass are loaded, and of each further one."""
    if i.opcode == Opcode.CONVOLVE:
        loads = config.plane_words
    elif i.opcode == Opcode.DEPTHWISE:
        loads = config.tap_words if config.depthwise_taps else config.plane_words
    else:
        return 0, 0
    return loads, 0 if i.same_rows and _passes(i, config) == i.kernel_rows else loads


def _tables(i: Instruction) -> dict[int, int]:
    """Tables that an instruction reads, by operand."""
    read: dict[int, dict[int, int]] = {Opcode.ADD: {0: i.table, 1: i.other_table}, Opcode.LOOKUP: {0: i.table}}
    return read.get(i.opcode, {})


def _unit(i: Instruction, config: NpuConfig) -> int:
    if i.opcode == Opcode.CONVOLVE or (i.opcode == Opcode.DEPTHWISE and not config.depthwise_taps):
        return 0
    return 1 if i.opcode == Opcode.DEPTHWISE else 2
