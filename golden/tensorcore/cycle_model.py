"""The tensor-core engine's cycle model: when the parts of each step of each tile are started.

What is computed never matters here. Operands of a step are loaded block by block, into a ring of steps; parts are
started one a clock, a step as soon as its operands are there, the step before is over and its addends are back.
"""

from collections.abc import Iterable, Iterator

from ..checks import integer
from .config import TensorCoreConfig

__all__ = ["RESULT", "RING", "SUM_LOOP", "TILE", "block_parts", "cycles", "tile_cycles", "tiles"]

TILE = (4, 8)
"""Blocks of a tile, high and wide: up to 16x32 elements of blocks of 4x4. As many sums hide the way of one of them."""

RING = 4
"""Steps whose operands have room."""

LOAD = 2
"""Clocks from the last block of a step to the first part of it that can be started."""

SUM_LOOP = 3
"""Clocks from a start to the one that can add to its sum, beside the pipeline: two to read it, one to write it."""

RESULT = 9
"""Clocks from a start to its result outside, beside the pipeline."""


def block_parts(config: TensorCoreConfig) -> tuple[int, int]:
    """Parts into which `fold` cuts a block of A by rows and one of B by columns; each pair takes a clock."""
    by_rows = 1
    while by_rows < config.fold and config.m % (2 * by_rows) == 0:
        by_rows *= 2
    return by_rows, config.fold // by_rows


def tiles(config: TensorCoreConfig, m: int, n: int) -> Iterator[tuple[range, range]]:
    """Blocks, by row and column, of the tiles of an (m, n) result, in the order in which they are computed.

    Tiles are as equal as can be, since small ones wait for their sums.
    """
    for rows in _cut(-(-m // config.m), TILE[0]):
        for cols in _cut(-(-n // config.n), TILE[1]):
            yield rows, cols


def _cut(blocks: int, most: int) -> Iterator[range]:
    count = -(-blocks // most)
    for number in range(count):
        yield range(number * blocks // count, (number + 1) * blocks // count)


def tile_cycles(config: TensorCoreConfig, commands: Iterable[tuple[int, int, int]]) -> int:
    """Clocks from the first command to the last result, both included, if streams never stall.

    Parameters
    ----------
    config : TensorCoreConfig
        The engine.
    commands : iterable of (int, int, int)
        Of each tile the blocks of its height, those of its width, and its steps.
    """
    by_rows, by_cols = block_parts(config)
    loop = config.pipeline + SUM_LOOP
    loaders = [_Loader(by_rows), _Loader(by_cols)]
    sequence = _Queue(slices=3)
    offer = 0  # clock in which the next command is offered
    end = -1  # of the last step
    releases = [-1] * RING  # of the steps that have the places of the next ones
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
            # Once steps follow each other in the same way they do so to the end.
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
    """Clocks in which the engine computes `batch` products (M, K) @ (K, N) + (M, N), from the first command to the last
    result, both included, if streams never stall.

    Parameters
    ----------
    config : TensorCoreConfig
        The engine.
    m, n, k : int
        Sizes of a product, k a multiple of ``l``.
    batch : int
        Products, one after the other.

    Raises
    ------
    TypeError
        If a size is not an integer.
    ValueError
        If one is out of range, or k is not a multiple of ``l``.
    """
    m, n, k = (integer(name, value, (1, 2**24)) for name, value in (("M", m), ("N", n), ("K", k)))
    batch = integer("batch", batch, (1, 2**24))
    if k % config.l:
        raise ValueError(f"K is {k}, not a multiple of l {config.l}; use {-(-k // config.l) * config.l}")
    one = [(len(rows), len(cols), k // config.l) for rows, cols in tiles(config, m, n)]
    return tile_cycles(config, one * batch)


class _Queue:
    """Register slices in a row: two commands each."""

    def __init__(self, slices: int):
        self._lefts = [[-1, -1] for _ in range(slices)]
        self._arrived = 0

    def accept(self, offer: int) -> int:
        """Clock in which a command offered then is accepted."""
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
        """It leaves when it is there and its taker is free."""
        self._lefts[-1] = [self._lefts[-1][1], max(self._arrived, free)]

    @property
    def left(self) -> int:
        """Clock in which the last one left."""
        return self._lefts[-1][1]


class _Loader:
    """Blocks of A, or of B: so many clocks each."""

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
        """Clock in which the next step is loaded, if its place was given free then."""
        self.loaded = max(self.loaded, freed) + self._blocks * self._clocks
        return self.loaded
