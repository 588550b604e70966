"""Products of any size on a systolic engine."""

import numpy as np
from tercet.golden.quantize import Requant
from tercet.golden.systolic import SystolicConfig, check_operands
from tercet.sim import systolic
from tercet.sim.systolic import Product

from .cuts import systolic_pieces
from .player import Player

__all__ = ["matmul"]


def matmul(
    player: Player, a: np.ndarray, w: np.ndarray, bias: np.ndarray | None, requant: Requant | None
) -> np.ndarray:
    """See `tercet.boards.host.Device.matmul`."""
    config: SystolicConfig = player.config
    _, _, wide_bias = check_operands(a, w, bias, config)
    a, w = np.asarray(a), np.asarray(w)
    (m, k), n = a.shape, w.shape[1]
    depths = dict(player.soc.depths)
    params = bias is not None or requant is not None
    there = requant if config.requant_lanes else None
    pieces = systolic_pieces(config, (m, k, n), depths, params=params, requant=there is not None)
    whole = pieces.size[1] >= k
    if not whole:
        # Sums of parts of K come back as they are. They are added exactly, and made int8 here.
        pieces = systolic_pieces(config, (m, k, n), depths, params=False, requant=False)
        there = None
    out = np.zeros((m, n), np.int64)
    for rows, parts, columns in player.over(pieces, len(pieces)):
        for part in parts:
            channels = None if there is None else _some_channels(there, columns, n)
            addend = None if bias is None or not whole else np.asarray(bias)[columns]
            product = Product(a[rows, part], w[part, columns], addend, channels)
            done = player.play(systolic.job(config, product))
            out[rows, columns] += systolic.result(config, product, done).out
    if not whole:
        out += wide_bias
    if requant is None or there is not None:
        return out.astype(np.int32 if requant is None else np.int8)
    return requant.apply(out.astype(np.int32))


def _some_channels(requant: Requant, columns: slice, n: int) -> Requant:
    multiplier, shift = (values[columns] for values in requant.per_channel(n))
    return Requant(multiplier, shift, requant.zero_point, requant.qmin, requant.qmax, requant.rounding)
