"""Networks that run on a board: required engine, result from the board, expected result."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tercet.compiler import compile as compile_graph
from tercet.compiler.int8_network import graph_of_int8_network
from tercet.compiler.load import SUFFIXES, load
from tercet.golden.checks import check_names
from tercet.golden.compress import container
from tercet.golden.compress.eie import sized_layers
from tercet.golden.compress.fixed_network import FixedNetwork, fixed_network, sized_network
from tercet.golden.compress.model import CompressedLayer
from tercet.golden.compress.ranges import without_ranges
from tercet.golden.eie.layer import EieLayer
from tercet.golden.networks.binary_network import BinaryNetwork, WordLayer, signs
from tercet.golden.networks.graph import Graph
from tercet.golden.networks.int8_network import Int8Network
from tercet.golden.npu.config import NpuConfig
from tercet.golden.npu.program import PROGRAM_SUFFIX, Program
from tercet.golden.numpy_file import read_numpy
from tercet.golden.systolic.binary import pack_signs
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.tensorcore.model import mma

from . import eie as _eie
from . import npu as _npu
from . import systolic as _systolic
from . import tensorcore as _tensorcore
from .graphs import OnEngine
from .session import Session
from .soc_config import SocConfig
from .tensorcore import zeros

__all__ = [
    "Binary",
    "BoardNetwork",
    "CompiledNetwork",
    "Compressed",
    "GraphNetwork",
    "Int8",
    "TileProduct",
    "as_network",
    "for_board",
    "read_network",
]

_PROGRAM_MAGIC = b"TERCETNP"


class Configured(Protocol):
    """Object with an engine config: a `SocConfig`, a `Session` or an open `Device`."""

    @property
    def config(self) -> Any:
        """The engine's config."""
        ...


@dataclass(frozen=True)
class Int8:
    """INT8 network for a systolic engine; inputs are real numbers or int8."""

    network: Int8Network
    engine = "systolic"

    def run(self, session: Session, inputs: np.ndarray) -> np.ndarray:
        """Return the last layer's sums from the board."""
        return _systolic.network(session, self.network.layers, self.network.codes(inputs))

    def golden(self, board: Configured, inputs: np.ndarray) -> np.ndarray:
        """Return the same result from the golden model."""
        return self.network.run(inputs, board.config)[-1]


@dataclass(frozen=True)
class Binary:
    """Network of signs for a systolic engine with ``mac="binary"``; inputs are real numbers."""

    network: BinaryNetwork
    engine = "systolic"

    def run(self, session: Session, inputs: np.ndarray) -> np.ndarray:
        """Return the last layer's sums from the board."""
        layers, acts = self.words(session.config, inputs)
        return _systolic.network(session, layers, acts, self.between(session.config))

    def golden(self, board: Configured, inputs: np.ndarray) -> np.ndarray:
        """Return the same result from the golden model, which has signs and no words."""
        return self.network.run(inputs)[-1]

    def check(self, soc: SocConfig, inputs: np.ndarray) -> None:
        """Raise what running it on a board would."""
        layers, acts = self.words(soc.config, inputs)
        _systolic.check(soc, layers, acts, self.between(soc.config))

    def words(self, config: SystolicConfig, inputs: np.ndarray) -> tuple[list[WordLayer], np.ndarray]:
        """Return layers and inputs in the engine's words.

        Raises
        ------
        ValueError
            If the engine is not for words of signs.
        """
        if not config.binary:
            raise ValueError(
                f"The network has weights of -1 and 1, but the engine has mac {config.mac!r}; use mac binary"
            )
        layers = [layer.words(config) for layer in self.network.layers]
        return layers, pack_signs(self.network.codes(inputs), config.act_width)

    @staticmethod
    def between(config: SystolicConfig) -> Callable[[np.ndarray], np.ndarray]:
        """Return the conversion of a layer's sums to the words that the next one reads."""
        return lambda sums: pack_signs(signs(sums), config.act_width)


@dataclass(frozen=True, eq=False)
class GraphNetwork:
    """Network from a model file; a systolic engine takes its matrix products, the host the rest.

    An NPU takes it as a whole; see `compiled`.
    """

    graph: Graph
    engine = "systolic"

    def compiled(self, config: NpuConfig, **options: bool) -> "CompiledNetwork":
        """Compile for an NPU; options and errors as for `tercet.compiler.compile`."""
        return CompiledNetwork(compile_graph(self.graph, config, **options))

    def run(self, session: Session, inputs: Any) -> list[np.ndarray]:
        """Return what ``graph.run(inputs)`` does."""
        return OnEngine(session, self.graph).run(inputs)

    def golden(self, board: Configured, inputs: Any) -> list[np.ndarray]:
        """Return the same from NumPy."""
        return self.graph.run(inputs)


@dataclass(frozen=True, eq=False)
class CompiledNetwork:
    """Network compiled for one NPU configuration."""

    program: Program
    engine = "npu"

    def run(self, session: Session, inputs: Any) -> list[np.ndarray]:
        """Return what ``program.run(inputs)`` does."""
        return _npu.network(session, self.program, inputs)

    def golden(self, board: Configured, inputs: Any) -> list[np.ndarray]:
        """Return the same from the golden machine."""
        return self.program.run(inputs)


@dataclass(frozen=True)
class Compressed:
    """Compressed network for an EIE engine; inputs are real numbers or int16 codes.

    Without `ranges` all layers use the fraction bits of the engine's config and the network's ranges are ignored.
    """

    layers: Sequence[CompressedLayer]
    ranges: bool = True
    engine = "eie"

    def fixed(self, board: Configured, inputs: np.ndarray) -> FixedNetwork:
        """Return network and inputs in the board's fixed-point format, with fraction bits and real-valued results."""
        return fixed_network(self.layers, inputs, board.config, permute="balance", ranges=self.ranges)

    def sized(self, fields: Mapping[str, Any], least: Mapping[str, int], inputs: Any = None) -> list[EieLayer]:
        """Encode for an engine whose depths are chosen to fit, as in `sized_layers`.

        Without ranges the fraction bits follow from the inputs, if given.
        """
        options: dict[str, Any] = {"least": least, "permute": "balance"}
        if inputs is not None:
            return sized_network(self.layers, inputs, fields, ranges=self.ranges, **options).layers
        return sized_layers(self.layers if self.ranges else without_ranges(self.layers), fields, **options)

    def run(self, session: Session, inputs: np.ndarray) -> np.ndarray:
        """Return the last layer's activations from the board."""
        fixed = self.fixed(session, inputs)
        return _eie.network(session, fixed.layers, fixed.acts)

    def golden(self, board: Configured, inputs: np.ndarray) -> np.ndarray:
        """Return the same result from the golden model."""
        return self.fixed(board, inputs).run().out


@dataclass(frozen=True)
class TileProduct:
    """Product A B + C for a tensor core, with fixed B and C; inputs are A.

    Raises
    ------
    ValueError
        If B is not a matrix, or C is neither a matrix nor a row with as many columns as B.
    """

    b: np.ndarray
    c: np.ndarray | None
    engine = "tensorcore"

    def __post_init__(self):
        if self.b.ndim != 2 or not self.b.size:
            raise ValueError(f"b has shape {self.b.shape}; use a matrix (K, N)")
        n = self.b.shape[1]
        if self.c is not None and (self.c.ndim > 2 or self.c.shape[-1:] not in ((), (1,), (n,))):
            raise ValueError(f"c has shape {self.c.shape} but b has {n} columns; use ({n},) or (M, {n})")

    def addend(self, board: Configured, inputs: np.ndarray) -> np.ndarray:
        """Return C for these inputs, (M, N) or a batch of such matrices."""
        shape = (*np.shape(inputs)[:-1], self.b.shape[1])
        if self.c is None:
            return zeros(shape, board.config)
        if self.c.ndim == 2 and self.c.shape[0] not in (1, *shape[-2:-1]):
            raise ValueError(f"c has {self.c.shape[0]} rows but the inputs {shape[-2]}; use equal numbers, or one row")
        return np.broadcast_to(self.c, shape)

    def run(self, session: Session, inputs: np.ndarray) -> np.ndarray:
        """Return A B + C from the board."""
        return _tensorcore.mma(session, inputs, self.b, self.addend(session, inputs))

    def golden(self, board: Configured, inputs: np.ndarray) -> np.ndarray:
        """Return the same result from the golden model."""
        return mma(inputs, self.b, self.addend(board, inputs), board.config)


BoardNetwork = Int8 | Binary | GraphNetwork | CompiledNetwork | Compressed | TileProduct


def for_board(network: BoardNetwork, soc: SocConfig) -> BoardNetwork:
    """Compile a graph or an INT8 network for the NPU of a board; other networks, and other engines, are unchanged.

    The host takes an INT8 network's last layer if it outputs INT32 sums.

    Raises
    ------
    ValueError
        If the NPU lacks an operator or a memory is too small; the message names it, the shortfall and the fix.
    """
    if soc.engine == "npu" and isinstance(network, GraphNetwork):
        return network.compiled(soc.config)
    if soc.engine == "npu" and isinstance(network, Int8):
        return GraphNetwork(graph_of_int8_network(network.network)).compiled(soc.config, host_fallback=True)
    return network


def as_network(network: Any) -> BoardNetwork:
    """Wrap a `Graph`, a `Program`, an `Int8Network` or a list of `CompressedLayer` for a board; read a path.

    Raises
    ------
    TypeError
        If the network is none of these.
    ValueError, OSError
        If the file cannot be read; see `read_network`.
    """
    if isinstance(network, BoardNetwork):
        return network
    if isinstance(network, (str, os.PathLike)):
        return read_network(Path(network))
    if isinstance(network, Graph):
        return GraphNetwork(network)
    if isinstance(network, Program):
        return CompiledNetwork(network)
    if isinstance(network, Int8Network):
        return Int8(network)
    if isinstance(network, BinaryNetwork):
        return Binary(network)
    if isinstance(network, list) and network and all(isinstance(layer, CompressedLayer) for layer in network):
        return Compressed(network)
    raise TypeError(
        f"A {type(network).__name__} cannot be run; use a Graph, an Int8Network, a Program, a list of CompressedLayer, "
        "a TileProduct, or a path"
    )


def read_network(path: Path) -> BoardNetwork:
    """Read a network.

    It is a ``.tflite`` or ``.onnx`` model, a ``.tercetn`` program, the output of ``tercet compress``, or an ``.npz`` of
    an INT8 network, of a binary one, or of ``b`` and optional ``c``.

    Raises
    ------
    ValueError
        If the file is none of these.
    OSError
        If it cannot be read.
    """
    if path.suffix in SUFFIXES:
        return GraphNetwork(load(path).simplified())
    with path.open("rb") as file:
        magic = file.read(8)
    if magic == _PROGRAM_MAGIC or path.suffix == PROGRAM_SUFFIX:
        return CompiledNetwork(Program.load(path))
    if magic.startswith(b"TERCETC"):
        return Compressed(container.load(path))
    arrays = read_numpy(path) if magic.startswith(b"PK") else {}
    if not isinstance(arrays, dict):
        arrays = {}
    if "b" in arrays:
        check_names(arrays, ["b"], ["c"], what=repr(str(path)), expected="b, and optionally the addend c")
        return TileProduct(arrays["b"], arrays.get("c"))
    if "thresholds" in arrays:
        return Binary(BinaryNetwork.load(path))
    if any(re.fullmatch(r"input_scale|W\d+", name, re.I | re.A) for name in arrays):
        return Int8(Int8Network.load(path))
    raise ValueError(
        f"{str(path)!r} is not a network file; use a .tflite or .onnx, the output of tercet compress, "
        "the .npz of an Int8Network or a BinaryNetwork, one with b and c, or the output of tercet compile"
    )
