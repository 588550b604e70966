"""Simulation of any engine's RTL as a function on operands of its model."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tercet.engines import EngineSpec
from tercet.golden.engine import COUNTER_BITS
from tercet.golden.streams import Job, JobResult

from .bench import run
from .build import SimulationError

__all__ = ["EngineRun", "counters_of", "engine_sources", "run_engine", "run_jobs"]


@dataclass(frozen=True)
class EngineRun:
    """Result of a job on the RTL.

    Attributes
    ----------
    out : np.ndarray
        Output of the RTL, as returned by the model's `collect`.
    cycles : int
        Clocks, as counted by the model's `cycles`.
    counters : dict[str, int]
        The engine's performance counters.
    """

    out: np.ndarray
    cycles: int
    counters: dict[str, int] = field(default_factory=dict)


def run_engine(spec: EngineSpec, config: Any, operands: Sequence[Any], **options: Any) -> list[EngineRun]:
    """Run jobs in sequence, each from reset, in one simulator process.

    Parameters
    ----------
    spec : EngineSpec
        The engine.
    config : frozen dataclass
        Parameters of the engine.
    operands : sequence
        Operands of each job, as returned by the model's `operands`.
    simulator, stall, seed, waves
        As in :func:`tercet.sim.bench.run`.

    Raises
    ------
    TypeError, ValueError
        If operands do not fit the config.
    SimulationError
        If the RTL gets stuck, breaks the stream protocol, or rejects its input.
    """
    model = spec.model
    jobs = [model.job(config, each) for each in operands]
    runs = []
    for each, result in zip(operands, run_jobs(spec, config, jobs, **options), strict=True):
        counters = counters_of(spec, result.probes)
        if result.probes["error"]:
            raise SimulationError(f"Engine {spec.name} rejected its input")
        out = model.collect(config, each, result.outputs)
        runs.append(EngineRun(out, model.clocks(counters, result.cycles), counters))
    return runs


def run_jobs(
    spec: EngineSpec,
    config: Any,
    jobs: Sequence[Job],
    *,
    sources: Mapping[str, str] | None = None,
    **options: Any,
) -> list[JobResult]:
    """Run jobs on an engine; the probes of a result are ``counters``, concatenated, and ``error``.

    `sources` replaces the engine's Verilog, for example by its netlist, or by a version with a defect.
    """
    probes = {"counters": COUNTER_BITS * len(spec.model.counters), "error": 1}
    texts = engine_sources(spec, config) if sources is None else sources
    return run(texts, spec.name, list(spec.model.streams(config)), jobs, probes=probes, **options)


def counters_of(spec: EngineSpec, probes: Mapping[str, int]) -> dict[str, int]:
    """Split the probe ``counters`` of `run_jobs` into counters by name."""
    names = enumerate(spec.model.counters)
    return {name: probes["counters"] >> COUNTER_BITS * n & (1 << COUNTER_BITS) - 1 for n, name in names}


@functools.lru_cache(maxsize=32)
def engine_sources(spec: EngineSpec, config: Any) -> dict[str, str]:
    """Return `EngineSpec.sources`, cached."""
    return spec.sources(config)
