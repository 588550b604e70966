"""Int8 network as a graph of operators, bit-identical to TFLite Micro for batches of any size.

Internal activations are int8, batch first and channels last. At the edges they have the file's layout and types: NCHW
and uint8 for many ONNX files.
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

# Activation bytes of the samples that run together, chosen to stay in the caches.
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Tensor:
    """Activation tensor of a graph.

    Attributes
    ----------
    shape : tuple of int
        Channels last, with a leading batch of 1.
    params : QuantParams or None
        Scale and zero point of its int8 codes; None for other types and for internal tensors of an `Int8Network`.
    dtype : str
        "int8"; at an edge also "uint8", "float32", or "int32" for the output sums of an `Int8Network`.
    """

    shape: Shape
    params: QuantParams | None
    dtype: str = "int8"


@dataclass(frozen=True)
class Edge:
    """Input or output of a graph, as described by the file.

    Attributes
    ----------
    name : str
        Name in the file.
    shape : tuple of int
        Shape in the file's layout, including the file's batch.
    dtype : str
        "int8", "uint8", "float32" or "int32".
    scale : float or None
        Real value of one code step; None for float32 and if unknown.
    zero_point : int
        Code of real zero, in `dtype`.
    tensor : str
        Name of the graph tensor.
    order : tuple of int
        File axis of each graph axis; () for identical layouts.
    quantiser : "tflite", "onnx" or "exact"
        Rounding used to quantise float arrays.
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
        """Shape in the file, without the batch."""
        return self.shape[1:]

    def inside(self, x: np.ndarray, tensor: Tensor) -> np.ndarray:
        """Convert a batch from the file's layout and type to the graph's."""
        if self.order:
            x = x.transpose(self.order)
        if self.dtype == "uint8" and tensor.dtype == "int8":
            x = (x.astype(np.int16) - 128).astype(np.int8)
        return x

    def outside(self, x: np.ndarray, tensor: Tensor) -> np.ndarray:
        """Convert a batch from the graph's layout and type to the file's."""
        if self.dtype == "uint8" and tensor.dtype == "int8":
            x = (x.astype(np.int16) + 128).astype(np.uint8)
        if self.order:
            x = x.transpose(np.argsort(self.order))
        return np.ascontiguousarray(x)

    def real(self, codes: np.ndarray) -> np.ndarray:
        """Dequantise codes of the file's type to float32; without a scale, return them unchanged."""
        return codes if self.scale is None else real_numbers(codes, self.scale, self.zero_point)


@dataclass(frozen=True)
class Layer:
    """Summary of one operator, for reports.

    Attributes
    ----------
    name, op : str
        Node name and kind of operator.
    macs : int
        Multiply-accumulate operations per sample.
    shape : tuple of int
        Output shape, channels last, with a batch of 1.
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
        Edges in the file's order.
    operators : tuple of Operator
        Operators in execution order.
    known : mapping of str to Tensor
        All tensors, by name.
    source : str
        Name of the model, for reports.
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
        """Summaries of the operators, in execution order."""
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
            Inputs in the file's layout and types; float arrays are quantised with the input's scale. A leading batch of
            any size is optional, but must be the same for all inputs.
        on : callable or None
            ``on(acts, weights, bias)`` computes the matrix products of CONV_2D and FULLY_CONNECTED: (M, K) int8,
            (K, N) int8 and (N,) int32 to (M, N) int32. Default: NumPy.

        Returns
        -------
        list of arrays
            In the order of `outputs`, in the file's layout and types; batched if `x` is.

        Raises
        ------
        TypeError
            If an input has the wrong type.
        ValueError
            If an input has the wrong shape or a non-finite value.
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
        """Check inputs as for `run` and return their number of samples."""
        return len(input_arrays(self.inputs, x)[0][0])

    def tensors(self, x: Any) -> dict[str, np.ndarray]:
        """Return every tensor by name, batch first and channels last; `x` as for `run`."""
        arrays, _ = input_arrays(self.inputs, x)
        return self._all(arrays, None)

    def simplified(self) -> "Graph":
        """Return a graph with bit-identical outputs and fewer operators, channels and weights."""
        from .simplify import simplified

        return simplified(self)

    def replaced(self, operators: Sequence[Operator], known: Mapping[str, Tensor]) -> "Graph":
        """Return a graph with other operators between the same edges."""
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
        # On an engine, one large product is faster than many small ones.
        size = count if on is not None else max(1, _CHUNK_BYTES // largest)
        for start in range(0, max(count, 1), max(size, 1)):
            yield [array[start : start + size] for array in arrays]


def input_arrays(edges: Sequence[Edge], x: Any) -> tuple[list[np.ndarray], bool]:
    """Return inputs as batches in the file's types, and whether they were batched; errors as for `Graph.run`."""
    given = list(x) if isinstance(x, (list, tuple)) else [x]
    if len(given) != len(edges):
        names = ", ".join(edge.name for edge in edges)
        raise ValueError(f"The network takes {len(edges)} inputs ({names}), not {len(given)}; give a list")
    arrays = [_input(edge, array) for edge, array in zip(edges, given, strict=True)]
    batched = [array.ndim > len(edge.sample_shape) for edge, array in zip(edges, arrays, strict=True)]
    if len({*batched}) > 1:
        raise ValueError("Some inputs have a batch and others have none; give all of them a batch")
    if not batched[0]:
        arrays = [array[None] for array in arrays]
    if len({len(array) for array in arrays}) > 1:
        raise ValueError(f"Inputs have batches of {[len(array) for array in arrays]}; use equal batches")
    return arrays, batched[0]


def _input(edge: Edge, value: Any) -> np.ndarray:
    """Check an input, batched or not, and convert it to the file's type."""
    array = np.asarray(value)
    shape = edge.sample_shape
    if array.shape != shape and array.shape[1:] != shape:
        raise ValueError(
            f"Input {edge.name!r} has shape {array.shape}; use {shape} for one sample or (batch, "
            f"{', '.join(map(str, shape))}) for several"
        )
    if array.ndim > len(shape) and not len(array):
        raise ValueError(f"Input {edge.name!r} has an empty batch; use at least one sample")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise ValueError(f"Input {edge.name!r} has non-finite values; remove or replace them")
        if edge.scale is None:
            return array.astype(np.float32)
        return float_codes(array, edge.scale, edge.zero_point, np.dtype(edge.dtype), edge.quantiser)
    if array.dtype != edge.dtype:
        raise TypeError(
            f"Input {edge.name!r} has dtype {array.dtype}; use {edge.dtype}"
            + (" for codes, or float32 for real numbers" if edge.scale is not None else "")
        )
    return array
