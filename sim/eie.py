"""Simulation of the EIE engine's RTL as functions on NumPy arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tercet.engines import engine_spec
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.layer import EieLayer
from tercet.golden.eie.operands import bind

from .engine import EngineRun, run_engine

__all__ = ["network", "networks", "spmv"]


def spmv(config: EieConfig, layer: EieLayer, acts: np.ndarray, **options: Any) -> EngineRun:
    """Run a layer on the RTL; see `network`."""
    return network(config, [layer], acts, **options)


def network(config: EieConfig, layers: Sequence[EieLayer], acts: np.ndarray, **options: Any) -> EngineRun:
    """Run layers on the RTL, each fed by the previous one without the host in between.

    Parameters
    ----------
    config : EieConfig
        Configuration of the engine.
    layers : sequence of EieLayer
        Layers, encoded for this configuration.
    acts : (in,) or (batch, in) int16 array
        Activations; the vectors of a batch run in sequence in one simulation.
    simulator, stall, seed, waves
        As in :func:`tercet.sim.bench.run`.

    Returns
    -------
    EngineRun
        ``out`` is (out,) or (batch, out) int16, in original row order. ``cycles`` are the clocks from each layer's
        start to its last activation write, summed over all vectors. Counters: ``total`` (the cycles), ``busy``,
        ``stall``, ``starve``, ``filler``, ``load``, ``unload``, and ``saturated``, the number of results of all layers
        that did not fit 16 bits.

    Raises
    ------
    TypeError, ValueError
        If layers, activations and config do not match.
    SimulationError
        If the RTL gets stuck or breaks the stream protocol.
    """
    return networks(config, [(layers, acts)], **options)[0]


def networks(
    config: EieConfig, items: Sequence[tuple[Sequence[EieLayer], np.ndarray]], **options: Any
) -> list[EngineRun]:
    """Run several networks, each from reset, in one simulator process; see `network`."""
    return run_engine(engine_spec("eie"), config, [bind(config, *item) for item in items], **options)
