"""Runs whole networks on an NPU; memories keep a program between calls."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tercet.golden.npu.config import NpuConfig
from tercet.golden.npu.operands import Transcript, bind, joined, load, read_bytes
from tercet.golden.npu.program import Program
from tercet.golden.npu.session import Read

from .session import Session
from .soc_config import SocConfig

__all__ = ["OnNpu", "check", "network"]

_PROGRAM = "program"


def network(session: Session, program: Program, x: Any) -> list[np.ndarray]:
    """See `tercet.boards.host.device.Device.network`."""
    return OnNpu(session, program).run(x)


def check(soc: SocConfig, program: Program, x: Any) -> None:
    """Check a program and its inputs against a board.

    Raises
    ------
    TypeError, ValueError
        If the program is for another configuration, an input does not fit it, or the board's buffers are too small.
    """
    bind(soc.config, program, x)
    _parts(_loading(soc.config, program), soc)


@dataclass
class OnNpu:
    """Runner of a program on a board.

    Attributes
    ----------
    load_bytes : int
        Bytes sent for the program in the last run, without the link's frames; 0 if the board held it.
    load_seconds : float
        Time that took.
    inference_bytes : int
        Bytes sent and received for the samples of the last run, without the link's frames.
    seconds, host_seconds : float
        Time spent on these samples, and the part of it on host operators.
    """

    session: Session
    program: Program
    load_bytes: int = 0
    load_seconds: float = 0.0
    inference_bytes: int = 0
    seconds: float = 0.0
    host_seconds: float = 0.0

    def run(self, inputs: Any) -> list[np.ndarray]:
        """Run the program and return what `Program.run` does.

        Raises
        ------
        TypeError, ValueError
            As for `check`; raised before anything is sent.
        """
        session, program = self.session, self.program
        batch = bind(session.config, program, inputs)
        image, parts = self._program_parts()
        self.load_bytes = self.inference_bytes = 0
        self.host_seconds = 0.0
        with session.transfer(len(parts) + len(batch.samples) * self._jobs(batch.samples[0])):
            started = time.monotonic()
            if parts:
                # Unknown until the last part has arrived.
                session.keep(_PROGRAM, None)
                for part in parts:
                    self.load_bytes += self._execute(part)[0]
                session.keep(_PROGRAM, image)
            loaded = time.monotonic()
            found = [self._infer(sample) for sample in batch.samples]
        self.load_seconds, self.seconds = loaded - started, time.monotonic() - loaded
        return joined(batch, found)

    def _program_parts(self) -> tuple[np.ndarray, list[Transcript]]:
        """Return the image that identifies the program, and the commands that load it; none if the board holds it."""
        transcript = _loading(self.program.config, self.program)
        image = np.concatenate([beats.reshape(-1) for beats in transcript.job().inputs.values()])
        known = self.session.known(_PROGRAM)
        held = known is not None and np.array_equal(image, known)
        return image, [] if held else _parts(transcript, self.session.soc)

    def _jobs(self, sample: Sequence[np.ndarray]) -> int:
        """Jobs of a sample, for the progress."""
        jobs, requests = 0, self.program.session(sample)
        transcript, answer = Transcript(self.program.config), None
        try:
            while True:
                request = requests.send(answer)
                transcript.request(request)
                answer = None
                if isinstance(request, Read):
                    jobs += len(_parts(transcript, self.session.soc))
                    transcript = Transcript(self.program.config)
                    answer = np.zeros((1, sum(size for _, size in request.spans)), np.int8)
        except StopIteration:
            return jobs

    def _infer(self, sample: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run a sample: requests are collected until the host needs an answer."""
        requests = self.program.session(sample)
        transcript, answer, started = Transcript(self.program.config), None, time.monotonic()
        try:
            while True:
                request = requests.send(answer)
                self.host_seconds += time.monotonic() - started
                transcript.request(request)
                answer = None
                if isinstance(request, Read):
                    done = [self._execute(part) for part in _parts(transcript, self.session.soc)]
                    self.inference_bytes += sum(size for size, _ in done)
                    answer, _ = read_bytes(np.concatenate([results for _, results in done]), request.spans)
                    transcript = Transcript(self.program.config)
                started = time.monotonic()
        except StopIteration as ended:
            self.host_seconds += time.monotonic() - started
            return ended.value

    def _execute(self, part: Transcript) -> tuple[int, np.ndarray]:
        """Run a part; return the bytes sent and received, and the results."""
        job = part.job(keep=True)
        results = self.session.run(job).outputs["results"]
        return sum(beats.size for beats in job.inputs.values()) + results.size, results


def _loading(config: NpuConfig, program: Program) -> Transcript:
    """Commands that load a program."""
    transcript = Transcript(config)
    load(program, transcript)
    return transcript


def _parts(transcript: Transcript, soc: SocConfig) -> list[Transcript]:
    """Cut commands to fit the buffers of a board; raises ValueError if a word of a memory does not fit."""
    return list(transcript.parts(dict(soc.depths)))
