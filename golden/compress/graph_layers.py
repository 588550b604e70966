"""Layers of an int8 graph that an EIE engine can run, in real numbers.

A fully connected layer is a matrix times a vector, and so is a 1x1 convolution at every pixel. Weights and biases
become real again, channel by channel, as the requantisation of each channel contains its scales. An activation is
real, too: the code of real zero, in which a ReLU's zeros result, is a zero that the engine skips, so the input's zero
point needs no correction and stays exact when weights are pruned.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tercet.golden.checks import INT8, INT32
from tercet.golden.networks.graph import Edge, Graph
from tercet.golden.networks.operators import Conv2D, FullyConnected, MatrixOperator, Operator, Reshape
from tercet.golden.numerics.quantization import QuantParams, dequantize, quantize

__all__ = ["GraphLayer", "between", "chain_break", "chain_graph", "graph_layers", "refusal"]


@dataclass(frozen=True, eq=False)
class GraphLayer:
    """A layer of a graph in real numbers; created by `graph_layers`.

    Attributes
    ----------
    index : int
        Number of the operator in the graph.
    operator : Conv2D or FullyConnected
        The operator.
    weights : (out, in) float64 array
        Real weights.
    bias : (out,) float64 array
        Real bias, without the input's zero point.
    before : QuantParams
        Real values of the input's codes; of scale 1 where the file has none.
    after : QuantParams or None
        Those of the output; None for INT32 sums, which are real values themselves.
    """

    index: int
    operator: Conv2D | FullyConnected
    weights: np.ndarray
    bias: np.ndarray
    before: QuantParams
    after: QuantParams | None

    @property
    def name(self) -> str:
        """Name of the operator."""
        return self.operator.name

    @property
    def act_range(self) -> float:
        """Largest magnitude of an input's code."""
        return _largest(self.before, *INT8)

    @property
    def out_range(self) -> float:
        """Largest magnitude of an output's code, within the fused activation; or that of a sum, over all inputs."""
        requant = self.operator.requant
        if requant is None or self.after is None:
            return float((np.abs(self.weights).sum(axis=1) * self.act_range + np.abs(self.bias)).max())
        return _largest(self.after, requant.qmin, requant.qmax)

    @property
    def relu(self) -> bool:
        """Whether negative outputs become zero."""
        requant = self.operator.requant
        return requant is not None and requant.qmin == requant.zero_point

    def vectors(self, x: np.ndarray) -> np.ndarray:
        """Return the vectors that the weights multiply, (vectors, in) float64, for int8 codes with a leading batch."""
        rows = self.operator.matrix(x) if isinstance(self.operator, Conv2D) else x.reshape(-1, self.weights.shape[1])
        return dequantize(rows, self.before)

    def codes(self, out: np.ndarray) -> np.ndarray:
        """Quantise real outputs to the layer's codes, within its fused activation; or round them to INT32 sums."""
        requant = self.operator.requant
        if requant is None or self.after is None:
            return np.clip(np.rint(out), *INT32).astype(np.int32)
        return np.clip(quantize(out, self.after), requant.qmin, requant.qmax)


def _largest(params: QuantParams, low: int, high: int) -> float:
    return float(max(abs(low - params.zero_point), abs(high - params.zero_point)) * params.scale)


def refusal(operator: Operator) -> str:
    """Return the reason that an EIE engine cannot run an operator, or "" if it can."""
    if not isinstance(operator, MatrixOperator):
        return "it has no weights"
    if not isinstance(operator, (Conv2D, FullyConnected)):
        return "each channel has a window of its own"
    if isinstance(operator, Conv2D) and operator.groups > 1:
        return f"its weights are in {operator.groups} groups"
    if isinstance(operator, Conv2D) and operator.window.kernel != (1, 1):
        return f"its window is {operator.window.kernel[0]} x {operator.window.kernel[1]}"
    return ""


def graph_layers(graph: Graph, names: Sequence[str] | None = None) -> list[GraphLayer]:
    """Return the layers that an EIE engine can run, in execution order.

    Parameters
    ----------
    graph : Graph
        Network.
    names : sequence of str or None
        Names of operators. Default: all that it can run.

    Raises
    ------
    ValueError
        If a layer does not exist or cannot be run, or none can.
    """
    known = [operator.name for operator in graph.operators]
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise ValueError(f"There is no layer {unknown[0]!r}; use {', '.join(map(repr, known))}")
    found, reasons = [], []
    for index, operator in enumerate(graph.operators):
        if names is not None and operator.name not in names:
            continue
        reason = refusal(operator)
        if not reason:
            found.append(_real(graph, index))
        elif names is not None:
            raise ValueError(
                f"Layer {operator.name!r} ({operator.op}) cannot run on an EIE: {reason}; "
                "it takes fully connected layers and 1x1 convolutions"
            )
        elif isinstance(operator, MatrixOperator):
            reasons.append(f"{operator.name!r}: {reason}")
    if not found:
        more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
        why = f" ({reasons[0]}{more})" if reasons else ""
        raise ValueError(f"The network has no fully connected layer and no 1x1 convolution, all that an EIE takes{why}")
    return found


def _real(graph: Graph, index: int) -> GraphLayer:
    operator = graph.operators[index]
    assert isinstance(operator, (Conv2D, FullyConnected))
    before = _params(graph, operator.inputs[0])
    after, by_sum = None, np.ones(operator.channels)
    if operator.requant is not None:
        after = graph.known[operator.output].params or QuantParams(1.0, operator.requant.zero_point)
        by_sum = operator.requant.scales(operator.channels) * after.scale
    columns = operator.columns.T.astype(np.int64)
    # With the codes' zero point outside the products: that of the operator is folded into its bias.
    bias = operator.folded + before.zero_point * columns.sum(axis=1)
    return GraphLayer(index, operator, columns * (by_sum / before.scale)[:, None], bias * by_sum, before, after)


def _params(graph: Graph, name: str) -> QuantParams:
    """Real values of a tensor's codes, or those of the unit of its code if the graph has no scale."""
    found = graph.known[name].params
    if found is not None:
        return found
    writer = next((operator for operator in graph.operators if operator.output == name), None)
    if isinstance(writer, MatrixOperator) and writer.requant is not None:
        return QuantParams(1.0, writer.requant.zero_point)
    raise ValueError(f"Tensor {name!r} has no scale, and no layer that tells its zero point writes it")


def between(graph: Graph, layer: GraphLayer) -> tuple[str, list[str]]:
    """Return the tensor that a layer reads, past reshapes, and the outputs of these reshapes."""
    writers = {operator.output: operator for operator in graph.operators}
    name, passed = layer.operator.inputs[0], []
    while isinstance(writers.get(name), Reshape):
        passed.append(name)
        name = writers[name].inputs[0]
    return name, passed


def chain_break(graph: Graph, layers: Sequence[GraphLayer]) -> str:
    """Return the reason that layers are not a chain, which an EIE engine runs as one network, or "" if they are.

    In a chain each layer reads the one before and nothing else does, with as many vectors; all but the last end in a
    ReLU.
    """
    for one, other in zip(layers, layers[1:], strict=False):
        name, passed = between(graph, other)
        short, following = (f"{layer.name.partition(';')[0]!r}" for layer in (one, other))
        if name != one.operator.output:
            return f"layer {following} does not read {short}"
        hidden = {name, *passed}
        readers = [operator for operator in graph.operators if hidden & {*operator.inputs}]
        if len(readers) != len(passed) + 1 or hidden & {edge.tensor for edge in graph.outputs}:
            return f"layer {following} is not all that reads {short}"
        if other.weights.shape[1] != one.weights.shape[0] or not _same_pixels(other):
            return f"layer {following} regroups the outputs of {short}"
        requant = one.operator.requant
        if not one.relu or (requant is not None and requant.qmax != INT8[1]):
            return f"layer {short} does not end in a plain ReLU"
    return ""


def chain_graph(graph: Graph, layers: Sequence[GraphLayer]) -> Graph:
    """Return a graph of a chain of layers alone, from the codes of its input to those of its output."""
    names = {name for layer in layers[1:] for name in between(graph, layer)[1]}
    names |= {layer.operator.output for layer in layers}
    operators = [operator for operator in graph.operators if operator.output in names]

    def edge(name: str) -> Edge:
        tensor = graph.known[name]
        params = tensor.params or QuantParams(1.0, 0)
        return Edge(name, tensor.shape, tensor.dtype, float(params.scale), params.zero_point, name)

    first, last = operators[0].inputs[0], operators[-1].output
    known = {name: graph.known[name] for name in (first, *names)}
    return Graph((edge(first),), (edge(last),), tuple(operators), known, graph.source)


def _same_pixels(layer: GraphLayer) -> bool:
    """Whether a layer's vectors are the pixels of its input, in their order."""
    if not isinstance(layer.operator, Conv2D):
        return True
    return layer.operator.window.stride == (1, 1) and not any(layer.operator.window.padding)
