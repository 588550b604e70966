"""The EIE engine's RTL as a function on NumPy arrays."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tercet.golden.eie import EieConfig, EieLayer, check_acts
from tercet.golden.eie_program import Program, link
from tercet.rtl import primitives
from tercet.rtl.eie.counters import COUNTER_BITS, COUNTERS
from tercet.rtl.eie.engine import Engine
from tercet.rtl.emit import verilog

from .bench import Job, JobResult, StreamPort, run
from .build import SimulationError
from .packing import pack, unpack

__all__ = ["EieRun", "job", "network", "networks", "result", "sources", "spmv", "streams"]

TOP = "eie"


@dataclass(frozen=True)
class EieRun:
    """Result of vectors on the RTL.

    Attributes
    ----------
    out : (out,) or (batch, out) int16 array
        What the RTL delivered, in original row order.
    cycles : int
        Clocks spent on computing, from each layer's start to its last write of an activation, all vectors together.
    counters : dict[str, int]
        The engine's performance counters: ``total`` (the cycles), ``busy``, ``stall``, ``starve``, ``filler``,
        ``load``, ``unload``, and ``saturated``: results of all layers that did not fit 16 bits.
    """

    out: np.ndarray
    cycles: int
    counters: dict[str, int]


def spmv(config: EieConfig, layer: EieLayer, acts: np.ndarray, **options: Any) -> EieRun:
    """Run a layer on the RTL; see `network`."""
    return network(config, [layer], acts, **options)


def network(config: EieConfig, layers: Sequence[EieLayer], acts: np.ndarray, **options: Any) -> EieRun:
    """Run layers on the RTL, each fed by the one before, without the host in between.

    Parameters
    ----------
    config : EieConfig
        The engine.
    layers : sequence of EieLayer
        Encoded for it.
    acts : (in,) or (batch, in) int16 array
        Activations; the vectors of a batch run in one simulation, one after the other.
    simulator, stall, seed, waves
        As in :func:`tercet.sim.bench.run`.

    Returns
    -------
    EieRun

    Raises
    ------
    TypeError, ValueError
        If layers or activations do not fit each other or the config.
    SimulationError
        If the RTL gets stuck or breaks the stream protocol.
    """
    return networks(config, [(layers, acts)], **options)[0]


def networks(config: EieConfig, items: Sequence[tuple[Sequence[EieLayer], np.ndarray]], **options: Any) -> list[EieRun]:
    """Run several networks, each from reset, in one simulator process; see `network`."""
    programs = [link(config, layers) for layers, _ in items]
    acts = [check_acts(program.layers[0].layer, a) for program, (_, a) in zip(programs, items, strict=True)]
    jobs = [job(program, a) for program, a in zip(programs, acts, strict=True)]
    probes = {**dict.fromkeys(map(str, COUNTERS), COUNTER_BITS), "error": 1}
    results = run(sources(config), TOP, streams(config), jobs, probes=probes, **options)
    return [result(program, a, done) for program, a, done in zip(programs, acts, results, strict=True)]


@functools.lru_cache(maxsize=32)
def _engine(config: EieConfig) -> str:
    return verilog(Engine(config=config), name=TOP)


def sources(config: EieConfig) -> dict[str, str]:
    """File name to Verilog text: the engine, and models of the primitives in it."""
    text = _engine(config)
    return {f"{TOP}.v": text, **{path.name: path.read_text() for path in primitives.used(text)}}


def streams(config: EieConfig) -> list[StreamPort]:
    """The engine's streams."""
    return [
        StreamPort("frames", 64, "in"),
        StreamPort("acts", 16 * config.n_pe, "in"),
        StreamPort("outs", 16 * config.n_pe + 1, "out"),
    ]


def job(program: Program, acts: np.ndarray) -> Job:
    """The beats of a program and vectors."""
    vectors = acts.reshape(-1, acts.shape[-1])
    frames = program.frames(len(vectors))
    inputs = {
        "frames": frames.astype("<u8").view(np.uint8).reshape(-1, 8),
        "acts": pack(program.layers[0].arrange(vectors).reshape(-1, program.config.n_pe), 16),
    }
    return Job(inputs, {"outs": len(vectors) * program.layers[-1].rows})


def result(program: Program, acts: np.ndarray, done: JobResult) -> EieRun:
    """What a job has given, as arrays."""
    counters = dict(done.probes)
    if counters.pop("error"):
        raise SimulationError("The engine has refused a frame of its own program")
    n_pe, last = program.config.n_pe, program.layers[-1]
    groups = unpack(done.outputs["outs"], 16, n_pe).reshape(-1, last.rows, n_pe)
    out = last.collect(groups.astype(np.int16))
    return EieRun(out.reshape(*acts.shape[:-1], -1), counters["total"], counters)
