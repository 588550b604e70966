"""Exact cycle model of the systolic engine, and latencies shared with the RTL."""

from typing import Protocol

__all__ = ["ACCUMULATE_CLOCKS", "READ_CLOCKS", "REQUANT_CLOCKS", "Sizes", "cycles"]


class Sizes(Protocol):
    """The part of `SystolicConfig` that the model uses."""

    @property
    def rows(self) -> int: ...
    @property
    def cols(self) -> int: ...
    @property
    def dataflow(self) -> str: ...
    @property
    def mac(self) -> str: ...
    @property
    def requant_lanes(self) -> int | None: ...
    @property
    def array_latency(self) -> int: ...
    def tiles(self, m: int, k: int, n: int) -> tuple[list[int], int, int]: ...


ACCUMULATE_CLOCKS = 5
"""Clock cycles from reading an accumulator to reading the value written back."""

READ_CLOCKS = 4
"""Clock cycles from an address to a row of finished sums."""

REQUANT_CLOCKS = {
    "infer": 18,
    "ecp5": 21,
    "ecp5-dual": 21,
    "ice40": 18,
    "ternary": 18,
    "ternary-ecp5": 21,
    "binary": 18,
}
"""Clock cycles from a sum to its int8 code, by ``mac``."""

# Cycles, in addition to the array's latency, from the last operands of a row until the accumulators announce the row's
# block as readable: input registers and the accumulators' own pipeline.
_TO_FULL = 3
# Likewise, from a tile's first operands until its biases are in use.
_TO_BIAS = -1
# Cycles from the last read of a command to the delivery of its last result: the output stage.
_TO_STREAM = READ_CLOCKS + 2


class _Params:
    """Tracks when the parameters of each column tile are ready."""

    def __init__(self, cols: int):
        self._cols = cols
        self._start = 2
        self._freed = 0

    def ready(self) -> int:
        """First cycle in which the next tile may begin."""
        return self._start + 2 + self._cols

    def begin(self, bias_in_use: int) -> None:
        """Start a tile with biases in use from cycle `bias_in_use`; the next reuses the previous tile's slot."""
        self._start = max(bias_in_use + 1, self._freed + 1)

    def free(self, clock: int) -> None:
        """Release a tile's scales in cycle `clock`."""
        self._freed = clock


def cycles(config: Sizes, m: int, k: int, n: int, *, requant: bool, params: bool) -> int:
    """Clock cycles from the command to the last result if no stream stalls; see `SystolicConfig.cycles`.

    Follows the engine block by block: when the first operands can enter (weights loaded, bank free, parameters
    present), when the last row is complete, and when the drain has read the block.
    """
    blocks, k_tiles, n_tiles = config.tiles(m, k, n)
    chunks = -(-config.cols // config.requant_lanes) if requant and config.requant_lanes else 1
    run = _ws_block if config.dataflow == "ws" else _os_block
    loader = _Params(config.cols)
    # The sequencer accepts the command in cycle 1 and offers its first pass in cycle 5.
    at = _Clocks(offered=5)
    freed = [-1, -1]  # cycles in which the banks of the last two blocks were freed
    read = 0
    for _ in range(n_tiles):
        for number, rows in enumerate(blocks):
            earliest = freed[-2] + 1
            if number == 0 and params:
                earliest = max(earliest, loader.ready())
            first, last = run(config, at, rows, k_tiles if config.dataflow == "ws" else k, earliest)
            if number == 0 and params:
                loader.begin(first + config.array_latency + _TO_BIAS)
            at.offered = at.entered + (3 if number + 1 < len(blocks) else 4)
            # The drain sees the block and starts reading in the next cycle.
            seen = max(last + config.array_latency + _TO_FULL, read + 1)
            read = seen + rows * chunks
            freed.append(read)
        if params:
            loader.free(read + READ_CLOCKS)
    return read + _TO_STREAM + (1 + REQUANT_CLOCKS[config.mac] if requant else 0)


class _Clocks:
    """Cycles of the latest events in the sequencer and the array."""

    def __init__(self, offered: int):
        self.offered = offered  # the sequencer offered the pass
        self.entered = 0  # the pass left the sequencer
        self.begun = 0  # first operands of the previous pass
        self.before = 0  # likewise of the one before that
        self.free = 0  # the array can begin another pass


def _ws_block(config: Sizes, at: _Clocks, rows: int, passes: int, earliest: int) -> tuple[int, int]:
    """Cycles of the first operands of a weight-stationary block and of its last row."""
    period = max(rows, ACCUMULATE_CLOCKS)
    # Two passes are in the loader or waiting there.
    at.entered = max(at.offered, at.before + 1)
    first = max(max(at.entered, at.begun) + 1 + config.rows, at.free, earliest)
    if passes > 1:
        # Each further plane is loaded while the previous one computes.
        period = max(period, config.rows + 1)
        at.entered = max(at.entered, at.begun) + 1
        at.begun = first + (passes - 2) * period
        if passes > 2:
            at.entered = at.begun - period + 1
    at.before, at.begun = at.begun, first + (passes - 1) * period
    at.free = at.begun + max(rows, ACCUMULATE_CLOCKS)
    return first, at.begun + rows - 1


def _os_block(config: Sizes, at: _Clocks, rows: int, steps: int, earliest: int) -> tuple[int, int]:
    """Cycle of the last operands of an output-stationary block, and the equivalent cycle for its last row."""
    at.entered = max(at.offered, at.free, earliest)
    # The sums of the previous block must have left the array.
    last = max(at.entered + steps - 1, at.begun + 2 * config.rows - 1 if at.begun else 0)
    if steps == 1:
        at.entered = last
    at.begun = last
    at.free = last + 1
    return last, last + 2 * (rows - 1)
