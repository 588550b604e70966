"""Cycle model of the tensor-core engine: when the parts of each step of each tile are started.

Values do not matter here. Operands are loaded block by block into a ring of steps. Parts start one per clock cycle; a
step starts once its operands are loaded, the previous step is over, and its addends have returned.
"""

from collections.abc import Iterable, Iterator

from ..checks import integer
from .config import TensorCoreConfig

__all__ = ["RESULT", "RING", "SUM_LOOP", "TILE", "block_parts", "cycles", "tile_cycles", "tiles"]

TILE = (4, 8)
"""Height and width of a tile in blocks, enough sums to hide a sum's latency: up to 16x32 elements with 4x4 blocks, and
16x64 with two cores of these."""

RING = 4
"""Number of steps whose operands can be buffered."""

LOAD = 2
"""Clock cycles from the last block of a step to its first part that can start."""

SUM_LOOP = 3
"""Clock cycles from a start to the next that can add to its sum, excluding the pipeline: two to read, one to write."""

RESULT = 9
"""Clock cycles from a start to its result at the output, excluding the pipeline."""


def block_parts(config: TensorCoreConfig) -> tuple[int, int]:
    """Parts into which `fold` cuts a block of A by rows and one of B by columns; each pair takes one cycle.

    A part has columns of all cores.
    """
    by_rows = 1
    while by_rows < config.fold and config.m % (2 * by_rows) == 0:
        by_rows *= 2
    return by_rows, config.fold // by_rows


def tiles(config: TensorCoreConfig, m: int, n: int) -> Iterator[tuple[range, range]]:
    """Block rows and block columns of each tile of an (m, n) result, in the order of computation.

    Tiles are as equal in size as possible, because small tiles wait for their sums.
    """
    for rows in _cut(-(-m // config.m), TILE[0]):
        for cols in _cut(-(-n // config.columns), TILE[1]):
            yield rows, cols


def _cut(blocks: int, most: int) -> Iterator[range]:
    count = -(-blocks // most)
    for number in range(count):
        yield range(number * blocks // count, (number + 1) * blocks // count)


def tile_cycles(config: TensorCoreConfig, commands: Iterable[tuple[int, int, int]]) -> int:
    """Clock cycles from the first command to the last result, inclusive, if no stream stalls.

    Parameters
    ----------
    config : TensorCoreConfig
        The engine.
    commands : iterable of (int, int, int)
        Height and width in blocks, and number of steps, of each tile.
    """
    by_rows, by_cols = block_parts(config)
    loop = config.pipeline + SUM_LOOP
    loaders = [_Loader(by_rows), _Loader(by_cols)]
    sequence = _Queue(slices=3)
    offer = 0  # cycle in which the next command is offered
    end = -1  # end of the last step
    releases = [-1] * RING  # cycles in which the ring slots of the next steps are released
    for rows, cols, steps in commands:
        offer = 1 + max(queue.accept(offer) for queue in (sequence, *(loader.queue for loader in loaders)))
        sequence.leave(end)
        for loader, blocks in zip(loaders, (rows, cols), strict=True):
            loader.begin(blocks)
        starts = rows * cols * config.fold
        begin = None
        left, before = steps, None
        while left:
            ready = LOAD + max(loader.load(releases[0]) for loader in loaders)
            least = sequence.left + 1 if begin is None else max(end + 1, begin + loop)
            begin = max(ready, least, end + 1)
            end = begin + starts - 1
            releases = [*releases[1:], end]
            left -= 1
            # Once the spacing of steps is periodic, it stays so to the end.
            now = [clock - end for clock in (begin, *releases, *(loader.loaded for loader in loaders))]
            if now == before and left > RING:
                each = end - releases[-2]
                skipped = each * (left - 1)
                begin, end = begin + skipped, end + skipped
                releases = [clock + skipped for clock in releases]
                for loader in loaders:
                    loader.loaded += skipped
                left = 1
            before = now
    return end + config.pipeline + RESULT + 1


def cycles(config: TensorCoreConfig, m: int, n: int, k: int, batch: int = 1) -> int:
    """Clock cycles of `batch` products (M, K) @ (K, N) + (M, N) if no stream stalls.

    Counted from the first command to the last result, inclusive.

    Parameters
    ----------
    config : TensorCoreConfig
        The engine.
    m, n, k : int
        Sizes of a product, k a multiple of ``l``.
    batch : int
        Number of products, computed in sequence.

    Raises
    ------
    TypeError
        If a size is not an integer.
    ValueError
        If a size is out of range, or k is not a multiple of ``l``.
    """
    m, n, k = (integer(name, value, (1, 2**24)) for name, value in (("M", m), ("N", n), ("K", k)))
    batch = integer("batch", batch, (1, 2**24))
    if k % config.l:
        raise ValueError(f"K is {k}, not a multiple of l {config.l}; use {-(-k // config.l) * config.l}")
    one = [(len(rows), len(cols), k // config.l) for rows, cols in tiles(config, m, n)]
    return tile_cycles(config, one * batch)


class _Queue:
    """Chain of register slices holding two commands each."""

    def __init__(self, slices: int):
        self._lefts = [[-1, -1] for _ in range(slices)]
        self._arrived = 0

    def accept(self, offer: int) -> int:
        """Cycle in which a command offered in cycle `offer` is accepted."""
        accepted = max(offer, self._lefts[0][0] + 1)
        clock = accepted
        for lefts, after in zip(self._lefts, [*self._lefts[1:], None], strict=True):
            clock = max(clock + 1, lefts[1] + 1)
            if after is None:
                self._arrived = clock
            else:
                clock = max(clock, after[0] + 1)
                lefts[:] = [lefts[1], clock]
        return accepted

    def leave(self, free: int) -> None:
        """Let the last command leave once it has arrived and its consumer is free."""
        self._lefts[-1] = [self._lefts[-1][1], max(self._arrived, free)]

    @property
    def left(self) -> int:
        """Cycle in which the last command left."""
        return self._lefts[-1][1]


class _Loader:
    """Loader of the blocks of A or B, with a fixed number of cycles per block."""

    def __init__(self, clocks: int):
        self.queue = _Queue(slices=1)
        self.loaded = -1
        self._clocks = clocks
        self._blocks = 0

    def begin(self, blocks: int) -> None:
        self.queue.leave(self.loaded)
        self._blocks = blocks
        self.loaded = self.queue.left

    def load(self, freed: int) -> int:
        """Cycle in which the next step is loaded, if its slot was released in cycle `freed`."""
        self.loaded = max(self.loaded, freed) + self._blocks * self._clocks
        return self.loaded
