"""An engine on a board, or on a simulated one, from Python."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from tercet.golden.eie import EieLayer
from tercet.golden.quantize import Requant

from . import play_eie, play_systolic, play_tensorcore
from .host_link import HostLink
from .link.commander import COUNTER_BYTES, LINK_COUNTER_BYTES
from .link.protocol import LINK_COUNTERS, Command
from .networks import as_network
from .player import Player
from .port import open_port
from .soc_config import Description

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
        Called during the transfers of a product or a network of EIE with the thousandths that are done, and 1000.
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
        self._player = Player(host_link, progress, patience)

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
        self._player.reset()

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
            return self.mma(a, w, play_tensorcore.zeros(shape, self.config))
        self._check_engine("systolic")
        return play_systolic.matmul(self._player, a, w, bias, requant)

    def mma(self, a: Any, b: Any, c: Any) -> np.ndarray:
        """``a @ b + c`` on a tensor core; parameters and errors as in :func:`tercet.golden.tensorcore.mma`."""
        self._check_engine("tensorcore")
        return play_tensorcore.mma(self._player, a, b, c)

    def network(self, layers: Sequence[EieLayer], acts: np.ndarray) -> np.ndarray:
        """Layers on an EIE engine; parameters and errors as in :func:`tercet.sim.eie.network`."""
        self._check_engine("eie")
        return play_eie.network(self._player, layers, acts)

    def run(self, network: Any, inputs: np.ndarray) -> np.ndarray:
        """A whole network, on the engine that it is for.

        Parameters
        ----------
        network : Int8Network, list of CompressedLayer, or a network of `tercet.boards.networks`
            What to run.
        inputs : (batch, inputs) array
            What that takes.

        Returns
        -------
        np.ndarray
            What the last layer gives.

        Raises
        ------
        WrongEngine
            If the board has another engine than the network needs.
        TypeError, ValueError
            If that is no network, or inputs do not fit it; or if a layer does not fit the engine, in its turn.
        """
        what = as_network(network)
        self._check_engine(what.engine)
        return what.run(self, inputs)

    def _check_engine(self, wanted: str) -> None:
        if self._soc.engine != wanted:
            board = f" --board {self._soc.board}" if self._soc.board else ""
            raise WrongEngine(
                f"The board runs {self._soc.engine}, not {wanted}; build and flash: tercet build {wanted}{board}"
            )


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
