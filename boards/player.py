"""Jobs on a board: what is not there yet is loaded, the engine runs, results are read."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from tercet.sim.bench import Job, JobResult

from .host_link import HostLink, LinkError
from .link.protocol import CRC_BYTES, HEADER_BYTES, Command
from .soc_config import SocConfig

__all__ = ["Player"]

_REQUEST_BYTES = 6  # stream, words and address


class Player:
    """Plays jobs on the engine of an open board, and remembers what lies there.

    Parameters
    ----------
    host_link : HostLink
        The link to it.
    progress, patience
        As of `tercet.boards.host.Device`, and so are the errors.
    """

    def __init__(self, host_link: HostLink, progress: Callable[[int, int], None] | None, patience: float):
        self._link, self._patience = host_link, patience
        self._transfer = _Transfer(progress)
        self._streams = {
            port.name: (n, -(-port.width // 8)) for n, port in enumerate(self.soc.kind.streams(self.config))
        }
        self.reset()

    @property
    def soc(self) -> SocConfig:
        """What the board is."""
        return self._link.description.soc

    @property
    def config(self) -> Any:
        """The engine's config."""
        return self.soc.config

    def reset(self) -> None:
        """Engine and buffers as after power-up."""
        self._words_there: dict[str, np.ndarray] = {}
        self._since = self._link.resyncs
        self._link.request(Command.RESET)

    @property
    def _known(self) -> dict[str, np.ndarray]:
        """What the board has; nothing is known of one that was lost and found again."""
        if self._since != self._link.resyncs:
            self._words_there.clear()
            self._since = self._link.resyncs
        return self._words_there

    def over(self, pieces: Iterable, count: int) -> Iterator[Any]:
        """Each piece, for progress; so many jobs are in all of them."""
        return self._transfer.over(pieces, count)

    def keep(self, name: str, beats: np.ndarray | None) -> None:
        """Remember until a reset that the board has these words, or that nobody knows what it has."""
        if beats is None:
            self._known.pop(name, None)
        else:
            self._known[name] = beats.copy()

    def known(self, name: str) -> np.ndarray | None:
        """What was kept under this name, and nothing has changed since."""
        return self._known.get(name)

    def play(self, job: Job) -> JobResult:
        """Load the inputs, run, and read the outputs."""
        self._transfer.begin(sum(beats.size for beats in job.inputs.values()))
        for name, beats in job.inputs.items():
            self._load(name, beats)
        counts = {**{name: len(beats) for name, beats in job.inputs.items()}, **job.expect}
        self._link.request(Command.RUN, b"".join(counts[name].to_bytes(3, "little") for name in self._streams))
        self._wait()
        outputs = {name: self._read(name, count) for name, count in job.expect.items()}
        return JobResult(outputs, 0, dict.fromkeys((*self.soc.kind.counters, "error"), 0))

    def _words(self, size: int) -> int:
        """Words of so many bytes that a frame holds."""
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
            self._link.request(Command.LOAD, _place(number, len(chunk), at) + chunk.tobytes())
            self._transfer.step(chunk.size)
        self.keep(name, beats)

    def _wait(self) -> None:
        deadline = time.monotonic() + self._patience
        while (flags := self._link.request(Command.STATUS)[0]) & 1:
            if time.monotonic() > deadline:
                self.reset()
                raise LinkError(f"The engine has not finished within {self._patience} s, and has been reset")
        if flags & 2:
            self.reset()
            raise LinkError("The engine has refused what it was given, and has been reset; build its bitstream again")

    def _read(self, name: str, count: int) -> np.ndarray:
        number, size = self._streams[name]
        most, parts = self._words(size), []
        for at in range(0, count, most):
            words = min(most, count - at)
            parts.append(self._link.request(Command.READ, _place(number, words, at)))
            self._transfer.step(0)
        return np.frombuffer(b"".join(parts), np.uint8).reshape(count, size)


def _place(stream: int, words: int, address: int) -> bytes:
    return bytes([stream]) + words.to_bytes(2, "little") + address.to_bytes(3, "little")


class _Transfer:
    """Tells how far a transfer is, in thousandths of the whole, piece by piece."""

    def __init__(self, progress: Callable[[int, int], None] | None):
        self._progress = progress
        self._piece, self._pieces, self._done, self._size = 0, 1, 0, 1

    def over(self, pieces: Any, count: int):
        """Each piece; so many plays are in all of them."""
        self._piece, self._pieces = -1, count
        yield from pieces
        self._tell(1000)

    def begin(self, size: int) -> None:
        self._piece, self._done, self._size = self._piece + 1, 0, max(1, size)

    def step(self, count: int) -> None:
        self._done += count
        self._tell(int(1000 * (self._piece + min(1.0, self._done / self._size)) / self._pieces))

    def _tell(self, share: int) -> None:
        if self._progress is not None:
            self._progress(min(share, 1000), 1000)
