"""Run arrays through a design's streams at full simulation speed.

Driving every port from Python costs tens of microseconds per clock. Here a small Verilog bench reads the beats of each
input stream from a file, writes those of each output stream to another, and runs any number of jobs in one process.
Python only prepares the files and cocotb starts the clock: 1 to 2 us per clock with Verilator::

    file -> tercet_stream_source -> |        | -> tercet_stream_sink -> file
    file -> tercet_stream_source -> | design | -> probes, at the end of each job

The bench also checks the stream protocol: payload and valid held until ready, no extra beats, no input left over, no
deadlock.
"""

import operator
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from tercet.golden.checks import natural
from tercet.golden.streams import Job, JobResult, StreamPort, check_port_name

from . import build as _build
from ._bench_verilog import BENCH_TOP, FAULTS, bench_sources
from .build import SimulationError
from .simulators import Simulator

__all__ = ["Job", "JobResult", "StreamPort", "run"]


def run(
    sources: Mapping[str, str],
    top: str,
    ports: Sequence[StreamPort],
    jobs: Sequence[Job],
    *,
    probes: Mapping[str, int] | None = None,
    simulator: Simulator | str | None = None,
    stall: float = 0.0,
    seed: int = 0,
    waves: str | os.PathLike | None = None,
    idle_limit: int = 100_000,
) -> list[JobResult]:
    """Run jobs in sequence in one simulator process, each from reset unless it keeps the state.

    Parameters
    ----------
    sources : Mapping[str, str]
        Verilog of the design: file name to text.
    top : str
        Top module of the design, with ports ``clk`` and ``rst`` (synchronous, active high).
    ports : Sequence[StreamPort]
        All streams of the design.
    jobs : Sequence[Job]
        Jobs to run.
    probes : Mapping[str, int]
        Other output ports to sample at the end of each job: name to width in bits.
    simulator : Simulator, str or None
        As in :func:`tercet.sim.simulators.find`.
    stall : float
        Probability, 0 <= stall < 1, that a source offers no new beat or a sink is not ready in a clock. Each stream has
        its own random sequence derived from `seed`, the same on every simulator.
    waves : path
        File for a recording of all signals, .fst or .vcd.
    idle_limit : int
        Clocks without any handshake after which the design counts as stuck.

    Raises
    ------
    TypeError, ValueError
        If the jobs do not fit the ports.
    SimulationError
        If the design gets stuck, breaks the stream protocol, leaves input over or sends extra beats. One line.
    """
    probes = dict(probes or {})
    _check_arguments(ports, probes, stall, idle_limit)
    for number, job in enumerate(jobs):
        _check_job(number, job, ports)
        if job.keep and (number == 0 or jobs[number - 1].cut_after):
            raise ValueError(f"Job {number} keeps its predecessor's state, which is missing or cut off; set keep=False")
    if not jobs:
        return []
    all_sources = {**sources, **bench_sources(top, ports, probes)}
    built = _build.build(all_sources, BENCH_TOP, simulator, waves=waves if waves is not None else False)
    with tempfile.TemporaryDirectory(prefix="tercet-bench-") as name:
        folder = Path(name)
        _write_jobs(folder, ports, jobs, stall, seed, idle_limit)
        try:
            _build.run(built, "tercet.sim._bench_cocotb", plusargs=[f"+tercet_dir={folder}"], waves=waves)
        except SimulationError:
            message = _error(folder, ports, jobs, idle_limit)
            if message is None:
                raise
            raise SimulationError(f"{top} on {built.simulator}, {message}") from None
        return _read_results(folder, ports, jobs, probes)


def _write_jobs(
    folder: Path, ports: Sequence[StreamPort], jobs: Sequence[Job], stall: float, seed: int, idle_limit: int
) -> None:
    lines = [f"{len(jobs)} {min(int(stall * 2**32), 2**32 - 1)} {idle_limit}"]
    for number, job in enumerate(jobs):
        # Whether the next job starts without a reset.
        kept = number + 1 < len(jobs) and jobs[number + 1].keep
        words = [job.cut_after, int(kept)]
        for index, port in enumerate(ports):
            words += [_beats(job, port), _stream_seed(seed, number, index)]
            if port.direction == "in":
                # $fread fills a register starting with its most significant byte.
                job.inputs[port.name][:, ::-1].tofile(folder / f"{number}.{port.name}")
        lines.append(" ".join(map(str, words)))
    (folder / "jobs").write_text("\n".join(lines) + "\n")


def _stream_seed(seed: int, job: int, index: int) -> int:
    """Return a 32-bit state for a stream's xorshift generator, which must not be zero."""
    return int.from_bytes(sha256(f"{seed}/{job}/{index}".encode()).digest()[:4], "little") or 1


def _beats(job: Job, port: StreamPort) -> int:
    return len(job.inputs[port.name]) if port.direction == "in" else operator.index(job.expect[port.name])


def _read_results(
    folder: Path, ports: Sequence[StreamPort], jobs: Sequence[Job], probes: Mapping[str, int]
) -> list[JobResult]:
    lines = (folder / "results").read_text().splitlines()
    if len(lines) != len(jobs):
        raise SimulationError(f"Bench ended after {len(lines)} of {len(jobs)} jobs")
    results = []
    for number, line in enumerate(lines):
        words = line.split()
        outputs = {p.name: _read_stream(folder, number, p) for p in ports if p.direction == "out"}
        values = {}
        for name, word in zip(probes, words[3:], strict=True):
            try:
                values[name] = int(word, 16)
            except ValueError:
                raise SimulationError(f"job {number}: probe {name!r} is undefined: {word}") from None
        results.append(JobResult(outputs, int(words[2]), values))
    return results


def _read_stream(folder: Path, number: int, port: StreamPort) -> np.ndarray:
    text = (folder / f"{number}.{port.name}").read_text()
    try:
        data = bytes.fromhex(text)
    except ValueError:
        beats = text.split()
        first = next(i for i, beat in enumerate(beats) if re.search("[^0-9a-fA-F]", beat))
        message = f"job {number}: stream {port.name!r} beat {first} has undefined bits: {beats[first]}"
        raise SimulationError(message) from None
    return np.frombuffer(data, np.uint8).reshape(-1, port.bytes)[:, ::-1].copy()


def _error(folder: Path, ports: Sequence[StreamPort], jobs: Sequence[Job], idle_limit: int) -> str | None:
    """Return the error that the bench reported, as one line; None if it reported none."""
    try:
        words = (folder / "results").read_text().splitlines()[-1].split()
    except (OSError, IndexError):
        return None
    if words[0] != "E":
        return None
    number, reason, numbers = int(words[1]), words[2], list(map(int, words[3:]))
    moved = numbers[0::2]
    state = ", ".join(f"{p.name} {m} of {_beats(jobs[number], p)}" for p, m in zip(ports, moved, strict=True))
    if reason == "idle":
        return f"job {number}: no handshake for {idle_limit} clocks; beats moved: {state}"
    if reason == "left":
        return f"job {number}: all output came but not all input was taken; beats moved: {state}"
    faults = [f"stream {p.name!r}: {FAULTS[f]}" for p, f in zip(ports, numbers[1::2], strict=True) if f]
    return f"job {number}: {', '.join(faults)}; beats moved: {state}"


def _check_arguments(ports: Sequence[StreamPort], probes: Mapping[str, int], stall: float, idle_limit: int) -> None:
    for name, width in probes.items():
        check_port_name("Probe", name)
        if natural(f"Width of probe {name!r}", width) < 1:
            raise ValueError(f"Probe {name!r} has width {width}; use at least 1")
    names = [port.name for port in ports]
    if not ports or len(set(names)) != len(names):
        raise ValueError(f"Stream names {names} must be distinct, and at least one")
    if not 0 <= stall < 1:
        raise ValueError(f"Stall probability {stall!r} must be at least 0 and below 1")
    if natural("Idle limit", idle_limit) < 1:
        raise ValueError(f"Idle limit {idle_limit} must be at least 1")


def _check_job(number: int, job: Job, ports: Sequence[StreamPort]) -> None:
    for streams, direction, field in ((job.inputs, "in", "inputs"), (job.expect, "out", "expect")):
        wanted = {port.name for port in ports if port.direction == direction}
        if set(streams) != wanted:
            raise ValueError(f"Job {number} has {field} for {sorted(streams)}; the streams are {sorted(wanted)}")
    natural(f"Clocks after which job {number} is cut off", job.cut_after)
    for port in ports:
        if port.direction == "out":
            natural(f"Beats expected by job {number} from {port.name!r}", job.expect[port.name])
            continue
        beats = job.inputs[port.name]
        if not isinstance(beats, np.ndarray) or beats.dtype != np.uint8:
            kind = getattr(beats, "dtype", type(beats).__name__)
            raise TypeError(f"Job {number} input {port.name!r} must be a uint8 array, not {kind}")
        if beats.ndim != 2 or beats.shape[1] != port.bytes:
            raise ValueError(f"Job {number} input {port.name!r} has shape {beats.shape}; use (beats, {port.bytes})")
        if port.width % 8 and (beats[:, -1] >> (port.width % 8)).any():
            raise ValueError(f"Job {number} input {port.name!r} has bits set above its width of {port.width}")
