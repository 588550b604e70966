"""Graph inputs and outputs: the file's layout and types outside, channels-last int8 inside."""

from dataclasses import replace

import numpy as np
from tercet.golden.networks.graph import Edge
from tercet.golden.networks.operators import Dequantize
from tercet.golden.networks.operators.base import Shape
from tercet.golden.numerics.quantization import QuantParams

from ..errors import Unsupported
from .context import Context, cure, lookup_name
from .joining import SOFTMAX_PARAMS
from .layout import View, channels_last
from .reader import Declared, File, FileNode
from .values import Codes, Floats, Pending, Real, Value

__all__ = ["add_inputs", "add_outputs", "input_order", "needed"]

_DTYPES = {"FLOAT": "float32", "INT8": "int8", "UINT8": "uint8"}
# Operators whose first input is a feature map.
_SPATIAL = {
    *("Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "BatchNormalization", "PRelu"),
    *("QLinearConv", "com.microsoft.QLinearAveragePool", "com.microsoft.QLinearGlobalAveragePool"),
}
# Elementwise operators and operators that keep the axes.
_ELEMENTWISE = {
    *("QuantizeLinear", "DequantizeLinear", "Relu", "Clip", "Add", "Sub", "Mul", "Div", "Concat", "Identity", "Cast"),
    *("Pad", "Sigmoid", "Tanh", "LeakyRelu", "HardSwish", "com.microsoft.QLinearAdd", "com.microsoft.QLinearMul"),
    *("com.microsoft.QLinearConcat", "com.microsoft.QLinearSigmoid", "com.microsoft.QLinearLeakyRelu", "Slice"),
}


def input_order(nodes: list[FileNode], name: str, rank: int) -> tuple[int, ...]:
    """Choose an input's axis order in the graph such that the first feature map derived from it is channels last.

    Files converted from other frameworks often start with a Transpose to channels first: their input is channels last.
    """
    readers: dict[str, list[FileNode]] = {}
    for node in nodes:
        for each in node.inputs:
            readers.setdefault(each, []).append(node)
    waiting = [(name, tuple(range(rank)))]
    seen = {name}
    while waiting:
        value, axes = waiting.pop(0)
        for node in readers.get(value, ()):
            found = axes
            if node.op in _SPATIAL and node.inputs[0] == value:
                return tuple(axes[n] for n in channels_last(rank))
            if node.op == "Transpose":
                perm = node.attributes.get("perm", ())
                if not isinstance(perm, tuple) or sorted(perm) != list(range(rank)):
                    continue
                found = tuple(axes[n] for n in perm)
            elif node.op not in _ELEMENTWISE:
                continue
            for output in node.outputs:
                if output not in seen:
                    seen.add(output)
                    waiting.append((output, found))
    return tuple(range(rank))


def add_inputs(context: Context, nodes: list[FileNode]) -> None:
    """Declare the inputs; an input of codes gets its scale from the node that reads it."""
    batches = set()
    for declared in context.file.inputs:
        shape = _shape(declared)
        if declared.shape and declared.shape[0] is not None:
            batches.add(declared.shape[0])
        order = input_order(nodes, declared.name, len(shape)) if len(shape) in (3, 4) else tuple(range(len(shape)))
        if order[:1] != (0,):
            order = tuple(range(len(shape)))
        view = View.plain(declared.name, shape, order)
        dtype = "float32" if declared.dtype == "FLOAT" else "int8"
        tensor = context.graph.declare(declared.name, view.inside_shape, None, dtype)
        view = replace(view, tensor=tensor)
        floats = declared.dtype == "FLOAT"
        context.values[declared.name] = Floats(view) if floats else Codes(view, declared.dtype == "UINT8")
    if len(batches) > 1:
        raise Unsupported(f"the inputs have batches of {sorted(batches)}; use the same batch for all")
    context.batch = batches.pop() if batches else 1


def _shape(declared: Declared) -> Shape:
    """Return the shape of an input; a symbolic batch counts as 1."""
    if declared.dtype not in _DTYPES:
        cure = "use float32, int8 or uint8: activation_type=QuantType.QInt8 or QUInt8"
        raise Unsupported(f"the input {declared.name!r} has type {declared.dtype}; {cure}")
    shape = declared.shape
    if shape is None or None in shape[1:]:
        text = "an unknown shape" if shape is None else f"the dynamic shape {_dims(shape)}"
        raise Unsupported(
            f"the input {declared.name!r} has {text}; fix all dimensions but the batch, with "
            "onnxruntime.tools.make_dynamic_shape_fixed"
        )
    if not shape:
        raise Unsupported(f"the input {declared.name!r} is a scalar; use inputs with a leading batch")
    return tuple(1 if length is None else length for length in shape)


def _dims(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('?' if n is None else str(n) for n in shape)})"


def add_outputs(context: Context) -> None:
    """Define the edges of the graph and check its inputs."""
    graph = context.graph
    for declared in context.file.outputs:
        value = context.values.get(declared.name)
        if value is None:
            raise Unsupported(f"the output {declared.name!r} is never written; export the model again")
        graph.outputs.append(_output(context, declared.name, value))
    for declared in context.file.inputs:
        value = context.values[declared.name]
        assert isinstance(value, (Codes, Floats))  # for type checkers
        if isinstance(value, Codes) and graph.known[value.view.tensor].params is None:
            raise Unsupported(f"the input {declared.name!r} has codes without a scale; start with QuantizeLinear")
        graph.inputs.append(_edge(context, declared.name, value))


def _output(context: Context, name: str, value: Value) -> Edge:
    graph = context.graph
    if isinstance(value, (Real, Pending)):
        view, params = _quantised(context, name, value)
        view = graph.settled(view)
        tensor = graph.declare(f"{name}:float" if name in graph.known else name, view.inside_shape, None, "float32")
        graph.append(Dequantize(name=name, inputs=(view.tensor,), output=tensor, params=params))
        return _edge(context, name, Floats(replace(view, tensor=tensor)))
    if not isinstance(value, (Codes, Floats)):
        raise Unsupported(f"the output {name!r} is constant; remove it")
    view = graph.settled(value.view)
    if isinstance(value, Codes) and graph.known[view.tensor].params is None:
        raise Unsupported(f"the output {name!r} has codes without a scale; end with DequantizeLinear")
    return _edge(context, name, replace(value, view=view))


def _quantised(context: Context, name: str, value: Real | Pending) -> tuple[View, QuantParams]:
    """Quantise real numbers that the file outputs without quantisation."""
    if isinstance(value, Pending):
        if value.op != "Softmax":
            text = f"{value.label} of shape {value.shape}: the output {name!r} is not quantised"
            raise Unsupported(f"{text}; {cure((value.op,))}")
        return value.emit(f"{name}:codes", SOFTMAX_PARAMS, -128, 127), SOFTMAX_PARAMS
    if value.table is None:
        return value.view, value.params
    params = {"Sigmoid": SOFTMAX_PARAMS, "Tanh": QuantParams(1 / 128, 0)}.get(value.functions[-1], value.params)
    table = np.clip(np.rint(value.table / np.float32(params.scale)) + params.zero_point, -128, 127)
    exact = (table - params.zero_point) * float(params.scale)
    if np.abs(exact - value.table).max() > float(params.scale):
        functions = " and ".join(value.functions)
        text = f"the output {name!r} is the result of {functions}, not quantised"
        raise Unsupported(f"{text}; {cure(value.functions)}")
    output = _table(context, f"{name}:codes", value, params, table.astype(np.int8))
    return output, params


def _table(context: Context, name: str, value: Real, params: QuantParams, table: np.ndarray) -> View:
    """Append a table of codes."""
    tensor = context.graph.table(name, value.view.tensor, params, table, lookup_name(value.functions))
    return replace(value.view, tensor=tensor)


def _edge(context: Context, name: str, value: Codes | Floats) -> Edge:
    """Return the edge of a plain view."""
    view = value.view
    order = () if view.order == tuple(range(len(view.order))) else view.order
    if isinstance(value, Floats):
        return Edge(name, view.shape, "float32", None, 0, view.tensor, order)
    params = context.graph.params(view.tensor)
    zero_point = params.zero_point + 128 * value.unsigned
    dtype = "uint8" if value.unsigned else "int8"
    return Edge(name, view.shape, dtype, float(params.scale), zero_point, view.tensor, order)


def needed(file: File) -> list[FileNode]:
    """Return the nodes that the outputs depend on, in order."""
    wanted = {declared.name for declared in file.outputs}
    found = []
    for node in reversed(file.nodes):
        if wanted & {*node.outputs}:
            found.append(node)
            wanted |= {name for name in node.inputs if name}
    return found[::-1]
