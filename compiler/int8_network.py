"""`Int8Network` ``.npz`` files as graphs and back: fully connected layers, the last of which may output INT32 sums."""

from pathlib import Path

from tercet.golden.networks.graph import Edge, Graph, Tensor
from tercet.golden.networks.int8_network import Int8Layer, Int8Network
from tercet.golden.networks.operators import FullyConnected
from tercet.golden.numerics.quantization import QuantParams

__all__ = ["graph_of_int8_network", "int8_network_of_graph", "load_int8_network"]


def load_int8_network(path: Path) -> Graph:
    """Read a file written by `Int8Network.save`; raises the errors of `Int8Network.load`."""
    return graph_of_int8_network(Int8Network.load(path), path.name)


def graph_of_int8_network(network: Int8Network, source: str = "") -> Graph:
    """Convert a network to a graph; its output is INT32 if the last layer is not requantised.

    The biases of an `Int8Network` already include the input zero points, so the graph's layers use zero point 0.
    """
    params = QuantParams(float(network.input.scale), network.input.zero_point)
    width = network.layers[0].weights.shape[0]
    known = {"input": Tensor((1, width), params)}
    operators = []
    for n, layer in enumerate(network.layers):
        output = f"layer{n}"
        known[output] = Tensor((1, layer.weights.shape[1]), None, "int8" if layer.requant else "int32")
        operators.append(
            FullyConnected(
                name=output,
                inputs=(operators[-1].output if operators else "input",),
                output=output,
                weights=layer.weights,
                bias=layer.bias,
                requant=layer.requant,
                input_zero_point=0,
            )
        )
    last = operators[-1].output
    dtype = known[last].dtype
    edge = Edge("input", (1, width), "int8", float(params.scale), params.zero_point, "input", quantiser="exact")
    out = Edge("output", known[last].shape, dtype, None, 0, last)
    return Graph((edge,), (out,), tuple(operators), known, source)


def int8_network_of_graph(graph: Graph) -> Int8Network:
    """Convert a graph that is a chain of fully connected layers on an int8 input of one dimension.

    The result has the same codes; the scale of its output is not kept.

    Raises
    ------
    ValueError
        If the graph has other operators, inputs or outputs; the message names the first.
    """
    fix = "an INT8 network has fully connected layers only"
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ValueError(f"The network has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; {fix}")
    edge, layers, last = graph.inputs[0], [], graph.inputs[0].tensor
    if edge.dtype != "int8" or edge.scale is None or len(edge.sample_shape) != 1:
        raise ValueError(f"Input {edge.name!r} is {edge.dtype} {edge.sample_shape}; an INT8 network takes int8 (in,)")
    for operator in graph.operators:
        if not isinstance(operator, FullyConnected) or operator.inputs != (last,):
            raise ValueError(f"Layer {operator.name!r} ({operator.op}) is not one of a chain; {fix}")
        layers.append(Int8Layer(operator.weights, operator.folded, operator.requant))
        last = operator.output
    if graph.outputs[0].tensor != last:
        raise ValueError(f"Output {graph.outputs[0].name!r} is not that of the last layer; {fix}")
    return Int8Network(QuantParams(edge.scale, edge.zero_point), tuple(layers))
