"""Read and check an ``.onnx`` file.

The file is untrusted: names must be valid text, and the length of an array must match its shape, so a damaged dimension
cannot cause an allocation larger than the file.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import MissingPackage, Unsupported

try:
    import onnx
    from google.protobuf.message import DecodeError
except ModuleNotFoundError:
    raise MissingPackage("an .onnx file", "onnx") from None

__all__ = ["MAX_ELEMENTS", "Declared", "File", "FileNode", "read"]

MAX_ELEMENTS = 1 << 24
"""Maximum elements of one activation tensor: 16 MiB of codes, more than any engine's buffer."""

_OLDEST = 10  # first opset with QuantizeLinear
_AGAIN = "export the model again"
_DTYPES = {
    "FLOAT": np.float32,
    "DOUBLE": np.float64,
    "FLOAT16": np.float16,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}
# Field of a tensor that holds its elements if raw_data is not used.
_FIELDS = {"FLOAT": "float_data", "DOUBLE": "double_data", "INT64": "int64_data"}


@dataclass(frozen=True, eq=False)
class FileNode:
    """One node.

    Attributes
    ----------
    name : str
        Its name, or that of its first output if it has none.
    op : str
        Operator type, prefixed with the domain unless it is ONNX's own: "com.microsoft.QGemm".
    version : int
        Opset version of its domain.
    inputs, outputs : tuple of str
        Names of values; "" if omitted.
    attributes : dict
        Numbers, strings, arrays, and tuples of numbers, by name.
    """

    name: str
    op: str
    version: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Node, operator and opset version, for messages."""
        return f"node {self.name!r} ({self.op}, opset {self.version})"


@dataclass(frozen=True)
class Declared:
    """Declared input or output of the graph; a symbolic dimension is None."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True, eq=False)
class File:
    """Nodes in file order, constants by name, and declared inputs and outputs."""

    nodes: tuple[FileNode, ...]
    constants: dict[str, Any]
    inputs: tuple[Declared, ...]
    outputs: tuple[Declared, ...]

    def constant(self, name: str) -> np.ndarray:
        """Return the elements of a constant.

        Raises
        ------
        Unsupported
            If their type is unsupported, they are stored in another file, or their number does not match the shape.
        """
        return _array(self.constants[name], f"the constant {name!r}")


def read(data: bytes) -> File:
    """Parse an ``.onnx`` file.

    Raises
    ------
    Unsupported
        If the content is damaged or uses unsupported parts of ONNX.
    """
    try:
        model = onnx.ModelProto.FromString(data)
    except (DecodeError, RuntimeError) as error:
        raise Unsupported(f"the file is not an ONNX model, or is damaged: {_line(error)}; {_AGAIN}") from None
    if not model.graph.node:
        raise Unsupported(f"the model has no nodes, or is not an ONNX model; {_AGAIN}")
    if model.functions:
        name = _text(model.functions[0].name)
        raise Unsupported(f"the model defines its own function {name!r}; export it with functions inlined")
    versions = _versions(model)
    graph = model.graph
    if graph.sparse_initializer:
        name = _text(graph.sparse_initializer[0].values.name)
        raise Unsupported(f"the constant {name!r} is stored sparsely; export the model without sparse initializers")
    constants = {_text(tensor.name): tensor for tensor in graph.initializer}
    inputs = tuple(_declared(value) for value in graph.input if _text(value.name) not in constants)
    outputs = tuple(_declared(value) for value in graph.output)
    nodes = tuple(_node(node, versions) for node in graph.node)
    return File(nodes, constants, inputs, outputs)


def _versions(model: Any) -> dict[str, int]:
    found = {_text(entry.domain) or "ai.onnx": int(entry.version) for entry in model.opset_import}
    version, newest = found.get("ai.onnx", 0), onnx.defs.onnx_opset_version()
    if version < _OLDEST:
        raise Unsupported(
            f"the model uses opset {version}, which has no QuantizeLinear; use at least {_OLDEST}: "
            "onnx.version_converter.convert_version(model, 13), then quantise"
        )
    if version > newest:
        raise Unsupported(f"the model uses opset {version}, newer than {newest}; update onnx, or export with opset 21")
    return found


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _text(value: Any) -> str:
    """Check a text field; protobuf returns damaged ones as bytes."""
    if not isinstance(value, str):
        raise Unsupported(f"the name {value!r} is not UTF-8; {_AGAIN}")
    return value


def _node(node: Any, versions: dict[str, int]) -> FileNode:
    domain = _text(node.domain) or "ai.onnx"
    op = _text(node.op_type)
    inputs = tuple(_text(name) for name in node.input)
    outputs = tuple(_text(name) for name in node.output)
    if not outputs:
        raise Unsupported(f"node {_text(node.name)!r} ({op}) has no output; {_AGAIN}")
    name = _text(node.name) or outputs[0]
    if domain != "ai.onnx":
        op = f"{domain}.{op}"
    found = FileNode(name, op, versions.get(domain, 1), inputs, outputs)
    for entry in node.attribute:
        found.attributes[_text(entry.name)] = _attribute(entry, found)
    return found


def _attribute(entry: Any, node: FileNode) -> Any:
    """Return the value of an attribute; graphs and types, which no conversion uses, are returned unparsed."""
    kind = onnx.AttributeProto.AttributeType.Name(entry.type) if entry.type in _KINDS else "UNDEFINED"
    if entry.ref_attr_name:
        raise Unsupported(
            f"{node.label}: an attribute refers to a function's attribute; export the model with functions inlined"
        )
    if kind == "FLOAT":
        return float(entry.f)
    if kind == "INT":
        return int(entry.i)
    if kind == "STRING":
        return entry.s.decode("utf-8", "replace")
    if kind == "TENSOR":
        return _array(entry.t, f"{node.label}: attribute {_text(entry.name)!r}")
    if kind == "FLOATS":
        return tuple(entry.floats)
    if kind == "INTS":
        return tuple(entry.ints)
    if kind == "UNDEFINED":
        raise Unsupported(f"{node.label}: attribute {_text(entry.name)!r} has no type; {_AGAIN}")
    return entry


_KINDS = set(onnx.AttributeProto.AttributeType.values())


def _declared(value: Any) -> Declared:
    name = _text(value.name)
    if value.type.WhichOneof("value") != "tensor_type":
        raise Unsupported(f"the edge {name!r} is not a dense tensor; use only dense tensors")
    tensor = value.type.tensor_type
    dtype = _dtype_name(tensor.elem_type)
    if not tensor.HasField("shape"):
        return Declared(name, dtype, None)
    shape = tuple(int(dim.dim_value) if dim.HasField("dim_value") else None for dim in tensor.shape.dim)
    if any(length is not None and length < 1 for length in shape):
        raise Unsupported(f"the edge {name!r} has shape {shape}; use lengths of at least 1")
    return Declared(name, dtype, shape)


def _dtype_name(code: int) -> str:
    """Return the name of an element type: "INT8", "FLOAT"."""
    return onnx.TensorProto.DataType.Name(code) if code in onnx.TensorProto.DataType.values() else f"type {code}"


def _array(tensor: Any, what: str) -> np.ndarray:
    """Return the elements of a stored tensor; `what` names it in messages."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise Unsupported(
            f"{what} is stored in another file; use onnx.save_model(model, path, save_as_external_data=False)"
        )
    dtype = _dtype_name(tensor.data_type)
    if dtype not in _DTYPES:
        raise Unsupported(f"{what} has type {dtype}; use float32, int8, uint8, int32 or int64")
    if tensor.HasField("segment"):
        raise Unsupported(f"{what} is stored in segments; save it whole")
    shape = tuple(tensor.dims)
    if any(length < 0 for length in shape):
        raise Unsupported(f"{what} has shape {shape}; {_AGAIN}")
    count = math.prod(shape)
    numpy_type = np.dtype(_DTYPES[dtype])
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != count * numpy_type.itemsize:
            raise Unsupported(
                f"{what} has shape {shape} of {dtype} but {len(tensor.raw_data)} bytes instead of "
                f"{count * numpy_type.itemsize}; {_AGAIN}"
            )
        return np.frombuffer(tensor.raw_data, numpy_type.newbyteorder("<")).astype(numpy_type).reshape(shape)
    values: Sequence[Any] = getattr(tensor, _FIELDS.get(dtype, "int32_data"))
    if len(values) != count:
        raise Unsupported(f"{what} has shape {shape} but {len(values)} elements instead of {count}; {_AGAIN}")
    if dtype == "FLOAT16":
        return np.array(values, np.int64).astype(np.uint16).view(np.float16).reshape(shape)
    return np.array(values).astype(numpy_type).reshape(shape)
