"""Runs jobs on a connected board; skips uploads the board already holds."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from tercet.golden.streams import Job, JobResult

from .link import HostLink, LinkError
from .protocol import CRC_BYTES, HEADER_BYTES, Command, counts, transfer_header
from .soc_config import SocConfig

__all__ = ["Session"]

_REQUEST_BYTES = len(transfer_header(0, 0, 0))


class Session:
    """Runs jobs on the engine of an open board and tracks the content of its buffers.

    Parameters
    ----------
    host_link : HostLink
        Link to the board.
    progress, patience
        As in `tercet.boards.host.device.Device`, as are the errors.
    """

    def __init__(self, host_link: HostLink, progress: Callable[[int, int], None], patience: float):
        if not patience > 0:
            raise ValueError(f"Patience is {patience} s; use more than 0")
        self._link, self._patience = host_link, patience
        self._transfer = _Transfer(progress)
        self.reset()

    @property
    def soc(self) -> SocConfig:
        """Configuration of the board."""
        return self._link.description.soc

    @property
    def config(self) -> Any:
        """The engine's config."""
        return self.soc.config

    def reset(self) -> None:
        """Reset the engine and its buffers to the power-up state."""
        self._known: dict[str, np.ndarray] = {}
        self._streams = {port.name: (n, port.bytes) for n, port in enumerate(self.soc.kind.streams(self.config))}
        self._link.request(Command.RESET)
        self._since = self._link.resyncs

    def ready(self) -> None:
        """Search again for a board that did not answer, and reset it: it may be another one."""
        if self._link.lost:
            self._link.resync()
        if self._since != self._link.resyncs:
            self.reset()

    @contextlib.contextmanager
    def transfer(self, jobs: int) -> Iterator[None]:
        """Report progress over this number of jobs as one transfer."""
        self._transfer.start(jobs)
        yield
        self._transfer.finish()

    def keep(self, name: str, beats: np.ndarray | None) -> None:
        """Record that the board holds these words, until a reset; None if its content is unknown."""
        if beats is None:
            self._known.pop(name, None)
        else:
            self._known[name] = beats.copy()

    def known(self, name: str) -> np.ndarray | None:
        """Return the words recorded under this name, if still valid."""
        return self._known.get(name)

    def run(self, job: Job) -> JobResult:
        """Load the inputs, run the engine and read the outputs."""
        back = sum(count * self._streams[name][1] for name, count in job.expect.items())
        self._transfer.begin(sum(beats.size for beats in job.inputs.values()) + back)
        for name, beats in job.inputs.items():
            self._load(name, beats)
        words = {**{name: len(beats) for name, beats in job.inputs.items()}, **job.expect}
        self._link.request(Command.RUN, counts(words, self._streams))
        self._wait()
        outputs = {name: self._read(name, count) for name, count in job.expect.items()}
        return JobResult(outputs, 0)

    def _words(self, size: int) -> int:
        """Words of `size` bytes that fit in a frame."""
        return max(1, (self.soc.frame_bytes - HEADER_BYTES - CRC_BYTES - _REQUEST_BYTES) // size)

    def _load(self, name: str, beats: np.ndarray) -> None:
        known = self.known(name)
        if known is not None and len(known) >= len(beats) and np.array_equal(known[: len(beats)], beats):
            self._transfer.step(beats.size)
            return
        self.keep(name, None)
        number, size = self._streams[name]
        most = self._words(size)
        for at in range(0, len(beats), most):
            chunk = beats[at : at + most]
            self._link.request(Command.LOAD, transfer_header(number, len(chunk), at) + chunk.tobytes())
            self._transfer.step(chunk.size)
        self.keep(name, beats)

    def _wait(self) -> None:
        deadline = time.monotonic() + self._patience
        while (flags := self._link.request(Command.STATUS)[0]) & 1:
            if time.monotonic() > deadline:
                self.reset()
                raise LinkError(f"The engine did not finish within {self._patience} s and was reset")
        if flags & 2:
            self.reset()
            raise LinkError("The engine rejected its input and was reset; build its bitstream again")

    def _read(self, name: str, count: int) -> np.ndarray:
        number, size = self._streams[name]
        most, parts = self._words(size), []
        for at in range(0, count, most):
            words = min(most, count - at)
            parts.append(self._link.request(Command.READ, transfer_header(number, words, at)))
            self._transfer.step(words * size)
        return np.frombuffer(b"".join(parts), np.uint8).reshape(count, size)


class _Transfer:
    """Progress of a transfer in thousandths, by the bytes of each job."""

    def __init__(self, progress: Callable[[int, int], None]):
        self._progress = progress
        self.start(1)

    def start(self, jobs: int) -> None:
        self._job, self._jobs, self._done, self._size = -1, jobs, 0, 1

    def finish(self) -> None:
        self._tell(1000)

    def begin(self, size: int) -> None:
        self._job, self._done, self._size = self._job + 1, 0, max(1, size)

    def step(self, count: int) -> None:
        self._done += count
        self._tell(int(1000 * (self._job + min(1.0, self._done / self._size)) / self._jobs))

    def _tell(self, share: int) -> None:
        self._progress(min(share, 1000), 1000)
