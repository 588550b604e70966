"""Simulation of the systolic engine's RTL as functions on NumPy arrays."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tercet.engines import engine_spec
from tercet.golden.numerics.requantization import Requant
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.operands import MatmulOperands

from .engine import EngineRun, run_engine
from .simulators import Simulator

__all__ = ["MatmulOperands", "matmul", "matmuls", "product"]


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
        Configuration of the engine.
    acts, weights, bias
        As in :func:`tercet.golden.systolic.matmul`.
    requant : Requant or None
        Requantise the results to int8.
    simulator, stall, seed, waves
        As in :func:`tercet.sim.bench.run`.

    Returns
    -------
    EngineRun
        ``out`` is (M, N) int32, or int8 with `requant`. ``cycles`` are the clocks from the first command to the last
        result, inclusive. Counters: ``active``, ``weight_stall``, ``weight_shift``, ``non_matrix``.

    Raises
    ------
    TypeError, ValueError
        If operands and config do not match.
    SimulationError
        If the RTL gets stuck or breaks the stream protocol.
    """
    return matmuls(
        config, [MatmulOperands(acts, weights, bias, requant)], simulator=simulator, stall=stall, seed=seed, waves=waves
    )[0]


def matmuls(config: SystolicConfig, products: Sequence[MatmulOperands], **options: Any) -> list[EngineRun]:
    """Run several products, each from reset, in one simulator process; see `matmul`."""
    return run_engine(engine_spec("systolic"), config, products, **options)


def product(config: SystolicConfig, **options: Any) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Matrix product on the RTL, for the argument `on` of `tercet.golden.networks.graph.Graph.run`; see `matmul`."""
    return lambda acts, weights, bias: matmul(config, acts, weights, bias, **options).out
