"""Simulation of the tensor-core engine's RTL as functions on NumPy arrays."""

from collections.abc import Sequence
from typing import Any

from tercet.engines import engine_spec
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.operands import bind

from .engine import EngineRun, run_engine

__all__ = ["mma", "mmas"]


def mma(config: TensorCoreConfig, a: Any, b: Any, c: Any, **options: Any) -> EngineRun:
    """Run ``a @ b + c`` on the RTL.

    Parameters
    ----------
    config : TensorCoreConfig
        Configuration of the engine.
    a, b, c : (..., M, K), (..., K, N) and (..., M, N) arrays
        As in `tercet.golden.tensorcore.mma`; the products of a batch run in sequence in one simulation.
    simulator, stall, seed, waves
        As in :func:`tercet.sim.bench.run`.

    Returns
    -------
    EngineRun
        ``out`` is (..., M, N) float32, float16 or int32. ``cycles`` are the clocks from the first command to the last
        result, inclusive, of the whole batch. Counters: clocks with a part issued, and stalled clocks by cause.

    Raises
    ------
    TypeError, ValueError
        If arrays and config do not match, or only the golden model supports the config.
    SimulationError
        If the RTL gets stuck or breaks the stream protocol.
    """
    return mmas(config, [(a, b, c)], **options)[0]


def mmas(config: TensorCoreConfig, items: Sequence[tuple[Any, Any, Any]], **options: Any) -> list[EngineRun]:
    """Run several products, each from reset, in one simulator process; see `mma`."""
    return run_engine(engine_spec("tensorcore"), config, [bind(config, *item) for item in items], **options)
