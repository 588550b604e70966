"""Runs products of any size on a tensor core."""

from typing import Any

import numpy as np
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import check_mma, result_array
from tercet.golden.tensorcore.operands import collect, job

from .session import Session
from .soc_config import SocConfig
from .tiling import Tiling, tensorcore_tiling

__all__ = ["check", "mma", "zeros"]


def mma(session: Session, a: Any, b: Any, c: Any) -> np.ndarray:
    """See `tercet.boards.host.device.Device.mma`."""
    config: TensorCoreConfig = session.config
    tiling, (a, b, c) = check(session.soc, a, b, c)
    shape = c.shape
    a, b, c = (array.reshape(-1, *array.shape[-2:]) for array in (a, b, c))
    out = zeros(c.shape, config)
    every = [(number, *piece) for number in range(len(c)) for piece in tiling]
    with session.transfer(len(tiling) * len(c)):
        for number, rows, parts, columns in every:
            addend = c[number, rows, columns]
            for part in parts:
                arrays = (a[number, rows, part], b[number, part, columns], addend)
                done = session.run(job(config, arrays))
                result = collect(config, arrays, done.outputs)
                addend = result.view(f"u{result.itemsize}") if result.dtype.kind == "f" else result
            out[number, rows, columns] = result
    return out.reshape(shape)


def check(soc: SocConfig, a: Any, b: Any, c: Any) -> tuple[Tiling, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Tile a product for a board; return the tiling and the operands as arrays.

    Raises
    ------
    TypeError, ValueError
        If operands do not match each other, the engine or its buffers.
    """
    a, b, c = check_mma(a, b, c, soc.config)
    return tensorcore_tiling(soc.config, (a.shape[-2], a.shape[-1], b.shape[-1]), dict(soc.depths)), (a, b, c)


def zeros(shape: tuple[int, ...], config: TensorCoreConfig) -> np.ndarray:
    """Return zeros in the format of D."""
    return result_array(np.zeros(shape, np.int32), config)
