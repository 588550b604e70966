"""An engine on a board, or on a simulated one, from Python."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from tercet.golden.networks.int8_network import Int8Layer
from tercet.golden.numerics.quantization import Requant

from . import eie, systolic, tensorcore
from .link import RETRIES, HostLink, LinkError
from .networks import as_network
from .port import open_port
from .protocol import RATES
from .session import Session
from .soc_config import Description, SocConfig

__all__ = ["Device", "WrongEngine"]


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
        Called during the transfers of a product or a network with the thousandths that are done, and 1000; an
        attribute that may be changed.
    patience : float
        Seconds a run may take.

    Raises
    ------
    LinkError, PortError
        Here and in all methods, if the board does not answer, or is gone. The next method looks for it again, and
        begins with it as after power-up.
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
        self.progress = progress
        self._session = Session(host_link, self._tell, patience)

    @classmethod
    def open(
        cls,
        where: str | os.PathLike,
        *,
        engine: str | None = None,
        baud: int | None = None,
        soc: SocConfig | None = None,
        **options: Any,
    ) -> "Device":
        """Open a board.

        Parameters
        ----------
        where : str or os.PathLike
            A serial port, ``/dev/ttyUSB0``; or ``sim:BOARD``, the board's own design in a simulator, every bit of its
            UART included. ``sim:BOARD,bytes`` leaves the UART out, and is a good deal faster.
        engine : str or None
            Which engine is wanted; a simulated board has "systolic" if that is None.
        baud : int or None
            Rate of the UART; by default those that boards have are tried, 3000000 first.
        soc : SocConfig or None
            Of a simulated board: what is on it, of `tercet.boards.sizing.network_soc` for instance, instead of its
            preset of the engine. It says the baud too.
        options
            ``progress`` and ``patience``, as above.

        Raises
        ------
        WrongEngine
            If the board has another engine.
        PortError, LinkError
            If the port cannot be opened, or no board answers.
        ValueError
            If the board is unknown or of another version, or `soc` is not for it.
        """
        if not isinstance(where, (str, os.PathLike)):
            raise TypeError(f"Board {where!r} is no path; use a serial port or sim:BOARD")
        path = os.fspath(where)
        if path.startswith("sim:"):
            device = _open_simulated(cls, path[4:], engine, baud, soc, options)
        elif soc is not None:
            raise ValueError(f"The engine of {path!r} is in its bitstream; leave soc out, or use sim:BOARD")
        else:
            device = _open_board(cls, path, RATES if baud is None else (baud,), options)
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
        self._ready().reset()

    def counters(self, *, clear: bool = False) -> dict[str, int]:
        """The engine's performance counters since the board was opened or they were cleared, and those of the link:
        frames ``accepted``, ``damaged``, ``repeated`` and ``dropped`` since power-up.
        """
        self._ready()
        return self._link.counters(clear=clear)

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
        session = self._ready()
        if self._soc.engine == "tensorcore":
            if bias is not None or requant is not None:
                raise ValueError("A tensor core has neither bias nor requantisation; use mma, whose c is a bias")
            shape = (*np.shape(a)[:-1], np.shape(w)[-1] if np.ndim(w) else 0)
            return self.mma(a, w, tensorcore.zeros(shape, self.config))
        self._check_engine("systolic")
        return systolic.matmul(session, a, w, bias, requant)

    def mma(self, a: Any, b: Any, c: Any) -> np.ndarray:
        """``a @ b + c`` on a tensor core; parameters and errors as in :func:`tercet.golden.tensorcore.mma`."""
        session = self._ready()
        self._check_engine("tensorcore")
        return tensorcore.mma(session, a, b, c)

    def network(self, layers: Sequence[Any], acts: np.ndarray) -> np.ndarray:
        """Layers on an EIE engine, parameters and errors as in :func:`tercet.sim.eie.network`; or on a systolic one.

        Parameters
        ----------
        layers : sequence of EieLayer, or of Int8Layer
            At least one.
        acts : (in,) or (batch, in) int16 array, or (batch, in) int8 array
            Activations of EIE; codes of the first layer's input on a systolic engine.

        Returns
        -------
        np.ndarray
            What the last layer gives.

        Raises
        ------
        WrongEngine
            If the board has another engine.
        TypeError, ValueError
            If activations or any layer do not fit the engine; nothing is sent then.
        """
        session = self._ready()
        if isinstance(layers, Sequence) and {*map(type, layers)} == {Int8Layer}:
            self._check_engine("systolic")
            return systolic.network(session, layers, acts)
        self._check_engine("eie")
        return eie.network(session, layers, acts)

    def compute(self, *arrays: Any, **options: Any) -> np.ndarray:
        """One job of whatever engine the board has, on the arrays that its model takes: see `EngineModel.roles`.

        Returns
        -------
        np.ndarray
            As `EngineModel.collect` gives it.

        Raises
        ------
        TypeError, ValueError
            If the arrays do not fit each other, the engine or its buffers; nothing is sent then.
        """
        session = self._ready()
        model, config = self._soc.kind, self.config
        operands = model.operands(config, *arrays, **options)
        job = model.job(config, operands)
        words = {name: len(beats) for name, beats in job.inputs.items()} | dict(job.expect)
        for name, depth in self._soc.depths:
            if words[name] > depth:
                raise ValueError(
                    f"The job needs {words[name]} words of {name}, but the board has room for {depth}; "
                    "build it with a deeper buffer"
                )
        with session.transfer(1):
            return model.collect(config, operands, session.run(job).outputs)

    def run(self, network: Any, inputs: np.ndarray) -> np.ndarray:
        """A whole network, on the engine that it is for.

        Parameters
        ----------
        network : Int8Network, list of CompressedLayer, or a network of `tercet.boards.host.networks`
            What to run.
        inputs : (batch, inputs) array
            What that takes.

        Returns
        -------
        np.ndarray
            What the last layer gives. Of a compressed network it is int16; ``Compressed.fixed`` of
            `tercet.boards.host.networks` tells its fraction bits, and its error against the network in real numbers.

        Errors are those of `network`; a TypeError also if that is no network.
        """
        what = as_network(network)
        session = self._ready()
        self._check_engine(what.engine)
        return what.run(session, inputs)

    def _tell(self, done: int, whole: int) -> None:
        if self.progress is not None:
            self.progress(done, whole)

    def _ready(self) -> Session:
        self._session.ready()
        return self._session

    def _check_engine(self, wanted: str) -> None:
        if self._soc.engine != wanted:
            board = f" --board {self._soc.board}" if self._soc.board else ""
            raise WrongEngine(
                f"The board runs {self._soc.engine}, not {wanted}; build and flash: tercet build {wanted}{board}"
            )


def _open_board(cls: type[Device], path: str, rates: Sequence[int], options: Mapping[str, Any]) -> Device:
    """The board at a serial port, at the first rate at which it answers."""
    if len(rates) == 1:
        return _open_at(cls, path, rates[0], RETRIES, options)
    for rate in rates:
        with contextlib.suppress(LinkError):
            device = _open_at(cls, path, rate, 1, options)
            device.link.retries = RETRIES
            return device
    raise LinkError(
        f"No answer from {path!r} at {' or '.join(map(str, rates))} baud; check the port, that the bitstream is "
        "loaded, and give its baud if it was built with another"
    )


def _open_at(cls: type[Device], path: str, rate: int, retries: int, options: Mapping[str, Any]) -> Device:
    port = open_port(path, rate)
    try:
        return cls(HostLink(port, retries=retries), port.close, **options)
    except BaseException:
        port.close()
        raise


def _open_simulated(
    cls: type[Device],
    where: str,
    engine: str | None,
    baud: int | None,
    soc: SocConfig | None,
    options: Mapping[str, Any],
) -> Device:
    from ..catalog import soc_config
    from ..simulated.board import SimulatedBoard
    from ..soc.soc import soc_sources

    name, _, mode = where.partition(",")
    if mode not in ("", "bytes"):
        raise ValueError(f"Simulated board {where!r} has the mode {mode!r}; use sim:{name} or sim:{name},bytes")
    if soc is None:
        soc = soc_config(name, engine or "systolic", baud=baud)
    elif soc.board != name or baud not in (None, soc.baud):
        raise ValueError(
            f"soc is for {soc.board} at {soc.baud} baud, not for {where!r}; use sim:{soc.board}, and no baud"
        )
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
