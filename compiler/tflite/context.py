"""Conversion context of a node: constants, activations, scales, and errors that name the node."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tercet.golden.numerics.quantization import QuantParams

from ..builder import GraphBuilder, Operand
from ..errors import Unsupported
from .reader import FileNode, FileTensor, enum_name

__all__ = ["Context", "Node"]

_CURES = {
    "FLOAT32": "quantise the whole model to int8: converter.target_spec.supported_ops = [TFLITE_BUILTINS_INT8]",
    "UINT8": "quantise to int8 with a converter of TensorFlow 2",
    "INT16": "use int8 activations: remove EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16",
    "INT4": "use int8 weights",
}


class Context:
    """Graph names of the file's tensors, and the graph builder."""

    def __init__(self, builder: GraphBuilder, tensors: Sequence[FileTensor]):
        self.builder = builder
        self.names = _unique(tensors)
        # Activations that carry only a shape and are never read as numbers.
        self.shapes: set[int] = set()

    def name(self, tensor: FileTensor) -> str:
        """Return the graph name of a tensor."""
        return self.names[tensor.index]


def _unique(tensors: Sequence[FileTensor]) -> dict[int, str]:
    """Return a unique name per tensor: its own, with its index appended to resolve duplicates."""
    taken: dict[str, int] = {}
    names = {}
    for tensor in tensors:
        name = tensor.name
        while name in taken:
            name = f"{tensor.name}#{tensor.index}"
            taken[tensor.name] = tensor.index
            if name in taken:
                name += "#"
        taken[name] = tensor.index
        names[tensor.index] = name
    return names


class Node:
    """One node during its conversion."""

    def __init__(self, context: Context, node: FileNode):
        self.context, self.file = context, node
        self.builder = context.builder
        self.op = node.op

    def refuse(self, reason: str, cure: str) -> Unsupported:
        """Return the error to raise, naming the node and its shapes."""
        shapes = ", ".join(str(t.shape) for t in self.file.inputs if t is not None and t.data is None)
        text = f"{self.file.label} of shape {shapes}" if shapes else self.file.label
        return Unsupported(f"{text}: {reason}; {cure}")

    @property
    def name(self) -> str:
        """Name of the node: that of its output, as files do not name nodes."""
        return self.output

    def option(self, kind: str) -> Any:
        """Return the node's options; see `FileNode.option`."""
        return self.file.option(kind)

    def activation(self, options: Any) -> str:
        """Return the name of the fused activation."""
        if options is None:
            return "NONE"
        import tflite

        found = enum_name(tflite.ActivationFunctionType, options.FusedActivationFunction())
        if found not in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1"):
            raise self.refuse(
                f"the fused activation {found} is not supported", "use RELU, RELU6 or a separate operator"
            )
        return found

    def input(self, n: int) -> FileTensor:
        """Return input `n`, which is required."""
        if n >= len(self.file.inputs) or self.file.inputs[n] is None:
            raise self.refuse(f"input {n} is missing", "export the model again")
        found = self.file.inputs[n]
        assert found is not None  # for type checkers
        return found

    def activations(self, n: int) -> str:
        """Return the graph name of input `n`, which must be an int8 activation."""
        tensor = self.input(n)
        if tensor.data is not None:
            raise self.refuse(f"input {n}, {tensor.name!r}, is constant", "fold constants before conversion")
        self.check_int8(tensor)
        name = self.context.name(tensor)
        if name not in self.builder.known:
            raise self.refuse(
                f"input {n}, {tensor.name!r}, is not computed by a supported node", "check the preceding nodes"
            )
        return name

    def check_int8(self, tensor: FileTensor) -> None:
        """Reject a tensor that is not int8 with one scale."""
        if tensor.dtype != "INT8":
            cure = _CURES.get(tensor.dtype, "use int8")
            hybrid = any(t is not None and t.dtype == "INT8" and t.data is not None for t in self.file.inputs)
            if tensor.dtype == "FLOAT32" and hybrid:
                raise self.refuse(
                    f"{tensor.name!r} is FLOAT32 with int8 weights (dynamic range)",
                    "give the converter a representative_dataset, for full integer quantisation",
                )
            raise self.refuse(f"{tensor.name!r} is {tensor.dtype}", cure)
        if tensor.sparse:
            raise self.refuse(f"{tensor.name!r} is stored sparsely", "convert without sparsity")
        if tensor.variable:
            raise self.refuse(f"{tensor.name!r} is a variable", "use a network without state")
        if tensor.data is None and any(n < 0 for n in tensor.signature[1:]):
            raise self.refuse(
                f"{tensor.name!r} has the dynamic shape {tensor.signature}", "fix all dimensions but the batch"
            )

    def params(self, tensor: FileTensor) -> QuantParams:
        """Return scale and zero point of an int8 tensor with one of each."""
        self.check_int8(tensor)
        return self.scaled(tensor)

    def scaled(self, tensor: FileTensor) -> QuantParams:
        """Return scale and zero point of a tensor with one of each."""
        if tensor.scales.size != 1 or tensor.zero_points.size > 1:
            raise self.refuse(f"{tensor.name!r} has {tensor.scales.size} scales", "quantise it with one")
        zero_point = int(tensor.zero_points[0]) if tensor.zero_points.size else 0
        try:
            return QuantParams(float(tensor.scales[0]), zero_point)
        except ValueError as error:
            raise self.refuse(f"{tensor.name!r}: {error}", "export the model again") from None

    @property
    def output(self) -> str:
        """Declare the only output and return its name."""
        if len(self.file.outputs) != 1:
            raise self.refuse(f"it has {len(self.file.outputs)} outputs", "export the model again")
        return self.declare(self.file.outputs[0])

    def declare(self, tensor: FileTensor) -> str:
        """Declare an int8 output and return its name."""
        name = self.context.name(tensor)
        if name not in self.builder.known:
            if not tensor.shape or tensor.shape[0] != 1:
                raise self.refuse(
                    f"its output has shape {tensor.shape}, without a leading batch of 1", "keep the leading batch"
                )
            self.builder.tensor(name, tensor.shape, self.params(tensor))
        return name

    def constant(self, n: int, dtypes: Sequence[str], what: str) -> np.ndarray:
        """Return the content of a constant input."""
        tensor = self.input(n)
        if tensor.sparse:
            raise self.refuse(f"the {what} {tensor.name!r} are stored sparsely", "convert without sparsity")
        if tensor.dtype not in dtypes:
            cure = _CURES.get(tensor.dtype, f"use {' or '.join(dtypes)}")
            raise self.refuse(f"the {what} {tensor.name!r} are {tensor.dtype}", cure)
        if tensor.data is None:
            raise self.refuse(f"the {what} {tensor.name!r} are not constant", "make them constant")
        return tensor.data

    def weights(self, n: int, axis: int) -> tuple[np.ndarray, np.ndarray]:
        """Return constant int8 weights and their scales: one, or one per channel along an axis."""
        # Report float activations before problems with the weights.
        self.check_int8(self.input(0))
        codes = self.constant(n, ("INT8",), "weights")
        tensor = self.input(n)
        channels = codes.shape[axis] if codes.ndim > axis else 0
        if tensor.scales.size not in (1, channels):
            raise self.refuse(
                f"the weights {tensor.name!r} have {tensor.scales.size} scales for {channels} channels",
                "use one scale or one per channel",
            )
        if tensor.scales.size > 1 and tensor.axis != axis:
            raise self.refuse(
                f"the weights {tensor.name!r} have a scale for each index of axis {tensor.axis}", f"use axis {axis}"
            )
        if not (np.isfinite(tensor.scales).all() and (tensor.scales >= 0).all()):
            raise self.refuse(
                f"the weights {tensor.name!r} have a scale below 0 or not finite", "export the model again"
            )
        if tensor.zero_points.any():
            zero = int(tensor.zero_points[np.flatnonzero(tensor.zero_points)[0]])
            raise self.refuse(f"the weights {tensor.name!r} have the zero point {zero}", "use symmetric weights")
        return codes, tensor.scales

    def bias(self, n: int, channels: int) -> np.ndarray | None:
        """Return the constant int32 bias, or None if it is omitted."""
        if n >= len(self.file.inputs) or self.file.inputs[n] is None:
            return None
        found = self.constant(n, ("INT32",), "biases")
        if found.shape != (channels,):
            raise self.refuse(f"the biases have shape {found.shape}", f"use ({channels},)")
        return found

    def operand(self, n: int) -> Operand:
        """Return an operand of a binary operator, constant or not."""
        tensor = self.input(n)
        if tensor.data is None:
            name = self.activations(n)
            return Operand(self.builder.params(name), name)
        params = self.params(tensor)
        codes = tensor.data
        # A constant broadcasts if its batch is absent or 1.
        rank = max((len(t.shape) for t in self.file.inputs if t is not None), default=0)
        if codes.ndim == rank and rank:
            if codes.shape[0] != 1:
                raise self.refuse(f"the constant {tensor.name!r} has a batch of {codes.shape[0]}", "use a batch of 1")
            codes = codes[0]
        return Operand(params, codes=codes)
