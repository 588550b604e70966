"""What can be run on a board, by its file: which engine it needs, what comes out, and what must come out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tercet.golden.compress import container
from tercet.golden.compress.eie import eie_acts, eie_layers
from tercet.golden.compress.model import CompressedLayer
from tercet.golden.eie import spmv
from tercet.golden.int8_network import Int8Network
from tercet.golden.numpy_file import read_numpy
from tercet.golden.tensorcore import mma

from .play_tensorcore import zeros

if TYPE_CHECKING:
    from .host import Device
    from .soc_config import SocConfig

__all__ = ["BoardNetwork", "Compressed", "Int8", "TileProduct", "as_network", "read_network"]


@dataclass(frozen=True)
class Int8:
    """A network in INT8, for a systolic engine; inputs are real numbers or int8."""

    network: Int8Network
    engine = "systolic"

    def run(self, device: "Device", inputs: np.ndarray) -> np.ndarray:
        """The last layer's sums, from the board."""
        return device.network(self.network.layers, self.network.codes(inputs))

    def golden(self, device: "Device | SocConfig", inputs: np.ndarray) -> np.ndarray:
        """The same from the golden model."""
        return self.network.run(inputs, device.config)[-1]


@dataclass(frozen=True)
class Compressed:
    """A compressed network, for an EIE engine; inputs are real numbers."""

    layers: Sequence[CompressedLayer]
    engine = "eie"

    def run(self, device: "Device", inputs: np.ndarray) -> np.ndarray:
        """The last layer's activations, from the board."""
        layers = eie_layers(self.layers, device.config, permute="balance")
        return device.network(layers, eie_acts(inputs, device.config))

    def golden(self, device: "Device | SocConfig", inputs: np.ndarray) -> np.ndarray:
        """The same from the golden model."""
        acts = eie_acts(inputs, device.config)
        for layer in eie_layers(self.layers, device.config, permute="balance"):
            acts = spmv(layer, acts)
        return acts


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

    def addend(self, device: "Device | SocConfig", inputs: np.ndarray) -> np.ndarray:
        """C for these inputs, (M, N) or a batch of that."""
        shape = (*np.shape(inputs)[:-1], self.b.shape[1])
        if self.c is None:
            return zeros(shape, device.config)
        if self.c.ndim == 2 and self.c.shape[0] not in (1, *shape[-2:-1]):
            raise ValueError(f"c has {self.c.shape[0]} rows but the inputs {shape[-2]}; use equal numbers, or one row")
        return np.broadcast_to(self.c, shape)

    def run(self, device: "Device", inputs: np.ndarray) -> np.ndarray:
        """A B + C, from the board."""
        return device.mma(inputs, self.b, self.addend(device, inputs))

    def golden(self, device: "Device | SocConfig", inputs: np.ndarray) -> np.ndarray:
        """The same from the golden model."""
        return mma(inputs, self.b, self.addend(device, inputs), device.config)


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
    if "b" in arrays:
        return TileProduct(arrays["b"], arrays.get("c"))
    if "input_scale" in arrays:
        return Int8(Int8Network.load(path))
    raise ValueError(
        f"{str(path)!r} is no network; use a file of tercet compress, the .npz of an Int8Network, or one with b and c"
    )
