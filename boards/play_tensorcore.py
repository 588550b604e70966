"""Products of any size on a tensor core."""

from typing import Any

import numpy as np
from tercet.golden.tensorcore import check_mma, result_array
from tercet.golden.tensorcore_config import TensorCoreConfig
from tercet.sim import tensorcore

from .cuts import tensorcore_pieces
from .player import Player

__all__ = ["mma", "zeros"]


def mma(player: Player, a: Any, b: Any, c: Any) -> np.ndarray:
    """See `tercet.boards.host.Device.mma`."""
    config: TensorCoreConfig = player.config
    a, b, c = check_mma(a, b, c, config)
    shape = c.shape
    a, b, c = (array.reshape(-1, *array.shape[-2:]) for array in (a, b, c))
    sizes = (a.shape[-2], a.shape[-1], b.shape[-1])
    pieces = tensorcore_pieces(config, sizes, dict(player.soc.depths))
    out = zeros(c.shape, config)
    every = [(number, *piece) for number in range(len(c)) for piece in pieces]
    with player.transfer(len(pieces) * len(c)):
        for number, rows, parts, columns in every:
            addend = c[number, rows, columns]
            for part in parts:
                arrays = (a[number, rows, part], b[number, part, columns], addend)
                done = player.play(tensorcore.job(config, *arrays))
                result = tensorcore.result(config, arrays, done).out
                addend = result.view(f"u{result.itemsize}") if result.dtype.kind == "f" else result
            out[number, rows, columns] = result
    return out.reshape(shape)


def zeros(shape: tuple[int, ...], config: TensorCoreConfig) -> np.ndarray:
    """Zeros of the format of D."""
    return result_array(np.zeros(shape, np.int32), config)
