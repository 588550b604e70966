"""The systolic engine's clocks: latencies that the RTL shares, and the exact cycle model."""

from typing import Protocol

__all__ = ["ACCUMULATE_CLOCKS", "READ_CLOCKS", "REQUANT_CLOCKS", "Sizes", "cycles"]


class Sizes(Protocol):
    """What the model needs of a `SystolicConfig`."""

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
"""From reading an accumulator to reading what was written back."""

READ_CLOCKS = 4
"""From an address to a row of finished sums."""

REQUANT_CLOCKS = {"infer": 18, "ecp5": 21, "ice40": 18}
"""From a sum to its int8 code, by ``mac``."""

# From the clock of the last operands of a row to that in which the accumulators announce the row's block as readable,
# beside the latency of the array: the registers at its inputs, and the way through the accumulators.
_TO_FULL = 3
# From the clock of a tile's first operands to that in which its biases are in use, likewise.
_TO_BIAS = -1
# From the last read of a command to the delivery of its last result: the outlet.
_TO_STREAM = READ_CLOCKS + 2


class _Params:
    """When the parameters of each column tile are ready."""

    def __init__(self, cols: int):
        self._cols = cols
        self._start = 2
        self._freed = 0

    def ready(self) -> int:
        """First clock in which the next tile may begin."""
        return self._start + 2 + self._cols

    def begin(self, bias_in_use: int) -> None:
        """The next tile's biases are in use from that clock on; the one after it needs the slot of the one before."""
        self._start = max(bias_in_use + 1, self._freed + 1)

    def free(self, clock: int) -> None:
        """A tile's scales are free."""
        self._freed = clock


def cycles(config: Sizes, m: int, k: int, n: int, *, requant: bool, params: bool) -> int:
    """Clocks from the command to the last result when no stream ever stalls; see `SystolicConfig.cycles`.

    Follows the engine block by block: when its first operands can go in (weights loaded, a bank free, parameters
    there), when its last row is complete, when the drain has read it.
    """
    blocks, k_tiles, n_tiles = config.tiles(m, k, n)
    chunks = -(-config.cols // config.requant_lanes) if requant and config.requant_lanes else 1
    run = _ws_block if config.dataflow == "ws" else _os_block
    loader = _Params(config.cols)
    # The sequencer takes the command in clock 1 and has its first pass in clock 5.
    at = _Clocks(offered=5)
    freed = [-1, -1]  # when the banks of the last two blocks were
    read = 0
    for _ in range(n_tiles):
        for number, rows in enumerate(blocks):
            earliest = freed[-2] + 1
            if number == 0 and params:
                earliest = max(earliest, loader.ready())
            first, last = run(config, at, rows, k_tiles if config.dataflow == "ws" else k, earliest)
            if number == 0 and params:
                loader.begin(first + config.array_latency + _TO_BIAS)
            at.offered = at.taken + (3 if number + 1 < len(blocks) else 4)
            # The drain sees the block, and reads from the next clock on.
            seen = max(last + config.array_latency + _TO_FULL, read + 1)
            read = seen + rows * chunks
            freed.append(read)
        if params:
            loader.free(read + READ_CLOCKS)
    return read + _TO_STREAM + (1 + REQUANT_CLOCKS[config.mac] if requant else 0)


class _Clocks:
    """Where the sequencer and the array are: clocks of the latest events."""

    def __init__(self, offered: int):
        self.offered = offered  # the sequencer has a pass
        self.taken = 0  # it was taken
        self.begun = 0  # the first operands of the pass before
        self.free = 0  # the array can begin another pass


def _ws_block(config: Sizes, at: _Clocks, rows: int, passes: int, earliest: int) -> tuple[int, int]:
    """Clocks of the first operands of a weight-stationary block, and of its last row."""
    period = max(rows, ACCUMULATE_CLOCKS)
    at.taken = max(at.offered, at.begun)
    first = max(at.taken + 1 + config.rows, at.free, earliest)
    at.begun = first
    if passes > 1:
        # Every further plane is loaded while the one before computes.
        period = max(period, config.rows + 1)
        at.begun += (passes - 1) * period
        at.taken = at.begun - period
    at.free = at.begun + max(rows, ACCUMULATE_CLOCKS)
    return first, at.begun + rows - 1


def _os_block(config: Sizes, at: _Clocks, rows: int, steps: int, earliest: int) -> tuple[int, int]:
    """Clock of the last operands of an output-stationary block, and the one from which its last row looks the same."""
    at.taken = max(at.offered, at.free, earliest)
    # The sums of the block before must have left.
    last = max(at.taken + steps - 1, at.begun + 2 * config.rows - 1 if at.begun else 0)
    if steps == 1:
        at.taken = last
    at.begun = last
    at.free = last + 1
    return last, last + 2 * (rows - 1)
