"""How a product is cut into pieces that the buffers of a board hold."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.cycle_model import TILE, block_parts, tiles

__all__ = ["Tiling", "systolic_tiling", "tensorcore_tiling"]

Beats = Mapping[str, int]


@dataclass(frozen=True)
class Tiling:
    """A product (M, K) @ (K, N) in pieces of at most these sizes.

    Attributes
    ----------
    shape, size : (int, int, int)
        M, K, N of the product, and of a piece.
    """

    shape: tuple[int, int, int]
    size: tuple[int, int, int]

    def __iter__(self) -> Iterator[tuple[slice, list[slice], slice]]:
        """Rows, parts of K and columns: all rows of some columns, so that their weights stay where K is whole."""
        m, k, n = (_cut(whole, part) for whole, part in zip(self.shape, self.size, strict=True))
        for columns in n:
            for rows in m:
                yield rows, k, columns

    def __len__(self) -> int:
        """How many products that is."""
        m, k, n = (len(_cut(whole, part)) for whole, part in zip(self.shape, self.size, strict=True))
        return m * k * n


def _cut(whole: int, part: int) -> list[slice]:
    return [slice(start, min(start + part, whole)) for start in range(0, whole, part)]


def systolic_tiling(
    config: SystolicConfig, shape: tuple[int, int, int], depths: Mapping[str, int], *, params: bool, requant: bool
) -> Tiling:
    """Cut a product for a systolic engine.

    Parameters
    ----------
    config : SystolicConfig
        The engine.
    shape : (int, int, int)
        M, K, N.
    depths : mapping of str to int
        Words of the streams' buffers.
    params, requant : bool
        It has parameters; its results leave as int8.

    Raises
    ------
    ValueError
        If not even the smallest piece fits.
    """

    def beats(m: int, k: int, n: int) -> Beats:
        blocks, k_tiles, n_tiles = config.tiles(m, k, n)
        acts = weights = len(blocks) * k * n_tiles
        if config.dataflow == "ws":
            acts, weights = m * k_tiles * n_tiles, len(blocks) * k_tiles * n_tiles * config.rows
        found = {"acts": acts, "weights": weights}
        if params:
            found["params"] = n_tiles * config.cols
        if requant:
            found["outs"] = m * n_tiles * -(-config.cols // (config.requant_lanes or 1))
        else:
            found["sums"] = m * n_tiles
        return found

    # What makes a stream shorter, the first that can be cut.
    order = {"acts": "nmk", "weights": "nkm", "params": "n", "sums": "nm", "outs": "nm"}
    return _fit(shape, (1, config.rows if config.dataflow == "ws" else 1, config.cols), beats, depths, order)


def tensorcore_tiling(config: TensorCoreConfig, shape: tuple[int, int, int], depths: Mapping[str, int]) -> Tiling:
    """Cut a product for a tensor-core engine; a part of K after the other continues the sums of the one before.

    Errors and parameters are those of `systolic_tiling`.
    """
    by_rows, by_cols = block_parts(config)

    def beats(m: int, k: int, n: int) -> Beats:
        found = list(tiles(config, m, n))
        steps = k // config.l
        blocks = sum(len(rows) * len(cols) for rows, cols in found) * config.fold
        return {
            "commands": len(found),
            "a": sum(len(rows) for rows, _ in found) * steps * by_rows,
            "b": sum(len(cols) for _, cols in found) * steps * by_cols,
            "c": blocks,
            "d": blocks,
        }

    order = {"commands": "nm", "a": "nkm", "b": "mkn", "c": "nm", "d": "nm"}
    # A whole tile is the best use of what is loaded.
    m, k, n = shape
    size = (min(m, TILE[0] * config.m), k, min(n, TILE[1] * config.n))
    return Tiling(shape, _fit(size, (config.m, config.l, config.n), beats, depths, order).size)


def _fit(
    shape: tuple[int, int, int],
    units: tuple[int, int, int],
    beats: Callable[[int, int, int], Beats],
    depths: Mapping[str, int],
    order: Mapping[str, str],
) -> Tiling:
    """Halve M, K or N, in whole units, until everything fits."""
    size = dict(zip("mkn", shape, strict=True))
    unit = dict(zip("mkn", units, strict=True))
    while over := [name for name, count in beats(*size.values()).items() if count > depths[name]]:
        name = over[0]
        some = [axis for axis in order[name] if size[axis] > unit[axis]]
        if not some:
            raise ValueError(
                f"The smallest product needs {beats(*size.values())[name]} words of {name}, but the board has "
                f"room for {depths[name]}; build it with a deeper buffer"
            )
        axis = some[0]
        size[axis] = -(-size[axis] // (2 * unit[axis])) * unit[axis]
    return Tiling(shape, (size["m"], size["k"], size["n"]))
