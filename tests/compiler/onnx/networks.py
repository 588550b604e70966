"""Small float networks as ``.onnx``, and onnxruntime's quantisation of them."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

__all__ = ["Builder", "quantised"]

onnx = pytest.importorskip("onnx")
quantization = pytest.importorskip("onnxruntime.quantization")


@dataclass
class Builder:
    """A float network under construction; each method adds a node and returns the name of its output.

    Attributes
    ----------
    shape : tuple of int
        Of the input, with its batch.
    opset : int
        Of ONNX's own operators.
    """

    shape: tuple[int, ...]
    opset: int = 13
    seed: int = 0
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)

    def constant(self, array: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(array), name))
        return name

    def weights(self, *shape: int) -> str:
        fan_in = max(int(np.prod(shape[1:])), 1)
        return self.constant((self.rng.normal(size=shape) / np.sqrt(fan_in)).astype(np.float32))

    def add(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        n = len(self.nodes)
        names = [f"{op.lower()}{n}_{k}" for k in range(outputs)]
        self.nodes.append(onnx.helper.make_node(op, inputs, names, name=f"{op.lower()}{n}", **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x: str, channels: int, out: int, kernel: tuple[int, ...] = (3, 3), groups: int = 1, **rest) -> str:
        weights = self.weights(out, channels // groups, *kernel)
        bias = self.constant(self.rng.normal(size=out).astype(np.float32) * 0.3)
        return self.add("Conv", x, weights, bias, group=groups, kernel_shape=kernel, **rest)

    def gemm(self, x: str, depth: int, out: int, **rest: Any) -> str:
        shape = (out, depth) if rest.get("transB", 0) else (depth, out)
        weights = self.constant((self.rng.normal(size=shape) / np.sqrt(depth)).astype(np.float32))
        return self.add("Gemm", x, weights, self.constant(self.rng.normal(size=out).astype(np.float32)), **rest)

    def quantize(self, x: str, scale: float, zero_point: int, dtype: Any = np.uint8) -> str:
        return self.add("QuantizeLinear", x, self.constant(np.float32(scale)), self.constant(dtype(zero_point)))

    def dequantize(self, x: str, scale: float, zero_point: int, dtype: Any = np.uint8) -> str:
        return self.add("DequantizeLinear", x, self.constant(np.float32(scale)), self.constant(dtype(zero_point)))

    def qdq(self, x: str, scale: float, zero_point: int, dtype: Any = np.uint8) -> str:
        return self.dequantize(self.quantize(x, scale, zero_point, dtype), scale, zero_point, dtype)

    def codes(self, array: np.ndarray, scale: Any, zero_point: Any = 0, axis: int = 0) -> str:
        """Constant codes, dequantised with one scale or one per index of an axis."""
        scales = np.asarray(scale, np.float32)
        zeros = np.broadcast_to(np.asarray(zero_point), scales.shape).astype(array.dtype)
        inputs = self.constant(array), self.constant(scales), self.constant(zeros)
        return self.add("DequantizeLinear", *inputs, **({"axis": axis} if scales.ndim else {}))

    def model(
        self,
        *outputs: str,
        batch: Any = "batch",
        dtype: str = "FLOAT",
        out_dtype: str = "FLOAT",
        rest: Sequence[Any] = (),
    ) -> Any:
        """The finished model, perhaps with the `rest` of its inputs; shapes of outputs are inferred."""
        kind, out_kind = (onnx.TensorProto.DataType.Value(each) for each in (dtype, out_dtype))
        graph = onnx.helper.make_graph(
            self.nodes,
            "network",
            [onnx.helper.make_tensor_value_info("input", kind, [batch, *self.shape[1:]]), *rest],
            [onnx.helper.make_tensor_value_info(name, out_kind, None) for name in outputs],
            self.constants,
        )
        opset = [onnx.helper.make_opsetid("", self.opset), onnx.helper.make_opsetid("com.microsoft", 1)]
        return onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)


class _Reader:
    """Calibration samples, one batch at a time."""

    def __init__(self, samples: np.ndarray):
        self.rest = [{"input": samples}]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self.rest.pop() if self.rest else None


def quantised(
    model: Any,
    samples: np.ndarray,
    *,
    qdq: bool = True,
    unsigned: bool = True,
    weights: str = "QInt8",
    types: dict[str, Any] | None = None,
    **options: Any,
) -> bytes:
    """A model as onnxruntime quantises it statically; `types` replaces the types of activations and weights."""
    # 7-bit weights: without VNNI, onnxruntime's kernels for uint8 times int8 saturate sums of two products.
    options.setdefault("reduce_range", unsigned and not qdq and weights == "QInt8")
    kind = quantization.QuantType
    activations = kind.QUInt8 if unsigned else kind.QInt8
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        onnx.save_model(model, source)
        quantization.quantize_static(
            source,
            target,
            _Reader(samples),
            quant_format=quantization.QuantFormat.QDQ if qdq else quantization.QuantFormat.QOperator,
            **(types or {"activation_type": activations, "weight_type": getattr(kind, weights)}),
            **options,
        )
        return target.read_bytes()
