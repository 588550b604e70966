"""INT8 networks as graphs and back."""

from dataclasses import replace

import numpy as np
import pytest
from tercet.compiler.int8_network import graph_of_int8_network, int8_network_of_graph
from tercet.golden.networks.int8_network import quantize_mlp
from tercet.golden.networks.mlp import Mlp


def graph(**options):
    samples = np.random.default_rng(2).normal(size=(200, 12))
    return graph_of_int8_network(quantize_mlp(Mlp.random((12, 9, 5), seed=1), samples, **options))


@pytest.mark.parametrize("int8_outputs", [False, True])
def test_there_and_back(int8_outputs):
    """Zero points that the graph keeps apart are folded into the biases."""
    first = graph(int8_outputs=int8_outputs)
    shifted = replace(first.operators[1], input_zero_point=-128, bias=first.operators[1].bias - 300)
    moved = first.replaced([first.operators[0], shifted], first.known)
    x = np.random.default_rng(0).integers(-128, 128, (50, 12)).astype(np.int8)
    again = int8_network_of_graph(moved)
    np.testing.assert_array_equal(again.run(x)[-1], moved.run(x)[0])
    np.testing.assert_array_equal(graph_of_int8_network(again).run(x)[0], moved.run(x)[0])
    assert (moved.run(x)[0] != first.run(x)[0]).any()
    real = np.random.default_rng(0).normal(size=(50, 12))
    np.testing.assert_array_equal(again.run(real)[-1], moved.run(real)[0])


def test_refuses():
    whole = graph()
    edge, out = whole.inputs[0], whole.outputs[0]
    apart = replace(whole.operators[1], inputs=("input",), weights=np.zeros((12, 5), np.int8))
    known = {**whole.known, "layer1": whole.known["layer1"]}
    wrong = {
        r"Layer 'layer1' \(FULLY_CONNECTED\) is not one of a chain": whole.replaced((whole.operators[0], apart), known),
        "The network has 1 inputs and 2 outputs": replace(whole, outputs=(out, replace(out, tensor="layer0"))),
        r"Input 'input' is uint8 \(12,\)": replace(whole, inputs=(replace(edge, dtype="uint8"),)),
        "Output 'output' is not that of the last layer": replace(
            whole, outputs=(replace(out, tensor="layer0", shape=(1, 9)),)
        ),
    }
    for message, wrong_graph in wrong.items():
        with pytest.raises(ValueError, match=message):
            int8_network_of_graph(wrong_graph)
