"""Runs graphs on a systolic engine: matrix products on the engine, everything else on the host."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tercet.golden.networks.graph import Graph
from tercet.golden.networks.operators import Conv2D, FullyConnected, MatrixOperator

from .session import Session
from .soc_config import SocConfig
from .systolic import Plan, plan, run_plan

__all__ = ["OnEngine", "plans"]


def plans(soc: SocConfig, graph: Graph, batch: int) -> list[Plan]:
    """Tile every matrix product of a graph for a board, in execution order.

    Raises
    ------
    ValueError
        If a product does not fit the engine or its buffers; the message names the node.
    """
    found = []
    for operator in graph.operators:
        if not isinstance(operator, (Conv2D, FullyConnected)):
            continue
        shape = graph.known[operator.output].shape
        rows = batch * int(np.prod(shape[:-1]))
        for columns, bias in _parts(operator):
            stand_in = np.zeros((1, len(columns)), np.int8)
            try:
                found.append(plan(soc, stand_in, columns, bias, rows=rows))
            except ValueError as error:
                raise ValueError(f"node {operator.name!r} ({operator.op}): {error}") from None
    return found


def _parts(operator: MatrixOperator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights (K, N) and folded bias of each matrix product: one per group."""
    groups = operator.groups if isinstance(operator, Conv2D) else 1
    each = operator.channels // groups
    return [
        (np.ascontiguousarray(operator.columns[:, start : start + each]), operator.folded[start : start + each])
        for start in range(0, operator.channels, each)
    ]


@dataclass
class OnEngine:
    """Runner of a graph with its matrix products on a board.

    Attributes
    ----------
    seconds : float
        Time spent in the products of the last run, including the link.
    products : int
        Number of matrix products in the last run.
    """

    session: Session
    graph: Graph
    seconds: float = 0.0
    products: int = 0
    _left: list[Plan] = field(default_factory=list)

    def run(self, inputs: Any) -> list[np.ndarray]:
        """Run the graph and return the same outputs as ``graph.run(inputs)``.

        Raises
        ------
        TypeError, ValueError
            As for `Graph.run` and `plans`; raised before anything is sent.
        """
        batch = self.graph.batch(inputs)
        self._left = plans(self.session.soc, self.graph, batch)
        self.seconds, self.products = 0.0, 0
        with self.session.transfer(max(1, sum(len(each.tiling) for each in self._left))):
            return self.graph.run(inputs, on=self._product)

    def _product(self, acts: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
        started = time.monotonic()
        sums = run_plan(self.session, self._left[self.products], acts)
        self.products += 1
        self.seconds += time.monotonic() - started
        return sums
