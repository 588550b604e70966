"""An int8 network as a graph of operators, wherever it came from; runs any batch with TFLite Micro's bits.

Inside, activations are int8 with channels last and the batch in front. At the edges they have the file's own layout and
types: NCHW and uint8 for many ONNX files.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..numerics.quantization import QuantParams
from .operators import MatrixOperator, Operator, Product
from .operators.base import Shape
from .operators.host import Quantiser, float_codes, real_numbers

__all__ = ["Edge", "Graph", "Layer", "Tensor", "input_arrays"]

# Samples that run together: their activations stay in the caches.
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Tensor:
    """Activation tensor inside a graph.

    Attributes
    ----------
    shape : tuple of int
        Channels last, with a batch of 1 in front.
    params : QuantParams or None
        Scale and zero point of its int8 codes; None for other types, and for the codes inside an `Int8Network`.
    dtype : str
        "int8"; at an edge also "uint8", "float32", or "int32" for the sums that an `Int8Network` ends in.
    """

    shape: Shape
    params: QuantParams | None
    dtype: str = "int8"


@dataclass(frozen=True)
class Edge:
    """Input or output of a graph, as the file has it.

    Attributes
    ----------
    name : str
        Name in the file.
    shape : tuple of int
        The file's layout, with the batch as the file has it.
    dtype : str
        "int8", "uint8", "float32" or "int32".
    scale : float or None
        Real size of one step; None for float32, and where it is not known.
    zero_point : int
        Code of the real number 0 in `dtype`.
    tensor : str
        Tensor of the graph.
    order : tuple of int
        Axis of the file's layout for each axis inside; () where they are the same.
    quantiser : "tflite", "onnx" or "exact"
        How a float array becomes codes.
    """

    name: str
    shape: Shape
    dtype: str
    scale: float | None
    zero_point: int
    tensor: str
    order: tuple[int, ...] = ()
    quantiser: Quantiser = "tflite"

    @property
    def sample_shape(self) -> Shape:
        """Shape without the batch."""
        return self.shape[1:]

    def inside(self, x: np.ndarray, tensor: Tensor) -> np.ndarray:
        """A batch in the file's layout and type as the graph takes it."""
        if self.order:
            x = x.transpose(self.order)
        if self.dtype == "uint8" and tensor.dtype == "int8":
            x = (x.astype(np.int16) - 128).astype(np.int8)
        return x

    def outside(self, x: np.ndarray, tensor: Tensor) -> np.ndarray:
        """A batch of the graph in the file's layout and type."""
        if self.dtype == "uint8" and tensor.dtype == "int8":
            x = (x.astype(np.int16) + 128).astype(np.uint8)
        if self.order:
            x = x.transpose(np.argsort(self.order))
        return np.ascontiguousarray(x)

    def real(self, codes: np.ndarray) -> np.ndarray:
        """Real numbers of codes in the file's type, float32; without a scale, what is given."""
        return codes if self.scale is None else real_numbers(codes, self.scale, self.zero_point)


@dataclass(frozen=True)
class Layer:
    """One operator as tables show it.

    Attributes
    ----------
    name, op : str
        Name of the node, kind of operator.
    macs : int
        Multiply-accumulate operations for one sample.
    shape : tuple of int
        Of the output, channels last, with a batch of 1.
    weights : int
        Number of weights.
    """

    name: str
    op: str
    macs: int
    shape: Shape
    weights: int


@dataclass(frozen=True, eq=False)
class Graph:
    """An int8 network.

    Attributes
    ----------
    inputs, outputs : tuple of Edge
        In the file's order.
    operators : tuple of Operator
        In execution order.
    known : mapping of str to Tensor
        Every tensor, by name.
    source : str
        Where it came from, for reports.
    """

    inputs: tuple[Edge, ...]
    outputs: tuple[Edge, ...]
    operators: tuple[Operator, ...]
    known: Mapping[str, Tensor]
    source: str = ""

    def __post_init__(self):
        written = {edge.tensor for edge in self.inputs}
        for operator in self.operators:
            for name in operator.inputs:
                if name not in written:
                    raise ValueError(f"node {operator.name!r} reads {name!r} before it is written")
            shapes = [self.known[name].shape for name in operator.inputs]
            if operator.output_shape(*shapes) != self.known[operator.output].shape:
                raise ValueError(
                    f"node {operator.name!r} ({operator.op}) gives shape {operator.output_shape(*shapes)}, but "
                    f"{operator.output!r} has {self.known[operator.output].shape}"
                )
            written.add(operator.output)
        for edge in self.outputs:
            if edge.tensor not in written:
                raise ValueError(f"output {edge.name!r} is never written")

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Operators in execution order."""
        found = []
        for operator in self.operators:
            shapes = [self.known[name].shape for name in operator.inputs]
            shape = self.known[operator.output].shape
            found.append(Layer(operator.name, operator.op, operator.macs(*shapes), shape, operator.weight_count))
        return tuple(found)

    def run(self, x: Any, on: Product | None = None) -> list[np.ndarray]:
        """Compute the outputs.

        Parameters
        ----------
        x : array, or list of arrays in the order of `inputs`
            In the file's own layout and types; float arrays are quantised with the input's scale. With or without a
            leading batch of any size, the same for all.
        on : callable or None
            ``on(acts, weights, bias)`` takes the matrix products of CONV_2D and FULLY_CONNECTED: (M, K) int8,
            (K, N) int8 and (N,) int32 to (M, N) int32. By default NumPy does.

        Returns
        -------
        list of arrays
            In the order of `outputs`, in the file's layout and types; with a batch where `x` has one.

        Raises
        ------
        TypeError
            If an input has another type.
        ValueError
            If an input has another shape, or is not finite.
        """
        arrays, batched = input_arrays(self.inputs, x)
        results = [self._computed(chunk, on) for chunk in self._chunks(arrays, on)]
        found = []
        for n, edge in enumerate(self.outputs):
            whole = np.concatenate([chunk[n] for chunk in results])
            out = edge.outside(whole, self.known[edge.tensor])
            found.append(out if batched else out[0])
        return found

    def batch(self, x: Any) -> int:
        """Number of samples in inputs as of `run`, which are checked."""
        return len(input_arrays(self.inputs, x)[0][0])

    def tensors(self, x: Any) -> dict[str, np.ndarray]:
        """Every tensor on the way, by name, with a batch in front and channels last; `x` as of `run`."""
        arrays, _ = input_arrays(self.inputs, x)
        return self._all(arrays, None)

    def simplified(self) -> "Graph":
        """The same outputs, bit for bit, with fewer operators, channels and weights."""
        from .simplify import simplified

        return simplified(self)

    def replaced(self, operators: Sequence[Operator], known: Mapping[str, Tensor]) -> "Graph":
        """The graph with other operators between the same edges."""
        return replace(self, operators=tuple(operators), known=dict(known))

    def _computed(self, arrays: list[np.ndarray], on: Product | None) -> list[np.ndarray]:
        values = self._all(arrays, on, keep=False)
        return [values[edge.tensor] for edge in self.outputs]

    def _all(self, arrays: list[np.ndarray], on: Product | None, *, keep: bool = True) -> dict[str, np.ndarray]:
        values = {
            edge.tensor: edge.inside(array, self.known[edge.tensor])
            for edge, array in zip(self.inputs, arrays, strict=True)
        }
        last = self._last_use
        for n, operator in enumerate(self.operators):
            given = [values[name] for name in operator.inputs]
            if isinstance(operator, MatrixOperator):
                values[operator.output] = operator.run(*given, product=on)
            else:
                values[operator.output] = operator.run(*given)
            if not keep:
                for name in {*operator.inputs, operator.output}:
                    if last.get(name, -1) <= n:
                        del values[name]
        return values

    @cached_property
    def _last_use(self) -> dict[str, int]:
        last: dict[str, int] = {}
        for n, operator in enumerate(self.operators):
            last |= dict.fromkeys(operator.inputs, n)
        return last | dict.fromkeys((edge.tensor for edge in self.outputs), len(self.operators))

    def _chunks(self, arrays: list[np.ndarray], on: Product | None) -> Iterator[list[np.ndarray]]:
        count = len(arrays[0])
        largest = max(int(np.prod(tensor.shape)) for tensor in self.known.values())
        # On an engine, one large product is better than many small ones.
        size = count if on is not None else max(1, _CHUNK_BYTES // largest)
        for start in range(0, max(count, 1), max(size, 1)):
            yield [array[start : start + size] for array in arrays]


def input_arrays(edges: Sequence[Edge], x: Any) -> tuple[list[np.ndarray], bool]:
    """Inputs as batches in the file's types, and whether they came as batches; parameters and errors of `Graph.run`."""
    given = list(x) if isinstance(x, (list, tuple)) else [x]
    if len(given) != len(edges):
        names = ", ".join(edge.name for edge in edges)
        raise ValueError(f"The network takes {len(edges)} inputs ({names}), not {len(given)}; give a list")
    arrays = [_input(edge, array) for edge, array in zip(edges, given, strict=True)]
    batched = [array.ndim > len(edge.sample_shape) for edge, array in zip(edges, arrays, strict=True)]
    if len({*batched}) > 1:
        raise ValueError("Some inputs have a batch and others have none; give all of them one")
    if not batched[0]:
        arrays = [array[None] for array in arrays]
    if len({len(array) for array in arrays}) > 1:
        raise ValueError(f"Inputs have batches of {[len(array) for array in arrays]}; use equal ones")
    return arrays, batched[0]


def _input(edge: Edge, value: Any) -> np.ndarray:
    """An input in the file's type, with or without a batch."""
    array = np.asarray(value)
    shape = edge.sample_shape
    if array.shape != shape and array.shape[1:] != shape:
        raise ValueError(
            f"Input {edge.name!r} has shape {array.shape}; use {shape} for one sample or (batch, "
            f"{', '.join(map(str, shape))}) for several"
        )
    if array.ndim > len(shape) and not len(array):
        raise ValueError(f"Input {edge.name!r} has a batch of none; use at least one sample")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise ValueError(f"Input {edge.name!r} has values that are not finite; remove or replace them")
        if edge.scale is None:
            return array.astype(np.float32)
        return float_codes(array, edge.scale, edge.zero_point, np.dtype(edge.dtype), edge.quantiser)
    if array.dtype != edge.dtype:
        raise TypeError(
            f"Input {edge.name!r} has dtype {array.dtype}; use {edge.dtype}"
            + (" for codes, or float32 for real numbers" if edge.scale is not None else "")
        )
    return array
