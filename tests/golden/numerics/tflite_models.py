"""Builder of small int8 `.tflite` models, and runners for TFLite Micro and LiteRT.

A model is a list of tensors and a list of operators; tensors with data are constants. Tests are skipped if a package
that they need is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

_MISSING = "{} is not installed; use pip install 'tercet[test]', where it has a wheel for this system"


def _package(name: str) -> Any:
    return pytest.importorskip(name, reason=_MISSING.format(name.split(".")[0].replace("_", "-")))


flatbuffers, tflite = _package("flatbuffers"), _package("tflite")
_TYPES = {np.dtype(np.int8): tflite.TensorType.INT8, np.dtype(np.int32): tflite.TensorType.INT32}
_SCHEMA = 3


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of a model; a vector of scales runs along `axis`."""

    name: str
    shape: tuple[int, ...]
    scale: float | np.ndarray
    zero_point: int = 0
    data: np.ndarray | None = None
    axis: int = 0

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.int8) if self.data is None else self.data.dtype


@dataclass(frozen=True)
class Operator:
    """An operator: schema name, tensors by name, and the fields of its options table."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: str
    fields: dict[str, Any] = field(default_factory=dict)


def model(
    tensors: Sequence[Tensor], operators: Sequence[Operator], inputs: Sequence[str], outputs: Sequence[str]
) -> bytes:
    """Serialise a model to the bytes of a `.tflite` file."""
    builder = flatbuffers.Builder(1024)
    index = {tensor.name: n for n, tensor in enumerate(tensors)}
    kinds = sorted({operator.kind for operator in operators})
    # Buffer 0 is empty by convention and shared by all tensors without data.
    buffers, tables = [_table(builder, "Buffer")], []
    for tensor in tensors:
        number = 0
        if tensor.data is not None:
            number = len(buffers)
            buffers.append(_table(builder, "Buffer", Data=builder.CreateByteVector(tensor.data.tobytes())))
        tables.append(_tensor(builder, tensor, number))
    subgraph = _table(
        builder,
        "SubGraph",
        Tensors=_offsets(builder, tables),
        Inputs=_indices(builder, index, inputs),
        Outputs=_indices(builder, index, outputs),
        Operators=_offsets(builder, [_operator(builder, operator, index, kinds) for operator in operators]),
    )
    codes = [getattr(tflite.BuiltinOperator, kind) for kind in kinds]
    root = _table(
        builder,
        "Model",
        Version=_SCHEMA,
        OperatorCodes=_offsets(
            builder, [_table(builder, "OperatorCode", DeprecatedBuiltinCode=min(c, 127), BuiltinCode=c) for c in codes]
        ),
        Subgraphs=_offsets(builder, [subgraph]),
        Buffers=_offsets(builder, buffers),
    )
    builder.Finish(root, b"TFL3")
    return bytes(builder.Output())


def _table(builder, kind: str, **fields) -> int:
    getattr(tflite, f"{kind}Start")(builder)
    for name, value in fields.items():
        getattr(tflite, f"{kind}Add{name}")(builder, value)
    return getattr(tflite, f"{kind}End")(builder)


def _offsets(builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _indices(builder, index: dict[str, int], names: Sequence[str]) -> int:
    return builder.CreateNumpyVector(np.array([index[name] for name in names], np.int32))


def _tensor(builder, tensor: Tensor, buffer: int) -> int:
    scales = np.atleast_1d(np.asarray(tensor.scale, np.float32))
    quantization = _table(
        builder,
        "QuantizationParameters",
        Scale=builder.CreateNumpyVector(scales),
        ZeroPoint=builder.CreateNumpyVector(np.full(scales.shape, tensor.zero_point, np.int64)),
        QuantizedDimension=tensor.axis,
    )
    return _table(
        builder,
        "Tensor",
        Shape=builder.CreateNumpyVector(np.array(tensor.shape, np.int32)),
        Type=_TYPES[tensor.dtype],
        Buffer=buffer,
        Name=builder.CreateString(tensor.name),
        Quantization=quantization,
    )


def _operator(builder, operator: Operator, index: dict[str, int], kinds: Sequence[str]) -> int:
    return _table(
        builder,
        "Operator",
        OpcodeIndex=kinds.index(operator.kind),
        Inputs=_indices(builder, index, operator.inputs),
        Outputs=_indices(builder, index, operator.outputs),
        BuiltinOptionsType=getattr(tflite.BuiltinOptions, operator.options),
        BuiltinOptions=_table(builder, operator.options, **operator.fields),
    )


def product_model(
    kind: str,
    weights: np.ndarray,
    bias: np.ndarray,
    *,
    rows: int,
    scales: tuple[float, float | np.ndarray, float],
    zero_points: tuple[int, int] = (0, 0),
) -> bytes:
    """``acts @ weights + bias`` as a FULLY_CONNECTED, or as a CONV_2D of one pixel per row.

    Parameters
    ----------
    kind : "FULLY_CONNECTED" or "CONV_2D"
        The operator.
    weights : (K, N) int8 array
        Weights; transposed in the file.
    bias : (N,) int32 array
        Biases.
    rows : int
        Rows of `acts`.
    scales : (input, weights, output)
        Scales; that of the weights may be an (N,) array.
    zero_points : (input, output)
        Zero points of the codes.
    """
    (k, n), convolution = weights.shape, kind == "CONV_2D"
    inner = (1, 1) if convolution else ()
    scale = np.atleast_1d(np.asarray(scales[1], np.float32))
    tensors = [
        Tensor("acts", (rows, *inner, k), scales[0], zero_points[0]),
        Tensor("weights", (n, *inner, k), scale, data=weights.T.astype(np.int8)),
        Tensor("bias", (n,), np.float32(scales[0]) * scale, data=bias.astype(np.int32)),
        Tensor("out", (rows, *inner, n), scales[2], zero_points[1]),
    ]
    options = ("Conv2DOptions", {"StrideH": 1, "StrideW": 1}) if convolution else ("FullyConnectedOptions", {})
    return model(tensors, [Operator(kind, ("acts", "weights", "bias"), ("out",), *options)], ["acts"], ["out"])


def average_pool_model(shape: tuple[int, int, int, int], window: tuple[int, int], zero_point: int) -> bytes:
    """AVERAGE_POOL_2D over whole windows, without padding; input and output have the same scale."""
    (batch, height, width, channels), (rows, columns) = shape, window
    tensors = [
        Tensor("x", shape, 0.5, zero_point),
        Tensor("out", (batch, height // rows, width // columns, channels), 0.5, zero_point),
    ]
    fields = {"Padding": tflite.Padding.VALID, "StrideH": rows, "StrideW": columns}
    fields |= {"FilterHeight": rows, "FilterWidth": columns}
    return model(tensors, [Operator("AVERAGE_POOL_2D", ("x",), ("out",), "Pool2DOptions", fields)], ["x"], ["out"])


def run_micro(data: bytes, x: np.ndarray) -> np.ndarray:
    """Run a model on TFLite Micro's interpreter with its reference kernels."""
    runtime = _package("tflite_micro.python.tflite_micro.runtime")
    interpreter = runtime.Interpreter.from_bytes(data, arena_size=len(data) + 20 * x.size + 2**20)
    interpreter.set_input(x, 0)
    interpreter.invoke()
    return np.array(interpreter.get_output(0))


def run_litert(data: bytes, x: np.ndarray) -> np.ndarray:
    """Run a model on LiteRT's interpreter with its reference kernels."""
    litert = _package("ai_edge_litert.interpreter")
    kernels = litert.OpResolverType.BUILTIN_REF
    interpreter = litert.Interpreter(model_content=data, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
