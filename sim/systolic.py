"""The systolic engine's RTL as a function on NumPy arrays."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from tercet.engines import engine_spec
from tercet.golden.numerics.requantization import Requant
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.operands import MatmulOperands

from .engine import EngineRun, run_engine
from .simulators import Simulator

__all__ = ["MatmulOperands", "matmul", "matmuls"]


def matmul(
    config: SystolicConfig,
    acts: np.ndarray,
    weights: np.ndarray,
    bias: np.ndarray | None = None,
    requant: Requant | None = None,
    *,
    simulator: Simulator | str | None = None,
    stall: float = 0.0,
    seed: int = 0,
    waves: str | os.PathLike | None = None,
) -> EngineRun:
    """Run ``acts @ weights + bias`` on the RTL.

    Parameters
    ----------
    config : SystolicConfig
        The engine.
    acts, weights, bias
        As in :func:`tercet.golden.systolic.matmul`.
    requant : Requant or None
        Results leave as int8.
    simulator, stall, seed, waves
        As in :func:`tercet.sim.bench.run`.

    Returns
    -------
    EngineRun
        ``out`` is (M, N) int32, int8 with requantisation; ``cycles`` are clocks from the first command to the last
        result, both included; counters ``active``, ``weight_stall``, ``weight_shift``, ``non_matrix``.

    Raises
    ------
    TypeError, ValueError
        If operands do not fit each other or the config.
    SimulationError
        If the RTL gets stuck or breaks the stream protocol.
    """
    return matmuls(
        config, [MatmulOperands(acts, weights, bias, requant)], simulator=simulator, stall=stall, seed=seed, waves=waves
    )[0]


def matmuls(config: SystolicConfig, products: Sequence[MatmulOperands], **options: Any) -> list[EngineRun]:
    """Run several products, each from reset, in one simulator process; see `matmul`."""
    return run_engine(engine_spec("systolic"), config, products, **options)
