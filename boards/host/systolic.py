"""Runs products of any size, and networks of them, on a systolic engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tercet.golden.networks.binary_network import WordLayer
from tercet.golden.networks.int8_network import Int8Layer
from tercet.golden.numerics.quantization import Requant
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.model import check_operands
from tercet.golden.systolic.operands import MatmulOperands, collect, job

from .session import Session
from .soc_config import SocConfig
from .tiling import Tiling, systolic_tiling

__all__ = ["Plan", "check", "matmul", "network", "plan", "run_plan"]

_Layer = Int8Layer | WordLayer


def _as_is(x: np.ndarray) -> np.ndarray:
    return x


def matmul(
    session: Session, a: np.ndarray, w: np.ndarray, bias: np.ndarray | None, requant: Requant | None
) -> np.ndarray:
    """See `tercet.boards.host.device.Device.matmul`."""
    a = np.asarray(a)
    planned = plan(session.soc, a, w, bias, requant)
    with session.transfer(len(planned.tiling)):
        return run_plan(session, planned, a)


def network(
    session: Session, layers: Sequence[_Layer], acts: np.ndarray, between: Callable[[np.ndarray], np.ndarray] = _as_is
) -> np.ndarray:
    """See `tercet.boards.host.device.Device.network`; `between` makes the next layer's inputs of a layer's results."""
    x = np.asarray(acts)
    plans = check(session.soc, layers, x, between)
    with session.transfer(sum(len(planned.tiling) for planned in plans)):
        for number, planned in enumerate(plans):
            x = run_plan(session, planned, between(x) if number else x)
    return x


def check(
    soc: SocConfig, layers: Sequence[_Layer], acts: np.ndarray, between: Callable[[np.ndarray], np.ndarray] = _as_is
) -> "list[Plan]":
    """Tile the products of a network for a board.

    Raises
    ------
    TypeError, ValueError
        If layers or activations do not match each other, the engine or its buffers.
    """
    plans, fed = [], np.asarray(acts)
    for layer in layers:
        plans.append(plan(soc, fed, layer.weights, layer.bias, layer.requant))
        # The range checks hold for all activations, so zeros will do.
        fed = between(np.zeros((len(fed), layer.weights.shape[1]), np.int8))
    return plans


@dataclass(frozen=True, eq=False)
class Plan:
    """A checked product, tiled for the board's buffers.

    Where K is split, the engine returns partial sums, and the host adds them and the bias exactly.
    """

    w: np.ndarray
    bias: np.ndarray | None
    tiling: Tiling
    whole: bool  # K is not split
    on_engine: Requant | None  # requantisation by the engine
    on_host: Requant | None  # requantisation by the host


def plan(
    soc: SocConfig,
    a: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    requant: Requant | None = None,
    *,
    rows: int | None = None,
) -> Plan:
    """Check a product and tile it; `rows` is the M of one whose `a` is a stand-in of one row.

    Raises
    ------
    TypeError, ValueError
        If the operands do not match each other, the engine or its buffers.
    """
    config: SystolicConfig = soc.config
    _, w64, bias64 = check_operands(a, w, bias, config)
    shape = (rows or len(a), *w64.shape)
    if requant is not None:
        if not isinstance(requant, Requant):
            raise TypeError(f"requant {requant!r} is not a Requant; use tercet.golden.numerics.Requant")
        requant.per_channel(shape[2])
    depths = dict(soc.depths)
    on_engine = requant if config.requant_lanes else None
    params = bias is not None or requant is not None
    tiling = systolic_tiling(config, shape, depths, params=params, requant=on_engine is not None)
    whole = tiling.size[1] >= shape[1]
    if not whole:
        tiling, on_engine = systolic_tiling(config, shape, depths, params=False, requant=False), None
    on_host = requant if on_engine is None else None
    return Plan(np.asarray(w), None if bias is None else bias64, tiling, whole, on_engine, on_host)


def run_plan(session: Session, plan: Plan, a: np.ndarray) -> np.ndarray:
    """Run a tiled product: (M, N) int32, or int8 where it requantises."""
    config: SystolicConfig = session.config
    out = np.zeros((len(a), plan.w.shape[1]), np.int64)
    for rows, parts, columns in plan.tiling:
        for part in parts:
            channels = None if plan.on_engine is None else _channels(plan.on_engine, columns, out.shape[1])
            addend = plan.bias[columns] if plan.bias is not None and plan.whole else None
            product = MatmulOperands(a[rows, part], plan.w[part, columns], addend, channels)
            done = session.run(job(config, product))
            out[rows, columns] += collect(config, product, done.outputs)
    if plan.bias is not None and not plan.whole:
        out += plan.bias
    if plan.on_host is not None:
        return plan.on_host.apply(out.astype(np.int32))
    return out.astype(np.int32 if plan.on_engine is None else np.int8)


def _channels(requant: Requant, columns: slice, n: int) -> Requant:
    multiplier, shift = (values[columns] for values in requant.per_channel(n))
    return Requant(multiplier, shift, requant.zero_point, requant.qmin, requant.qmax, requant.rounding)
