"""Weights of -128, which a multiplier of two products per block cannot have."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tercet.golden.networks.graph import Graph
from tercet.golden.networks.operators import DepthwiseConv2D, MatrixOperator
from tercet.golden.npu import NpuConfig

__all__ = ["check_weights", "clip"]


def clip(graph: Graph) -> tuple[Graph, int]:
    """Return the graph with weights of -128 clipped to -127, and the number clipped."""
    operators, count = [], 0
    for operator in graph.operators:
        if isinstance(operator, MatrixOperator) and (operator.weights == -128).any():
            count += int((operator.weights == -128).sum())
            operator = replace(operator, weights=np.maximum(operator.weights, -127))
        operators.append(operator)
    return graph.replaced(operators, graph.known), count


def check_weights(graph: Graph, compiled: Graph, on_host: Sequence[str], config: NpuConfig) -> None:
    """Check that the array's multiplier has all weights of the operators that the array computes.

    Parameters
    ----------
    graph, compiled : Graph
        The graph as it is in the file, for messages, and as it is compiled.
    on_host : sequence of str
        For each operator of `compiled`, why the host computes it; "" if the NPU does.
    config : NpuConfig
        Multiplier and depthwise unit, whose own multipliers have all weights.

    Raises
    ------
    ValueError
        If there is a weight that it does not have; the message names the operator and the index in the file.
    """
    least, _ = config.array.weight_range
    in_file = {operator.name: operator for operator in graph.operators}
    for operator, reason in zip(compiled.operators, on_host, strict=True):
        if reason or not isinstance(operator, MatrixOperator) or not (operator.weights < least).any():
            continue
        if isinstance(operator, DepthwiseConv2D) and config.depthwise_taps:
            continue
        whole = in_file.get(operator.name, operator)
        assert isinstance(whole, MatrixOperator)
        index = tuple(map(int, np.argwhere(whole.weights < least)[0]))
        raise ValueError(
            f"{operator.name}: its weight at {index} is -128, and mac {config.mac!r} has weights from {least} on; "
            "clip them (clip_weights, --clip-weights), or use mac 'ecp5'"
        )
