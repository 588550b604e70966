"""Convert a ``.tflite`` file to a graph, node by node."""

from collections.abc import Sequence

from tercet.golden.networks.graph import Edge, Graph
from tercet.golden.numerics.requantization import Rounding

from ..builder import GraphBuilder
from ..errors import Unsupported
from .context import Context, Node
from .nodes import CONVERSIONS, SHAPE_NODES
from .reader import DAMAGE, File, FileTensor, damaged, read

__all__ = ["load_tflite"]


def load_tflite(data: bytes, source: str = "", rounding: Rounding = "double") -> Graph:
    """Convert a ``.tflite`` file to a graph.

    Parameters
    ----------
    data : bytes
        Content of the file.
    source : str
        Its name, for reports.
    rounding : "double", "single" or "away"
        Rounding of every requantisation; TFLite Micro uses "double".

    Raises
    ------
    ImportError
        If the `tflite` package is not installed.
    ValueError
        If the file is damaged or uses an unsupported feature.
    """
    file = read(data)
    builder = GraphBuilder(source, rounding)
    context = Context(builder, file.tensors)
    _inputs(context, file)
    for number, entry in enumerate(file.nodes):
        node = Node(context, entry)
        if _computes_shapes(context, node):
            continue
        convert = CONVERSIONS.get(entry.op)
        if convert is None:
            raise node.refuse("this operator is not supported", _cure(entry.op))
        before = len(builder.operators)
        try:
            convert(node)
        except Unsupported:
            raise
        except DAMAGE as error:
            # Options are parsed lazily, so damage in them shows up here.
            raise Unsupported(f"{entry.label}: {damaged(error)}") from None
        except ValueError as error:
            raise Unsupported(f"{entry.label}: {' '.join(str(error).split())}") from None
        _check_written(builder, before, number, entry.label)
    for tensor in file.outputs:
        builder.outputs.append(_edge(context, tensor, "output"))
    return builder.graph()


def _cure(op: str) -> str:
    if op.startswith("CUSTOM"):
        return "convert without custom operators"
    if op in ("IF", "WHILE", "CALL", "CALL_ONCE"):
        return "use a network without control flow"
    if op in ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "SVDF") or "LSTM" in op or "RNN" in op:
        return "use a network without state"
    return "replace it in the network; docs/models.md lists supported operators"


def _computes_shapes(context: Context, node: Node) -> bool:
    """Whether a node only computes the shape of another's output, which the file stores as well."""
    entry = node.file
    if entry.op not in SHAPE_NODES or not entry.outputs:
        return False
    if any(tensor.dtype not in ("INT32", "INT64") for tensor in entry.outputs):
        return False
    context.shapes.update(tensor.index for tensor in entry.outputs)
    return True


def _check_written(builder: GraphBuilder, before: int, number: int, label: str) -> None:
    """Reject a tensor written by two nodes or with the wrong shape, which only a damaged file has."""
    taken = {operator.output for operator in builder.operators[:before]} | {edge.tensor for edge in builder.inputs}
    for operator in builder.operators[before:]:
        if operator.output in taken:
            raise Unsupported(f"{label}: {operator.output!r} is written twice; export the model again")
        taken.add(operator.output)
        shapes = [builder.shape(name) for name in operator.inputs]
        found, want = operator.output_shape(*shapes), builder.shape(operator.output)
        if found != want:
            raise Unsupported(
                f"{label}: its output has shape {found}, but the file says {want}; export the model again"
            )


def _inputs(context: Context, file: File) -> None:
    builder = context.builder
    for tensor in file.inputs:
        if tensor.data is not None:
            raise Unsupported(f"input {tensor.name!r} is constant; export the model again")
        if not tensor.shape or tensor.shape[0] != 1:
            raise Unsupported(f"input {tensor.name!r} has shape {tensor.shape}; use a leading batch of 1")
        if any(n < 0 for n in tensor.signature[1:]):
            raise Unsupported(
                f"input {tensor.name!r} has the dynamic shape {tensor.signature}; fix all dimensions but the batch"
            )
        dtype = {"INT8": "int8", "UINT8": "uint8", "FLOAT32": "float32"}.get(tensor.dtype)
        if dtype is None:
            raise Unsupported(f"input {tensor.name!r} of shape {tensor.shape} is {tensor.dtype}; use int8")
        name = context.name(tensor)
        params = _first(context, file).params(tensor) if dtype == "int8" else None
        builder.tensor(name, tensor.shape, params, dtype)
        builder.inputs.append(_edge(context, tensor, "input"))


def _first(context: Context, file: File) -> Node:
    if not file.nodes:
        raise Unsupported("the file has no operators; export it again")
    return Node(context, file.nodes[0])


def _edge(context: Context, tensor: FileTensor, what: str) -> Edge:
    name = context.name(tensor)
    known = context.builder.known.get(name)
    if known is None:
        raise Unsupported(f"{what} {tensor.name!r} of type {tensor.dtype} is not computed; export the model again")
    scale, zero_point = None, 0
    if known.dtype != "float32":
        found: Sequence = (tensor.scales, tensor.zero_points)
        if tensor.scales.size != 1:
            raise Unsupported(f"{what} {tensor.name!r} has {tensor.scales.size} scales; quantise it with one")
        scale, zero_point = float(found[0][0]), int(found[1][0]) if found[1].size else 0
    return Edge(tensor.name, tensor.shape, known.dtype, scale, zero_point, name)
