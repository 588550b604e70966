"""Read a ``.tflite`` file into plain objects, checking every length against the file size.

The `tflite` package follows the offsets in a file unchecked. A damaged file raises many kinds of errors there, or
claims vectors of billions of elements; this module turns both into one-line errors.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import Unsupported

__all__ = ["DAMAGE", "File", "FileNode", "FileTensor", "damaged", "enum_name", "read"]

DAMAGE = (struct.error, IndexError, TypeError, AttributeError, OverflowError, MemoryError, UnicodeDecodeError)
"""Exceptions raised by reads at a wrong offset."""

# Limits of a shape; these engines do not support larger ones.
_MOST_ELEMENTS = 1 << 24
_MOST_DIMENSIONS = 8
# Limit of a name, which appears in messages; longer names are truncated.
_MOST_CHARACTERS = 500


@dataclass(frozen=True, eq=False)
class FileTensor:
    """Tensor in the file.

    Attributes
    ----------
    index : int
        Its index in the file.
    name : str
        Its name truncated to 500 bytes, or its index if it has none.
    shape : tuple of int
        Shape as stored, including the batch.
    signature : tuple of int
        Shape with -1 for dynamic dimensions; () if not stored.
    dtype : str
        Schema name of the type: "INT8", "FLOAT32".
    scales, zero_points : arrays
        One element, or one per channel; empty if the tensor is not quantised.
    axis : int
        Channel axis of `scales`.
    data : array or None
        Content, if constant.
    sparse, variable : bool
        Whether it is stored sparsely; whether it keeps state between runs.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    dtype: str
    scales: np.ndarray
    zero_points: np.ndarray
    axis: int
    data: np.ndarray | None
    sparse: bool
    variable: bool


@dataclass(frozen=True, eq=False)
class FileNode:
    """Operator in the file.

    Attributes
    ----------
    number : int
        Its position in execution order.
    op : str
        "CONV_2D", or "CUSTOM name".
    version : int
        Operator version.
    inputs, outputs : sequence of FileTensor or None
        Tensors; None for an omitted optional input.
    option : callable
        ``option("Conv2DOptions")`` returns the options as read by the `tflite` package, or None if the node has none.
    """

    number: int
    op: str
    version: int
    inputs: Sequence[FileTensor | None]
    outputs: Sequence[FileTensor]
    option: Callable[[str], Any]

    @property
    def label(self) -> str:
        """Number, output, operator and version, for messages."""
        name = f" {self.outputs[0].name!r}" if self.outputs else ""
        return f"node {self.number}{name} ({self.op} version {self.version})"


@dataclass(frozen=True, eq=False)
class File:
    """First subgraph of a file."""

    tensors: Sequence[FileTensor]
    nodes: Sequence[FileNode]
    inputs: Sequence[FileTensor]
    outputs: Sequence[FileTensor]


def enum_name(names: type, value: int) -> str:
    """Return the name of a value of a schema enumeration."""
    return next((name for name, code in vars(names).items() if code == value), str(value))


_DTYPES = {
    "INT8": np.dtype("i1"),
    "UINT8": np.dtype("u1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FLOAT32": np.dtype("<f4"),
    "BOOL": np.dtype("?"),
}


def read(data: bytes) -> File:
    """Read the first subgraph of a file.

    Raises
    ------
    ValueError
        If the file is damaged or is not a ``.tflite`` file.
    """
    if data[4:8] != b"TFL3":
        raise ValueError("it lacks the identifier TFL3 of a .tflite file; use a .tflite file")
    try:
        return _Reader(data).file()
    except DAMAGE as error:
        raise damaged(error) from None


def damaged(error: Exception) -> Unsupported:
    """Return the error for one of the exceptions in `DAMAGE`."""
    reason = " ".join(str(error).split())[:80]
    return Unsupported(f"the file is damaged ({type(error).__name__}: {reason}); export it again")


class _Reader:
    """Table reader that bounds all lengths."""

    def __init__(self, data: bytes):
        import tflite

        self._tflite, self._size = tflite, len(data)
        self._model = tflite.Model.GetRootAs(data, 0)

    def _count(self, length: int, what: str) -> int:
        if not 0 <= length <= self._size:
            raise ValueError(f"the file is damaged: it claims {length} {what}; export it again")
        return length

    def _vector(self, table: Any, field: str, dtype: Any) -> np.ndarray:
        """Return a numeric vector of a table; empty if absent."""
        self._count(getattr(table, f"{field}Length")(), f"elements of {field}")
        found = getattr(table, f"{field}AsNumpy")()
        return np.asarray(found if isinstance(found, np.ndarray) else [], dtype)

    def _text(self, value: bytes | None) -> str:
        return "" if value is None else value[:_MOST_CHARACTERS].decode("utf-8", "replace")

    def file(self) -> File:
        model = self._model
        if not self._count(model.SubgraphsLength(), "subgraphs"):
            raise ValueError("the file has no subgraph; export it again")
        graph: Any = model.Subgraphs(0)
        tensors = [self._tensor(graph, n) for n in range(self._count(graph.TensorsLength(), "tensors"))]
        nodes = [self._node(graph, n, tensors) for n in range(self._count(graph.OperatorsLength(), "operators"))]
        inputs, outputs = (
            [self._named(tensors, index) for index in self._vector(graph, field, np.int64)]
            for field in ("Inputs", "Outputs")
        )
        return File(tensors, nodes, inputs, outputs)

    def _named(self, tensors: Sequence[FileTensor], index: int) -> FileTensor:
        if not 0 <= index < len(tensors):
            raise ValueError(f"the file is damaged: it names tensor {index} of {len(tensors)}; export it again")
        return tensors[int(index)]

    @cached_property
    def _operators(self) -> list[tuple[str, int]]:
        """Name and version of each operator code.

        Older and newer files fill different fields; the package's own method ignores the new field for old operators.
        """
        names = self._tflite.BuiltinOperator
        found = []
        for n in range(self._count(self._model.OperatorCodesLength(), "operator codes")):
            code: Any = self._model.OperatorCodes(n)
            offset = code._tab.Offset(10)
            new = code._tab.Get(_int32(), offset + code._tab.Pos) if offset else 0
            op = enum_name(names, max(int(code.DeprecatedBuiltinCode()), int(new)))
            if op == "CUSTOM":
                op = f"CUSTOM {self._text(code.CustomCode())!r}"
            found.append((op, int(code.Version())))
        return found

    def _node(self, graph: Any, number: int, tensors: Sequence[FileTensor]) -> FileNode:
        node = graph.Operators(number)
        index = node.OpcodeIndex()
        if not 0 <= index < len(self._operators):
            raise ValueError(f"the file is damaged: node {number} names operator code {index}; export it again")
        op, version = self._operators[index]
        inputs = [None if i < 0 else self._named(tensors, i) for i in self._vector(node, "Inputs", np.int64)]
        outputs = [self._named(tensors, i) for i in self._vector(node, "Outputs", np.int64)]

        def option(kind: str) -> Any:
            table = node.BuiltinOptions()
            if table is None or node.BuiltinOptionsType() == 0:
                return None
            wanted = getattr(self._tflite.BuiltinOptions, kind)
            if node.BuiltinOptionsType() != wanted:
                found = enum_name(self._tflite.BuiltinOptions, node.BuiltinOptionsType())
                raise ValueError(f"node {number} ({op}) has {found}, not {kind}; export the model again")
            options = getattr(self._tflite, kind)()
            options.Init(table.Bytes, table.Pos)
            return options

        return FileNode(number, op, version, inputs, outputs, option)

    def _tensor(self, graph: Any, index: int) -> FileTensor:
        tensor = graph.Tensors(index)
        name = self._text(tensor.Name()) or f"tensor {index}"
        shape = tuple(int(n) for n in self._vector(tensor, "Shape", np.int64))
        if len(shape) > _MOST_DIMENSIONS:
            raise Unsupported(f"tensor {name!r} has {len(shape)} dimensions; use at most {_MOST_DIMENSIONS}")
        elements = 1
        for length in shape:
            elements *= max(length, 0)
            if length < 0 or elements > _MOST_ELEMENTS:
                raise Unsupported(f"tensor {name!r} has shape {shape}; use at most {_MOST_ELEMENTS} elements")
        dtype = enum_name(self._tflite.TensorType, tensor.Type())
        quantisation = tensor.Quantization()
        scales, zero_points, axis = np.zeros(0), np.zeros(0, np.int64), 0
        if quantisation is not None:
            scales = self._vector(quantisation, "Scale", np.float32).astype(np.float64)
            zero_points = self._vector(quantisation, "ZeroPoint", np.int64)
            axis = int(quantisation.QuantizedDimension())
        sparse = tensor.Sparsity() is not None
        return FileTensor(
            index,
            name,
            shape,
            tuple(int(n) for n in self._vector(tensor, "ShapeSignature", np.int64)),
            dtype,
            scales,
            zero_points,
            axis,
            None if sparse else self._data(tensor, name, dtype, shape),
            sparse,
            bool(tensor.IsVariable()),
        )

    def _data(self, tensor: Any, name: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray | None:
        number = tensor.Buffer()
        if not 0 <= number < self._count(self._model.BuffersLength(), "buffers"):
            raise ValueError(f"the file is damaged: tensor {name!r} names buffer {number}; export it again")
        raw = self._vector(self._model.Buffers(number), "Data", np.uint8)
        if not raw.size or dtype not in _DTYPES:
            return None
        kind = _DTYPES[dtype]
        need = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
        if raw.size != need:
            raise ValueError(
                f"the file is damaged: tensor {name!r} of {dtype} {shape} has {raw.size} bytes, not {need}; "
                "export it again"
            )
        return np.frombuffer(raw.tobytes(), kind).reshape(shape)


def _int32() -> Any:
    import flatbuffers.number_types

    return flatbuffers.number_types.Int32Flags
