"""Tiling of matrix products to fit the buffers of a board."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.cycle_model import TILE, block_parts, tiles

__all__ = ["Tiling", "systolic_tiling", "tensorcore_tiling"]

Beats = Mapping[str, int]


@dataclass(frozen=True)
class Tiling:
    """Tiles of a product (M, K) @ (K, N).

    Attributes
    ----------
    shape, size : (int, int, int)
        M, K, N of the product, and the maximum of a tile.
    """

    shape: tuple[int, int, int]
    size: tuple[int, int, int]

    def __iter__(self) -> Iterator[tuple[slice, list[slice], slice]]:
        """Yield rows, parts of K and columns. Rows vary fastest, so that weights are reused if K is whole."""
        m, k, n = (_cut(whole, part) for whole, part in zip(self.shape, self.size, strict=True))
        for columns in n:
            for rows in m:
                yield rows, k, columns

    def __len__(self) -> int:
        """Number of partial products."""
        m, k, n = (len(_cut(whole, part)) for whole, part in zip(self.shape, self.size, strict=True))
        return m * k * n


def _cut(whole: int, part: int) -> list[slice]:
    return [slice(start, min(start + part, whole)) for start in range(0, whole, part)]


def systolic_tiling(
    config: SystolicConfig, shape: tuple[int, int, int], depths: Mapping[str, int], *, params: bool, requant: bool
) -> Tiling:
    """Tile a product for a systolic engine.

    Parameters
    ----------
    config : SystolicConfig
        The engine.
    shape : (int, int, int)
        M, K, N.
    depths : mapping of str to int
        Stream buffer depths in words.
    params, requant : bool
        Whether the product has per-channel parameters, and whether results are requantised to int8.

    Raises
    ------
    ValueError
        If even the smallest tile does not fit.
    """

    def beats(m: int, k: int, n: int) -> Beats:
        blocks, k_tiles, n_tiles = config.tiles(m, k, n)
        acts = weights = len(blocks) * k * n_tiles
        if config.dataflow == "ws":
            acts, weights = m * k_tiles * n_tiles, len(blocks) * k_tiles * n_tiles * config.rows
        words = {"acts": acts, "weights": weights}
        if params:
            words["params"] = n_tiles * config.cols
        if requant:
            words["outs"] = m * n_tiles * -(-config.cols // (config.requant_lanes or 1))
        else:
            words["sums"] = m * n_tiles
        return words

    # Axes that shorten a stream, in order of preference.
    order = {"acts": "nmk", "weights": "nkm", "params": "n", "sums": "nm", "outs": "nm"}
    return _fit(shape, (1, config.rows if config.dataflow == "ws" else 1, config.cols), beats, depths, order)


def tensorcore_tiling(config: TensorCoreConfig, shape: tuple[int, int, int], depths: Mapping[str, int]) -> Tiling:
    """Tile a product for a tensor-core engine; each part of K continues the sums of the previous one.

    Errors and parameters are those of `systolic_tiling`.
    """
    by_rows, by_cols = block_parts(config)

    def beats(m: int, k: int, n: int) -> Beats:
        tile_list = list(tiles(config, m, n))
        steps = k // config.l
        blocks = sum(len(rows) * len(cols) for rows, cols in tile_list) * config.fold
        return {
            "commands": len(tile_list),
            "a": sum(len(rows) for rows, _ in tile_list) * steps * by_rows,
            "b": sum(len(cols) for _, cols in tile_list) * steps * by_cols,
            "c": blocks,
            "d": blocks,
        }

    order = {"commands": "nm", "a": "nkm", "b": "mkn", "c": "nm", "d": "nm"}
    # An engine tile reuses loaded operands best.
    m, k, n = shape
    size = (min(m, TILE[0] * config.m), k, min(n, TILE[1] * config.columns))
    return Tiling(shape, _fit(size, (config.m, config.l, config.columns), beats, depths, order).size)


def _fit(
    shape: tuple[int, int, int],
    units: tuple[int, int, int],
    beats: Callable[[int, int, int], Beats],
    depths: Mapping[str, int],
    order: Mapping[str, str],
) -> Tiling:
    """Halve M, K or N, in whole units, until all buffers suffice."""
    size = dict(zip("mkn", shape, strict=True))
    unit = dict(zip("mkn", units, strict=True))
    while over := [name for name, count in beats(*size.values()).items() if count > depths[name]]:
        name = over[0]
        axes = [axis for axis in order[name] if size[axis] > unit[axis]]
        if not axes:
            raise ValueError(
                f"The smallest product needs {beats(*size.values())[name]} words of {name}, but the board has "
                f"room for {depths[name]}; build it with a deeper buffer"
            )
        axis = axes[0]
        size[axis] = -(-size[axis] // (2 * unit[axis])) * unit[axis]
    return Tiling(shape, (size["m"], size["k"], size["n"]))
