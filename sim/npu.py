"""Simulation of the NPU's RTL as a function on a program and its inputs."""

from typing import Any

import numpy as np
from tercet.engines import engine_spec
from tercet.golden.npu.commands import Command
from tercet.golden.npu.config import NpuConfig
from tercet.golden.npu.operands import Transcript, bind, joined, load, read_bytes, replay
from tercet.golden.npu.program import Program
from tercet.golden.npu.session import Read

from .build import SimulationError
from .engine import EngineRun, counters_of, run_jobs

__all__ = ["run"]


def run(config: NpuConfig, program: Program, x: Any, **options: Any) -> EngineRun:
    """Run a program on the RTL.

    Parameters
    ----------
    config : NpuConfig
        Configuration of the engine.
    program : Program
        Network compiled for it.
    x : array or list of arrays
        Inputs as for `Graph.run`.
    simulator, stall, seed, waves
        As in :func:`tercet.sim.bench.run`.

    Returns
    -------
    EngineRun
        ``out`` is what `Graph.run` returns, a list of arrays. ``cycles`` are the clocks from the start of each run to
        its last byte written, summed over the samples; `Program.cycles` for one. Counters: ``run`` (the cycles),
        ``active``, ``load``, ``unload``.

    Raises
    ------
    TypeError, ValueError
        If the program is for another configuration, or an input does not fit it.
    SimulationError
        If the RTL gets stuck, breaks the stream protocol, or rejects its input.

    Notes
    -----
    If the host computes operators between instructions, the simulation starts again with each answer it gives.
    """
    spec, batch = engine_spec("npu"), bind(config, program, x)
    # No stream moves while the program runs.
    options.setdefault("idle_limit", max(100_000, 2 * program.cycles))
    known: list[list[np.ndarray]] = [[] for _ in batch.samples]
    while True:
        transcript = Transcript(config)
        load(program, transcript)
        states, spans = [], []
        for sample, answers in zip(batch.samples, known, strict=True):
            mark = len(transcript.commands)
            states.append(replay(program.session(sample), transcript, answers))
            spans.append([(a, size) for code, _, a, size in transcript.commands[mark:] if code == Command.READ])
        (result,) = run_jobs(spec, config, [transcript.job()], **options)
        counters = counters_of(spec, result.probes)
        if result.probes["error"]:
            raise SimulationError("Engine npu rejected its input or an instruction")
        if not any(isinstance(state, Read) for state in states):
            return EngineRun(joined(batch, states), counters["run"], counters)  # pyright: ignore
        rest = result.outputs["results"]
        for n, (state, wanted) in enumerate(zip(states, spans, strict=True)):
            data, rest = read_bytes(rest, wanted)
            if isinstance(state, Read):
                known[n].append(data[:, -sum(size for _, size in state.spans) :])
