"""What can be run on a board, by its file: which engine it needs, what comes out, and what must come out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tercet.golden.checks import check_names
from tercet.golden.compress import container
from tercet.golden.compress.eie import sized_layers
from tercet.golden.compress.fixed_network import FixedNetwork, fixed_network, sized_network
from tercet.golden.compress.model import CompressedLayer
from tercet.golden.compress.ranges import without_ranges
from tercet.golden.eie.layer import EieLayer
from tercet.golden.networks.int8_network import Int8Network
from tercet.golden.numpy_file import read_numpy
from tercet.golden.tensorcore.model import mma

from . import eie as _eie
from . import systolic as _systolic
from . import tensorcore as _tensorcore
from .session import Session
from .tensorcore import zeros

__all__ = ["BoardNetwork", "Compressed", "Int8", "TileProduct", "as_network", "read_network"]


class Configured(Protocol):
    """A board as networks see it: a `SocConfig`, a `Session`, or an open `Device`."""

    @property
    def config(self) -> Any:
        """The engine's config."""
        ...


@dataclass(frozen=True)
class Int8:
    """A network in INT8, for a systolic engine; inputs are real numbers or int8."""

    network: Int8Network
    engine = "systolic"

    def run(self, session: Session, inputs: np.ndarray) -> np.ndarray:
        """The last layer's sums, from the board."""
        return _systolic.network(session, self.network.layers, self.network.codes(inputs))

    def golden(self, board: Configured, inputs: np.ndarray) -> np.ndarray:
        """The same from the golden model."""
        return self.network.run(inputs, board.config)[-1]


@dataclass(frozen=True)
class Compressed:
    """A compressed network, for an EIE engine; inputs are real numbers, or int16 codes.

    Without `ranges` all layers have the fraction bits of the engine's config, whatever ranges the network has.
    """

    layers: Sequence[CompressedLayer]
    ranges: bool = True
    engine = "eie"

    def fixed(self, board: Configured, inputs: np.ndarray) -> FixedNetwork:
        """Network and inputs in the board's numbers: their fraction bits, and what results are in real numbers."""
        return fixed_network(self.layers, inputs, board.config, permute="balance", ranges=self.ranges)

    def sized(self, fields: Mapping[str, Any], least: Mapping[str, int], inputs: Any = None) -> list[EieLayer]:
        """Encoded for an engine whose depths are chosen, as of `sized_layers`.

        Where the network has no ranges its fraction bits follow from the inputs, if they are known.
        """
        options: dict[str, Any] = {"least": least, "permute": "balance"}
        if inputs is not None:
            return sized_network(self.layers, inputs, fields, ranges=self.ranges, **options).layers
        return sized_layers(self.layers if self.ranges else without_ranges(self.layers), fields, **options)

    def run(self, session: Session, inputs: np.ndarray) -> np.ndarray:
        """The last layer's activations, from the board."""
        fixed = self.fixed(session, inputs)
        return _eie.network(session, fixed.layers, fixed.acts)

    def golden(self, board: Configured, inputs: np.ndarray) -> np.ndarray:
        """The same from the golden model."""
        return self.fixed(board, inputs).run().out


@dataclass(frozen=True)
class TileProduct:
    """A matrix B and an addend C, for a tensor core; inputs are A.

    Raises
    ------
    ValueError
        If B is no matrix, or C neither a matrix nor a row of as many columns.
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
        """C for these inputs, (M, N) or a batch of that."""
        shape = (*np.shape(inputs)[:-1], self.b.shape[1])
        if self.c is None:
            return zeros(shape, board.config)
        if self.c.ndim == 2 and self.c.shape[0] not in (1, *shape[-2:-1]):
            raise ValueError(f"c has {self.c.shape[0]} rows but the inputs {shape[-2]}; use equal numbers, or one row")
        return np.broadcast_to(self.c, shape)

    def run(self, session: Session, inputs: np.ndarray) -> np.ndarray:
        """A B + C, from the board."""
        return _tensorcore.mma(session, inputs, self.b, self.addend(session, inputs))

    def golden(self, board: Configured, inputs: np.ndarray) -> np.ndarray:
        """The same from the golden model."""
        return mma(inputs, self.b, self.addend(board, inputs), board.config)


BoardNetwork = Int8 | Compressed | TileProduct


def as_network(network: Any) -> BoardNetwork:
    """What can be run, from an `Int8Network`, a list of `CompressedLayer`, or one of the classes here.

    Raises
    ------
    TypeError
        If it is none of these.
    """
    if isinstance(network, BoardNetwork):
        return network
    if isinstance(network, Int8Network):
        return Int8(network)
    if isinstance(network, list) and network and all(isinstance(layer, CompressedLayer) for layer in network):
        return Compressed(network)
    raise TypeError(
        f"A {type(network).__name__} cannot be run; use an Int8Network, a list of CompressedLayer or a TileProduct"
    )


def read_network(path: Path) -> BoardNetwork:
    """Read a network: a file of ``tercet compress``, an INT8 network as ``.npz``, or an ``.npz`` with ``b`` and perhaps
    ``c``.

    Raises
    ------
    ValueError
        If it is none of these.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        magic = file.read(8)
    if magic.startswith(b"TERCETC"):
        return Compressed(container.load(path))
    arrays = read_numpy(path) if magic.startswith(b"PK") else {}
    if not isinstance(arrays, dict):
        arrays = {}
    if "b" in arrays:
        check_names(arrays, ["b"], ["c"], what=repr(str(path)), expected="b, and perhaps the addend c")
        return TileProduct(arrays["b"], arrays.get("c"))
    if any(re.fullmatch(r"input_scale|W\d+", name, re.I | re.A) for name in arrays):
        return Int8(Int8Network.load(path))
    raise ValueError(
        f"{str(path)!r} is no network; use a file of tercet compress, the .npz of an Int8Network, or one with b and c"
    )
