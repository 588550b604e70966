"""An engine on a board, or on a simulated one, from Python."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from tercet.golden.eie import EieLayer, check_acts
from tercet.golden.eie_program import frame_head, link
from tercet.golden.quantize import Requant
from tercet.golden.systolic import SystolicConfig, check_operands
from tercet.golden.tensorcore import check_mma, result_array
from tercet.golden.tensorcore_config import TensorCoreConfig
from tercet.sim import eie, systolic, tensorcore
from tercet.sim.bench import Job, JobResult
from tercet.sim.systolic import Product

from .cuts import systolic_pieces, tensorcore_pieces
from .host_link import HostLink, LinkError
from .link.commander import COUNTER_BYTES, LINK_COUNTER_BYTES
from .link.protocol import CRC_BYTES, HEADER_BYTES, LINK_COUNTERS, Command
from .port import open_port
from .soc_config import Description

__all__ = ["Device", "WrongEngine", "zeros"]

_REQUEST_BYTES = 6  # stream, words and address


class WrongEngine(ValueError):
    """The board has another engine than is asked for."""


class Device:
    """An open board; a context manager.

    Parameters
    ----------
    host_link : HostLink
        The link to it.
    close : callable
        Gives back what is behind the link.
    progress : callable or None
        Called during transfers with the bytes that are done and those of the whole.
    patience : float
        Seconds a run may take.

    Raises
    ------
    LinkError, PortError
        Here and in all methods, if the board does not answer, or is gone.
    """

    def __init__(
        self,
        host_link: HostLink,
        close: Callable[[], None] = lambda: None,
        *,
        progress: Callable[[int, int], None] | None = None,
        patience: float = 60.0,
    ):
        self._link, self._close = host_link, close
        self._patience = patience
        self._transfer = _Transfer(progress)
        self._streams = {
            port.name: (n, -(-port.width // 8)) for n, port in enumerate(self._soc.kind.streams(self.config))
        }
        self.reset()

    @classmethod
    def open(cls, where: str, *, engine: str | None = None, baud: int | None = None, **options: Any) -> "Device":
        """Open a board.

        Parameters
        ----------
        where : str
            A serial port, ``/dev/ttyUSB0``; or ``sim:BOARD``, the board's own design in a simulator, every bit of its
            UART included. ``sim:BOARD,bytes`` leaves the UART out, and is a good deal faster.
        engine : str or None
            Which engine is wanted; a simulated board has "systolic" if that is None.
        baud : int or None
            Rate of a serial port; 3000000 by default.
        options
            ``progress`` and ``patience``, as above.

        Raises
        ------
        WrongEngine
            If the board has another engine.
        PortError, LinkError
            If the port cannot be opened, or no board answers.
        ValueError
            If the board is unknown or of another version.
        """
        device = _open_simulated(cls, where[4:], engine, options) if where.startswith("sim:") else None
        if device is None:
            port = open_port(where, baud or 3_000_000)
            try:
                device = cls(HostLink(port), port.close, **options)
            except BaseException:
                port.close()
                raise
        try:
            if engine is not None:
                device._check_engine(engine)
        except BaseException:
            device.close()
            raise
        return device

    @property
    def info(self) -> Description:
        """What the board says of itself."""
        return self._link.description

    @property
    def _soc(self):
        return self.info.soc

    @property
    def config(self) -> Any:
        """The engine's config."""
        return self._soc.config

    @property
    def link(self) -> HostLink:
        """The link, for its counts."""
        return self._link

    def close(self) -> None:
        """Give the board back; again is no error."""
        self._close()

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reset(self) -> None:
        """Engine and buffers as after power-up."""
        self._link.request(Command.RESET)
        self._loaded: dict[str, np.ndarray] = {}
        self._program: np.ndarray | None = None

    def counters(self, *, clear: bool = False) -> dict[str, int]:
        """The engine's performance counters since the board was opened or they were cleared, and those of the link:
        frames ``accepted``, ``damaged``, ``repeated`` and ``dropped`` since power-up.
        """
        data = self._link.request(Command.COUNTERS, bytes([clear]))
        found = {}
        for names, size in ((self._soc.kind.counters, COUNTER_BYTES), (LINK_COUNTERS, LINK_COUNTER_BYTES)):
            for name in names:
                found[name], data = int.from_bytes(data[:size], "little"), data[size:]
        return found

    def matmul(
        self, a: np.ndarray, w: np.ndarray, bias: np.ndarray | None = None, requant: Requant | None = None
    ) -> np.ndarray:
        """``a @ w + bias`` on a systolic engine, or ``a @ w`` on a tensor core.

        Parameters
        ----------
        a, w, bias, requant
            As in :func:`tercet.sim.systolic.matmul`; of a tensor core its formats, and neither bias nor requantisation.
            Where the engine has no requantiser, or K is longer than its buffers, the host requantises.

        Returns
        -------
        (M, N) int32 array, int8 with requantisation; float32 or float16 of a tensor core

        Raises
        ------
        TypeError, ValueError
            If operands do not fit each other or the engine; nothing is sent then.
        """
        if self._soc.engine == "tensorcore":
            if bias is not None or requant is not None:
                raise ValueError("A tensor core has neither bias nor requantisation; use mma, whose c is a bias")
            shape = (*np.shape(a)[:-1], np.shape(w)[-1] if np.ndim(w) else 0)
            return self.mma(a, w, zeros(shape, self.config))
        self._check_engine("systolic")
        config: SystolicConfig = self.config
        _, _, wide_bias = check_operands(a, w, bias, config)
        a, w = np.asarray(a), np.asarray(w)
        (m, k), n = a.shape, w.shape[1]
        depths = dict(self._soc.depths)
        params = bias is not None or requant is not None
        there = requant if config.requant_lanes else None
        pieces = systolic_pieces(config, (m, k, n), depths, params=params, requant=there is not None)
        whole = pieces.size[1] >= k
        if not whole:
            # Sums of parts of K come back as they are. They are added exactly, and made int8 here.
            pieces = systolic_pieces(config, (m, k, n), depths, params=False, requant=False)
            there = None
        out = np.zeros((m, n), np.int64)
        for rows, parts, columns in self._transfer.over(pieces, len(pieces)):
            for part in parts:
                channels = None if there is None else _some_channels(there, columns, n)
                addend = None if bias is None or not whole else np.asarray(bias)[columns]
                product = Product(a[rows, part], w[part, columns], addend, channels)
                done = self._play(systolic.job(config, product))
                out[rows, columns] += systolic.result(config, product, done).out
        if not whole:
            out += wide_bias
        if requant is None or there is not None:
            return out.astype(np.int32 if requant is None else np.int8)
        return requant.apply(out.astype(np.int32))

    def mma(self, a: Any, b: Any, c: Any) -> np.ndarray:
        """``a @ b + c`` on a tensor core; parameters and errors as in :func:`tercet.golden.tensorcore.mma`."""
        self._check_engine("tensorcore")
        config: TensorCoreConfig = self.config
        a, b, c = check_mma(a, b, c, config)
        shape = c.shape
        a, b, c = (array.reshape(-1, *array.shape[-2:]) for array in (a, b, c))
        sizes = (a.shape[-2], a.shape[-1], b.shape[-1])
        pieces = tensorcore_pieces(config, sizes, dict(self._soc.depths))
        out = zeros(c.shape, config)
        every = [(number, *piece) for number in range(len(c)) for piece in pieces]
        for number, rows, parts, columns in self._transfer.over(every, len(pieces) * len(c)):
            addend = c[number, rows, columns]
            for part in parts:
                arrays = (a[number, rows, part], b[number, part, columns], addend)
                done = self._play(tensorcore.job(config, *arrays))
                result = tensorcore.result(config, arrays, done).out
                addend = result.view(f"u{result.itemsize}") if result.dtype.kind == "f" else result
            out[number, rows, columns] = result
        return out.reshape(shape)

    def network(self, layers: Sequence[EieLayer], acts: np.ndarray) -> np.ndarray:
        """Layers on an EIE engine; parameters and errors as in :func:`tercet.sim.eie.network`."""
        self._check_engine("eie")
        program = link(self.config, layers)
        vectors = check_acts(program.layers[0].layer, acts)
        depths = dict(self._soc.depths)
        groups, rows = program.layers[0].groups, program.layers[-1].rows
        for name, need in (("acts", groups), ("outs", rows)):
            if need > depths[name]:
                raise ValueError(
                    f"A vector needs {need} words of {name}, but the board has room for {depths[name]}; build it "
                    "with a deeper buffer"
                )
        flat = vectors.reshape(-1, vectors.shape[-1])
        most = min(depths["acts"] // groups, depths["outs"] // rows)
        frames = program.frames().astype("<u8").view(np.uint8).reshape(-1, 8)
        if self._program is not None and np.array_equal(frames, self._program):
            frames = frames[:0]
        else:
            self._program = frames
        chunks = [frames[at : at + depths["frames"]] for at in range(0, len(frames), depths["frames"])]
        batches = [flat[at : at + most] for at in range(0, len(flat), most)]
        out = []
        for piece in self._transfer.over([*chunks, *batches], len(chunks) + len(batches)):
            if piece.dtype == np.uint8:
                self._play(Job({"frames": piece, "acts": np.empty((0, 1), np.uint8)}, {"outs": 0}))
                continue
            job = eie.job(program, piece)
            run = frame_head("run", 0, 0, len(piece)).astype("<u8").view(np.uint8).reshape(-1, 8)
            done = self._play(Job({**job.inputs, "frames": run}, job.expect))
            out.append(eie.result(program, piece, done).out)
        return np.concatenate(out).reshape(*vectors.shape[:-1], -1)

    def _check_engine(self, wanted: str) -> None:
        if self._soc.engine != wanted:
            board = f" --board {self._soc.board}" if self._soc.board else ""
            raise WrongEngine(
                f"The board runs {self._soc.engine}, not {wanted}; build and flash: tercet build {wanted}{board}"
            )

    def _play(self, job: Job) -> JobResult:
        """Load the inputs, run, and read the outputs."""
        self._transfer.begin(sum(beats.size for beats in job.inputs.values()))
        for name, beats in job.inputs.items():
            self._load(name, beats)
        counts = {**{name: len(beats) for name, beats in job.inputs.items()}, **job.expect}
        self._link.request(Command.RUN, b"".join(counts[name].to_bytes(3, "little") for name in self._streams))
        self._wait()
        outputs = {name: self._read(name, count) for name, count in job.expect.items()}
        return JobResult(outputs, 0, dict.fromkeys((*self._soc.kind.counters, "error"), 0))

    def _words(self, size: int) -> int:
        """Words of so many bytes that a frame holds."""
        return max(1, (self._soc.frame_bytes - HEADER_BYTES - CRC_BYTES - _REQUEST_BYTES) // size)

    def _load(self, name: str, beats: np.ndarray) -> None:
        before = self._loaded.get(name)
        if before is not None and len(before) >= len(beats) and np.array_equal(before[: len(beats)], beats):
            self._transfer.step(beats.size)
            return
        self._loaded.pop(name, None)
        number, size = self._streams[name]
        most = self._words(size)
        for at in range(0, len(beats), most):
            chunk = beats[at : at + most]
            self._link.request(Command.LOAD, _request(number, len(chunk), at) + chunk.tobytes())
            self._transfer.step(chunk.size)
        self._loaded[name] = beats.copy()

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
            parts.append(self._link.request(Command.READ, _request(number, words, at)))
            self._transfer.step(0)
        return np.frombuffer(b"".join(parts), np.uint8).reshape(count, size)


def zeros(shape: tuple[int, ...], config: TensorCoreConfig) -> np.ndarray:
    """Zeros of the format of D."""
    return result_array(np.zeros(shape, np.int32), config)


def _request(stream: int, words: int, address: int) -> bytes:
    return bytes([stream]) + words.to_bytes(2, "little") + address.to_bytes(3, "little")


def _some_channels(requant: Requant, columns: slice, n: int) -> Requant:
    multiplier, shift = (values[columns] for values in requant.per_channel(n))
    return Requant(multiplier, shift, requant.zero_point, requant.qmin, requant.qmax, requant.rounding)


def _open_simulated(cls: type[Device], where: str, engine: str | None, options: Mapping[str, Any]) -> Device:
    from .catalog import soc_config
    from .simulated import SimulatedBoard
    from .soc import soc_sources

    name, _, mode = where.partition(",")
    if mode not in ("", "bytes"):
        raise ValueError(f"Simulated board {where!r} has the mode {mode!r}; use sim:{name} or sim:{name},bytes")
    soc = soc_config(name, engine or "systolic")
    board = SimulatedBoard(soc, soc_sources(soc, uart=not mode), mode=mode or "uart")
    try:
        port = open_port(board.path, soc.baud)

        def close() -> None:
            port.close()
            board.close()

        # What takes a millisecond on a board can take seconds here.
        return cls(HostLink(port, timeout=30.0), close, **options)
    except BaseException:
        board.close()
        raise


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
