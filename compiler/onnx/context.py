"""Conversion context of a node: typed access to its inputs, quantisation of its output, and errors that name it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from tercet.golden.networks.operators import Quantize
from tercet.golden.networks.operators.base import Shape
from tercet.golden.numerics.quantization import QuantParams

from ..errors import Unsupported
from .emitter import Emitter
from .layout import View
from .reader import File, FileNode
from .values import Codes, Constant, Floats, Pending, Real, Value, codes_of

__all__ = ["Context", "Node", "cure", "lookup_name"]

_Attribute = TypeVar("_Attribute", int, float, str, tuple)
_COMPLETE = 12  # first opset for which onnxruntime quantises all of its quantisable operators
_NEWER = "use opset 13: onnx.version_converter.convert_version(model, 13), then quantise"
_SPELLINGS = {
    "Clip": "CLIP",
    "Elu": "ELU",
    "HardSwish": "HARD_SWISH",
    "LeakyRelu": "LEAKY_RELU",
    "Relu": "RELU",
    "Sigmoid": "LOGISTIC",
    "Tanh": "TANH",
}


def lookup_name(functions: Sequence[str]) -> str:
    """Return the TFLite name of a function of one code: that of its only operator, or LOOKUP."""
    if not functions:
        return "QUANTIZE"
    return _SPELLINGS.get(functions[0], "LOOKUP") if len(functions) == 1 else "LOOKUP"


def cure(functions: Sequence[str]) -> str:
    """Return the fix for operators that onnxruntime left in floating point."""
    if "BatchNormalization" in functions:
        return "fold it before quantisation: onnxruntime.quantization.shape_inference.quant_pre_process(model, output)"
    names = ", ".join(repr(name) for name in dict.fromkeys(functions))
    return f"quantise it too: quant_format=QuantFormat.QDQ, and op_types_to_quantize with {names} in it"


@dataclass
class Context:
    """Values by name, and the graph built so far.

    Attributes
    ----------
    file : File
        File being converted.
    graph : Emitter
        Graph builder.
    batch : int
        Batch size in the file; 1 if it is symbolic.
    values : dict of str to Value
        Values defined so far, by name.
    """

    file: File
    graph: Emitter
    batch: int = 1
    values: dict[str, Value] = field(default_factory=dict)


class Node:
    """One node during its conversion."""

    def __init__(self, context: Context, file: FileNode):
        self.context, self.file = context, file
        self.graph = context.graph
        self.op, self.version, self.name = file.op, file.version, file.name

    def refuse(self, reason: str, cure: str) -> Unsupported:
        """Return the error to raise, naming the node and its input shapes."""
        found = (self.context.values.get(name) for name in self.file.inputs)
        shapes = ", ".join(str(value.shape) for value in found if value is not None and not isinstance(value, Constant))
        return Unsupported(f"{self.file.label}{f' of shape {shapes}' if shapes else ''}: {reason}; {cure}")

    def attribute(self, name: str, default: _Attribute) -> _Attribute:
        """Return an attribute, which must have the type of the default."""
        value = self.file.attributes.get(name, default)
        if not isinstance(value, type(default)):
            raise self.refuse(f"attribute {name!r} is not of type {type(default).__name__}", "export the model again")
        return value

    def given(self, n: int) -> bool:
        """Whether input `n` is present."""
        return n < len(self.file.inputs) and self.file.inputs[n] != ""

    def value(self, n: int) -> Value:
        """Return input `n`, which is required."""
        if not self.given(n):
            raise self.refuse(f"input {n} is missing", "export the model again")
        name = self.file.inputs[n]
        if name not in self.context.values:
            if name not in self.context.file.constants:
                raise self.refuse(f"input {name!r} is read before it is written", "sort the nodes topologically")
            try:
                self.context.values[name] = Constant(self.context.file.constant(name))
            except Unsupported as error:
                raise Unsupported(f"{self.file.label}: {error}") from None
        return self.context.values[name]

    def constant(self, n: int, what: str) -> Constant:
        """Return input `n`, which must be constant."""
        value = self.value(n)
        if not isinstance(value, Constant):
            raise self.refuse(f"its {what} {self.file.inputs[n]!r} is computed by the network", "use a constant")
        return value

    def integers(self, name: str, n: int) -> tuple[int, ...] | None:
        """Return a list of integers: an attribute in older opsets, an input in newer ones."""
        if name in self.file.attributes:
            return self.attribute(name, ())
        if not self.given(n):
            return None
        array = self.constant(n, name).array
        if array.dtype.kind != "i" or array.ndim > 1:
            raise self.refuse(f"its {name} are {array.dtype} of shape {array.shape}", "use a list of int64")
        return tuple(int(v) for v in array.ravel())

    def number(self, n: int, what: str, default: float) -> float:
        """Return a constant real number, or the default if it is omitted."""
        if not self.given(n):
            return default
        array = self.constant(n, what).array
        if array.size != 1 or not np.isfinite(array).all():
            raise self.refuse(f"its {what} is not one finite number", "use a finite scalar")
        return float(array.reshape(()))

    def axis(self, axis: int, rank: int) -> int:
        """Normalise an axis to a non-negative index."""
        if not -rank <= axis < rank:
            raise self.refuse(f"axis {axis} is outside [{-rank}, {rank - 1}]", "export the model again")
        return axis % rank

    def real(self, n: int = 0) -> Real:
        """Return input `n`, which must be dequantised codes without a function applied."""
        return self.dequantised(self.value(n), self.file.inputs[n])

    def dequantised(self, value: Value, name: str) -> Real:
        """Return a value, which must be dequantised codes."""
        if isinstance(value, Real) and value.table is None:
            return value
        raise self.unquantised(value, name)

    def unquantised(self, value: Value, name: str) -> Unsupported:
        """Return the error for an input that is not dequantised codes."""
        if isinstance(value, Real):
            functions = value.functions or ("DequantizeLinear",)
            return self.refuse(
                f"input {name!r} is the result of {' and '.join(functions)}, not quantised", cure(functions)
            )
        if isinstance(value, Pending):
            help_ = cure((value.op,)) if self.version >= _COMPLETE or "." in self.op else _NEWER
            return self.refuse(f"input {name!r} is the result of {value.label}, not quantised", help_)
        if isinstance(value, Constant):
            return self.refuse(f"input {name!r} is constant", "fold constants before quantisation")
        if isinstance(value, Codes):
            return self.refuse(f"input {name!r} has codes but no scale", "insert a DequantizeLinear")
        return self.refuse(f"input {name!r} is float32, not quantised", cure((self.op,)))

    def params(self, scale: np.ndarray, zero_point: np.ndarray | None, unsigned: bool) -> tuple[QuantParams, bool]:
        """Return scale and zero point of activations as int8, and whether the file uses uint8."""
        if scale.dtype.kind != "f":
            raise self.refuse(f"a scale has type {scale.dtype}", "use float32")
        if scale.size != 1:
            raise self.refuse(f"activations have {scale.size} scales", "quantise activations with one scale")
        zero = 0
        if zero_point is not None:
            if zero_point.dtype not in (np.int8, np.uint8):
                raise self.refuse(f"codes are {zero_point.dtype}", "use activation_type=QuantType.QInt8 or QUInt8")
            if zero_point.size != 1:
                raise self.refuse(f"activations have {zero_point.size} zero points", "use one")
            unsigned, zero = zero_point.dtype == np.uint8, int(zero_point.reshape(()))
        return QuantParams(float(scale.reshape(())), zero - 128 * unsigned), unsigned

    def output_params(self, n: int) -> tuple[QuantParams, bool]:
        """Return the scale and zero point given by inputs `n` and ``n + 1``, and whether the file uses uint8."""
        zero_point = self.constant(n + 1, "zero point").array if self.given(n + 1) else None
        return self.params(self.constant(n, "scale").array, zero_point, True)

    def quantised(self, value: Value, params: QuantParams, name: str) -> View:
        """Quantise a value into a graph tensor and return its view."""
        if isinstance(value, Pending):
            try:
                return value.emit(name, params, *value.clamp(params))
            except Unsupported:
                raise
            except ValueError as error:
                # Blame the value's own node, not the QuantizeLinear that follows.
                raise Unsupported(f"{value.label} of shape {value.shape}: {' '.join(str(error).split())}") from None
        if isinstance(value, Floats):
            tensor = self.graph.declare(name, self.graph.shape(value.view.tensor), params)
            self.graph.append(
                Quantize(name=self.name, inputs=(value.view.tensor,), output=tensor, params=params, quantiser="onnx")
            )
            return _on(value.view, tensor)
        if not isinstance(value, Real):
            raise self.unquantised(value, name)
        table = codes_of(value.values, params)
        if value.params == params and (table == np.arange(-128, 128)).all():
            return value.view
        op = lookup_name(value.functions)
        return _on(value.view, self.graph.table(name, value.view.tensor, params, table, op))

    def set(self, value: Value, n: int = 0) -> None:
        """Define output `n`."""
        if n < len(self.file.outputs) and self.file.outputs[n]:
            self.context.values[self.file.outputs[n]] = value

    def set_quantised(self, value: Value, params: QuantParams, unsigned: bool) -> None:
        """Define the output as the quantised codes of a value."""
        view = self.quantised(value, params, self.file.outputs[0])
        self.set(Codes(view, unsigned))

    def fresh(self, name: str, shape: Shape, params: QuantParams, order: tuple[int, ...] | None = None) -> View:
        """Declare an operator output with this shape in the file and, optionally, another axis order in the graph."""
        view = View.plain(name, shape, order)
        return _on(view, self.graph.declare(name, view.inside_shape, params))


def _on(view: View, tensor: str) -> View:
    return View(tensor, view.factors, view.order, view.shape)
