"""Python interface to an engine on a real or simulated board."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from tercet.golden.networks.graph import Graph
from tercet.golden.networks.int8_network import Int8Layer
from tercet.golden.npu.program import Program
from tercet.golden.numerics.quantization import Requant

from . import eie, npu, systolic, tensorcore
from .graphs import OnEngine
from .link import RETRIES, HostLink, LinkError
from .networks import CompiledNetwork, as_network, for_board
from .npu import OnNpu
from .port import open_port
from .protocol import RATES
from .session import Session
from .soc_config import Description, SocConfig

__all__ = ["Device", "WrongEngine"]


class WrongEngine(ValueError):
    """The board has a different engine from the one requested."""


class Device:
    """An open board; a context manager.

    Parameters
    ----------
    host_link : HostLink
        Link to the board.
    close : callable
        Releases the resources behind the link.
    progress : callable or None
        Called during the transfers of a product or a network with the progress in thousandths, and 1000. An attribute
        that may be changed.
    patience : float
        Timeout of a run in seconds.

    Raises
    ------
    LinkError, PortError
        Here and in all methods, if the board does not answer or has gone. The next call searches for it again and
        starts as after power-up.
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
            A serial port such as ``/dev/ttyUSB0``; or ``sim:BOARD``, the board's gateware in a simulator, including its
            UART bit by bit. ``sim:BOARD,bytes`` omits the UART and is much faster.
        engine : str or None
            Required engine; None accepts any, and gives a simulated board "systolic".
        baud : int or None
            UART rate; by default the usual rates are tried, 3000000 first.
        soc : SocConfig or None
            Configuration of a simulated board in place of the engine's preset, for instance from
            `tercet.boards.sizing.network_soc`. It also sets the baud rate.
        options
            ``progress`` and ``patience``, as above.

        Raises
        ------
        WrongEngine
            If the board has another engine.
        PortError, LinkError
            If the port cannot be opened, or no board answers.
        ValueError
            If the board is unknown or speaks another protocol version, or `soc` is for another board.
        """
        if not isinstance(where, (str, os.PathLike)):
            raise TypeError(f"Board {where!r} is not a path; use a serial port or sim:BOARD")
        path = os.fspath(where)
        if path.startswith("sim:"):
            device = _open_simulated(cls, path[4:], engine, baud, soc, options)
        elif soc is not None:
            raise ValueError(f"The engine of {path!r} is fixed by its bitstream; omit soc, or use sim:BOARD")
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
        """Description reported by the board."""
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
        """The link, with its statistics."""
        return self._link

    def close(self) -> None:
        """Close the connection. Safe to call twice."""
        self._close()

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reset(self) -> None:
        """Reset the engine and its buffers to the power-up state."""
        self._ready().reset()

    def counters(self, *, clear: bool = False) -> dict[str, int]:
        """Read the performance counters of the engine and the link.

        The engine's count since the board was opened or they were cleared. Those of the link count frames ``accepted``,
        ``damaged``, ``repeated`` and ``dropped`` since power-up.
        """
        self._ready()
        return self._link.counters(clear=clear)

    def matmul(
        self, a: np.ndarray, w: np.ndarray, bias: np.ndarray | None = None, requant: Requant | None = None
    ) -> np.ndarray:
        """Compute ``a @ w + bias`` on a systolic engine, or ``a @ w`` on a tensor core.

        Parameters
        ----------
        a, w, bias, requant
            As in :func:`tercet.sim.systolic.matmul`. A tensor core takes its own formats, and neither bias nor
            requantisation. The host requantises if the engine has no requantiser, or if K exceeds its buffers.

        Returns
        -------
        (M, N) int32 array, int8 with requantisation; float32 or float16 from a tensor core

        Raises
        ------
        TypeError, ValueError
            If the operands do not match each other or the engine; nothing is sent then.
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
        """Compute ``a @ b + c`` on a tensor core; parameters and errors as in :func:`tercet.golden.tensorcore.mma`."""
        session = self._ready()
        self._check_engine("tensorcore")
        return tensorcore.mma(session, a, b, c)

    def network(self, layers: Any, acts: Any) -> Any:
        """Run layers on an EIE engine, as in :func:`tercet.sim.eie.network`, or on a systolic engine.

        A `Graph`, a `Program`, or the path of a file of either, is run as by `run`.

        Parameters
        ----------
        layers : sequence of EieLayer, or of Int8Layer
            At least one.
        acts : (in,) or (batch, in) int16 array, or (batch, in) int8 array
            Activations for EIE; input codes of the first layer for a systolic engine.

        Returns
        -------
        np.ndarray
            Output of the last layer.

        Raises
        ------
        WrongEngine
            If the board has another engine.
        TypeError, ValueError
            If the activations or a layer do not match the engine; nothing is sent then.
        """
        if isinstance(layers, (Graph, Program, str, os.PathLike)):
            return self.run(layers, acts)
        session = self._ready()
        if isinstance(layers, Sequence) and {*map(type, layers)} == {Int8Layer}:
            self._check_engine("systolic")
            return systolic.network(session, layers, acts)
        self._check_engine("eie")
        return eie.network(session, layers, acts)

    def compute(self, *arrays: Any, **options: Any) -> Any:
        """Run one job on the board's engine; `arrays` are those of `EngineModel.roles`.

        Returns
        -------
        np.ndarray, or from an NPU a list of them
            Result of `EngineModel.collect`.

        Raises
        ------
        TypeError, ValueError
            If the arrays do not match each other, the engine or its buffers; nothing is sent then.
        """
        session = self._ready()
        if self._soc.engine == "npu":
            # A network takes several jobs, and leaves its program in the memories.
            return npu.network(session, *arrays, **options)
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

    def product(self, acts: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Take a matrix product of `Graph.run`, as its argument `on`; see `matmul`."""
        return self.matmul(acts, weights, bias)

    def on_engine(self, graph: Graph) -> OnEngine:
        """Return a run of a graph that counts its products and seconds; `run` does the same without the figures."""
        self._check_engine("systolic")
        return OnEngine(self._ready(), graph)

    def on_npu(self, network: Any) -> OnNpu:
        """Return a run of a program that counts its bytes and seconds; `run` does the same without the figures.

        A `Graph`, or the path of a file, is compiled as by `run`.
        """
        self._check_engine("npu")
        session = self._ready()
        what = for_board(as_network(network), session.soc)
        if not isinstance(what, CompiledNetwork):
            raise TypeError(f"A {type(network).__name__} cannot be run on an NPU; use a Program, a Graph, or a path")
        return OnNpu(session, what.program)

    def run(self, network: Any, inputs: Any) -> Any:
        """Run a complete network on the engine it is for.

        Parameters
        ----------
        network : Graph, Program, Int8Network, list of CompressedLayer, one of `tercet.boards.host.networks`, or a path
            Network to run. A systolic engine takes the matrix products of a `Graph`, the host the rest. For an NPU, a
            `Graph` or an `Int8Network` is compiled on each call; the board keeps a program until it gets another.
        inputs : (batch, inputs) array
            Inputs of that network; of a `Graph`, those of `Graph.run`.

        Returns
        -------
        np.ndarray, or of a Graph or a Program, and from an NPU, a list of them
            Output of the last layer, or of a `Graph` or `Program` what `Graph.run` gives. For a compressed network it
            is int16; ``Compressed.fixed`` of `tercet.boards.host.networks` gives its fraction bits and its error
            against the network in real numbers.

        Errors are those of `network`, and a TypeError if `network` is not one of these types.
        """
        what = as_network(network)
        session = self._ready()
        what = for_board(what, session.soc)
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
    """Open the board at a serial port, at the first rate it answers."""
    if len(rates) == 1:
        return _open_at(cls, path, rates[0], RETRIES, options)
    for rate in rates:
        with contextlib.suppress(LinkError):
            device = _open_at(cls, path, rate, 1, options)
            device.link.retries = RETRIES
            return device
    raise LinkError(
        f"No answer from {path!r} at {' or '.join(map(str, rates))} baud; check the port, that the bitstream is "
        "loaded, and give its baud rate if it was built for another"
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
            f"soc is for {soc.board} at {soc.baud} baud, not for {where!r}; use sim:{soc.board}, and omit baud"
        )
    board = SimulatedBoard(soc, soc_sources(soc, uart=not mode), mode=mode or "uart")
    try:
        port = open_port(board.path, soc.baud)

        def close() -> None:
            port.close()
            board.close()

        # A millisecond on a board can take seconds in simulation.
        return cls(HostLink(port, timeout=30.0), close, **options)
    except BaseException:
        board.close()
        raise
