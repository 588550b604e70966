"""Writer of `.tflite` files from plain lists of tensors and operators, valid or deliberately not.

Whatever a test wants to be wrong can be written: any tensor type, version, operator code field, signature or subgraph.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest

__all__ = ["Codes", "Network", "Operator", "Tensor", "write"]

_MISSING = "{0} is not installed; use pip install 'tercet[test]'"
flatbuffers, tflite = (pytest.importorskip(name, reason=_MISSING.format(name)) for name in ("flatbuffers", "tflite"))

Codes = Literal["both", "deprecated", "new"]
"""Field of an operator code that is filled: both, or one of them alone; the deprecated one holds at most 127."""

_SCHEMA = 3
_ENUMS = {"Padding": tflite.Padding, "FusedActivationFunction": tflite.ActivationFunctionType}
# Tables of options with another name than their operator's in camel case.
_OPTIONS = {
    "ADD": "AddOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MEAN": "ReducerOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "PADV2": "PadV2Options",
    "REDUCE_MAX": "ReducerOptions",
    "SUM": "ReducerOptions",
}


@dataclass(frozen=True, eq=False)
class Tensor:
    """Tensor of a file.

    Attributes
    ----------
    name : str
        Its name.
    shape : tuple of int
        Its shape; () for a scalar.
    scale : float, array or None
        One scale, or one per channel along `axis`; None without quantisation.
    zero_point : int or array
        One for all scales, or one each.
    data : array or None
        Constant contents.
    axis : int
        Axis of the scales.
    type : str
        ``tflite.TensorType``'s name; that of `data`, or INT8.
    signature : tuple of int
        Shape with -1 for unknown lengths; () where the file has none.
    sparse : bool
        The tensor has sparsity parameters.
    """

    name: str
    shape: tuple[int, ...]
    scale: Any = None
    zero_point: Any = 0
    data: np.ndarray | None = None
    axis: int = 0
    type: str = ""
    signature: tuple[int, ...] = ()
    sparse: bool = False

    @property
    def type_name(self) -> str:
        """Name of the type in the schema."""
        return self.type or ("INT8" if self.data is None else self.data.dtype.name.upper())


@dataclass(frozen=True, eq=False)
class Operator:
    """Operator of a file.

    Attributes
    ----------
    kind : str or int
        Name in the schema, or a code that it lacks.
    inputs, outputs : tuple of str
        Tensors by name; "" for an absent optional one.
    fields : dict
        Fields of its options; enumerations by name, vectors as lists.
    version : int
        Version of the operator.
    custom : str
        Name of a CUSTOM operator.
    """

    kind: str | int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    fields: dict[str, Any] = field(default_factory=dict)
    version: int = 1
    custom: str = ""

    @property
    def code(self) -> int:
        """Builtin code."""
        return getattr(tflite.BuiltinOperator, self.kind) if isinstance(self.kind, str) else self.kind

    @property
    def options(self) -> str:
        """Table of its options."""
        kind = str(self.kind)
        return _OPTIONS.get(kind, "".join(part.capitalize() for part in kind.split("_")) + "Options")


@dataclass
class Network:
    """Tensors and operators under construction: one subgraph of a file."""

    tensors: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    def tensor(self, shape: Sequence[int], scale: Any = None, zero_point: Any = 0, **more: Any) -> str:
        """Add a tensor; its name is made up, if not given."""
        name = more.pop("name", f"t{len(self.tensors)}")
        self.tensors.append(Tensor(name, tuple(map(int, shape)), scale, zero_point, **more))
        return name

    def constant(self, data: Any, scale: Any = None, zero_point: Any = 0, dtype: Any = np.int32, **more: Any) -> str:
        """Add a constant."""
        array = np.asarray(data, dtype)
        return self.tensor(array.shape, scale, zero_point, data=array, **more)

    def input(self, shape: Sequence[int], scale: Any = 0.5, zero_point: int = 0, **more: Any) -> str:
        """Add an input of the network."""
        self.inputs.append(self.tensor(shape, scale, zero_point, **more))
        return self.inputs[-1]

    def add(self, kind: str | int, inputs: Sequence[str], *outputs: str, version: int = 1, **fields: Any) -> None:
        """Add an operator."""
        custom = fields.pop("custom", "")
        self.operators.append(Operator(kind, tuple(inputs), outputs, fields, version, custom))

    def file(self, codes: Codes = "both", others: Sequence["Network"] = ()) -> bytes:
        """The file, `others` as further subgraphs."""
        return write([self, *others], codes)


def write(networks: Sequence[Network], codes: Codes = "both") -> bytes:
    """Bytes of a file with these subgraphs."""
    writer = _Writer(codes)
    subgraphs = [writer.subgraph(network) for network in networks]
    return writer.model(subgraphs)


class _Writer:
    def __init__(self, codes: Codes):
        self.codes: Codes = codes
        self.fb = flatbuffers.Builder(1024)
        # Buffer 0 is empty, and that of every tensor without data.
        self.buffers = [self.table("Buffer")]
        self.kinds: list[tuple[int, int, str]] = []

    def table(self, kind: str, **fields: Any) -> int:
        """A table; fields that are arrays, lists, strings or enumerators by name become what the schema has."""
        values = {name: self.value(name, value) for name, value in fields.items()}
        getattr(tflite, f"{kind}Start")(self.fb)
        for name, value in values.items():
            getattr(tflite, f"{kind}Add{name}")(self.fb, value)
        return getattr(tflite, f"{kind}End")(self.fb)

    def value(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            return getattr(_ENUMS[name], value) if name in _ENUMS else self.fb.CreateString(value)
        if isinstance(value, list):
            value = np.asarray(value, np.int32)
        return self.fb.CreateNumpyVector(value) if isinstance(value, np.ndarray) else value

    def offsets(self, offsets: Sequence[int]) -> int:
        self.fb.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.fb.PrependUOffsetTRelative(offset)
        return self.fb.EndVector()

    def tensor(self, tensor: Tensor) -> int:
        number, fields = 0, {}
        if tensor.data is not None:
            number = len(self.buffers)
            data = np.frombuffer(tensor.data.tobytes(), np.uint8)
            self.buffers.append(self.table("Buffer", Data=data))
        if tensor.scale is not None:
            scales = np.atleast_1d(np.asarray(tensor.scale, np.float32))
            zero_points = np.broadcast_to(np.asarray(tensor.zero_point, np.int64), scales.shape).copy()
            fields["Quantization"] = self.table(
                "QuantizationParameters", Scale=scales, ZeroPoint=zero_points, QuantizedDimension=tensor.axis
            )
        if tensor.signature:
            fields["ShapeSignature"] = list(tensor.signature)
        if tensor.sparse:
            fields["Sparsity"] = self.table("SparsityParameters", TraversalOrder=list(range(len(tensor.shape))))
        kind = getattr(tflite.TensorType, tensor.type_name)
        return self.table("Tensor", Shape=list(tensor.shape), Type=kind, Buffer=number, Name=tensor.name, **fields)

    def operator(self, operator: Operator, index: dict[str, int]) -> int:
        key = operator.code, operator.version, operator.custom
        if key not in self.kinds:
            self.kinds.append(key)
        fields: dict[str, Any] = {"OpcodeIndex": self.kinds.index(key)}
        for name, names in (("Inputs", operator.inputs), ("Outputs", operator.outputs)):
            fields[name] = [index[each] if each else -1 for each in names]
        if hasattr(tflite.BuiltinOptions, operator.options):
            fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, operator.options)
            fields["BuiltinOptions"] = self.table(operator.options, **operator.fields)
        return self.table("Operator", **fields)

    def subgraph(self, network: Network) -> int:
        index = {tensor.name: n for n, tensor in enumerate(network.tensors)}
        return self.table(
            "SubGraph",
            Tensors=self.offsets([self.tensor(tensor) for tensor in network.tensors]),
            Inputs=[index[name] for name in network.inputs],
            Outputs=[index[name] for name in network.outputs],
            Operators=self.offsets([self.operator(operator, index) for operator in network.operators]),
        )

    def operator_code(self, code: int, version: int, custom: str) -> int:
        fields: dict[str, Any] = {"Version": version}
        if self.codes != "new":
            fields["DeprecatedBuiltinCode"] = min(code, 127)
        if self.codes != "deprecated":
            fields["BuiltinCode"] = code
        if custom:
            fields["CustomCode"] = custom
        return self.table("OperatorCode", **fields)

    def model(self, subgraphs: Sequence[int]) -> bytes:
        root = self.table(
            "Model",
            Version=_SCHEMA,
            OperatorCodes=self.offsets([self.operator_code(*key) for key in self.kinds]),
            Subgraphs=self.offsets(subgraphs),
            Buffers=self.offsets(self.buffers),
        )
        self.fb.Finish(root, b"TFL3")
        return bytes(self.fb.Output())
