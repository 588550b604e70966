"""Layers of an int8 graph on an EIE engine: pruned, with shared weights, and in place of the graph's operators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from tercet.golden.eie.layer import EieLayer
from tercet.golden.eie.product import network_spmv
from tercet.golden.networks.graph import Graph
from tercet.golden.networks.operators import Operator
from tercet.golden.networks.operators.base import Shape

from .eie import eie_acts
from .graph_layers import GraphLayer, between
from .model import CompressedLayer
from .prune import densities, prune
from .share import share_weights

__all__ = ["EieSection", "compress_layers", "with_sections"]


def compress_layers(
    layers: Sequence[GraphLayer],
    *,
    density: float | Sequence[float] = 0.1,
    code_bits: int = 4,
    index_bits: int = 4,
    tensors: Mapping[str, np.ndarray] | None = None,
) -> list[CompressedLayer]:
    """Prune layers by the magnitude of their real weights and share the rest.

    Ranges are those of the codes: they bound all inputs. Outputs may exceed them, as those of the graph may, where they
    saturate.

    Parameters
    ----------
    layers : sequence of GraphLayer
        The layers.
    density : float or sequence of float
        Fraction of weights to keep, for all layers or for each.
    code_bits, index_bits : int
        As in `tercet.golden.compress.pipeline.compress`.
    tensors : mapping of str to array, or None
        Tensors of the graph on samples, from `Graph.tensors`. If given, biases make up for the mean change of each
        output on them. Nothing else does without training, and activations behind a ReLU are far from zero on average.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or range.

    Notes
    -----
    Bias correction: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019.
    """
    found = []
    for layer, share in zip(layers, densities(density, len(layers)), strict=True):
        codes, centroids = share_weights(layer.weights, prune(layer.weights, density=share), code_bits)
        bias = layer.bias
        if tensors is not None:
            mean = layer.vectors(tensors[layer.operator.inputs[0]]).mean(axis=0)
            bias = bias + (layer.weights - centroids[codes]) @ mean
        found.append(CompressedLayer(codes, centroids, bias, index_bits, layer.act_range, layer.out_range))
    return found


@dataclass(frozen=True, eq=False, kw_only=True)
class EieSection(Operator):
    """Operator that runs a chain of a graph's layers on an EIE engine.

    The host, or another engine, gives the codes of the first layer's input as int16, and requantises the results of the
    last to codes within its fused activation; between the layers activations stay int16.

    Attributes
    ----------
    layers : tuple of GraphLayer
        The layers of the graph, a chain: see `chain_break`.
    encoded : tuple of EieLayer
        Their compressed counterparts.
    shape : tuple of int
        Shape of the output, with a batch of 1.
    """

    op: ClassVar[str] = "EIE"
    layers: tuple[GraphLayer, ...]
    encoded: tuple[EieLayer, ...]
    shape: Shape

    @classmethod
    def of(cls, graph: Graph, layers: Sequence[GraphLayer], encoded: Sequence[EieLayer]) -> "EieSection":
        """Put encoded layers in place of a chain of a graph's layers."""
        first, last = layers[0].operator, layers[-1].operator
        return cls(
            name=last.name,
            inputs=first.inputs,
            output=last.output,
            layers=tuple(layers),
            encoded=tuple(encoded),
            shape=graph.known[last.output].shape,
        )

    def acts(self, x: np.ndarray) -> np.ndarray:
        """Return the engine's input vectors, (vectors, in) int16, for int8 codes with a leading batch."""
        first = self.encoded[0]
        return eie_acts(self.layers[0].vectors(x), first.config, first.act_frac)

    def output_shape(self, *shapes: Shape) -> Shape:
        return (shapes[0][0] * self.shape[0], *self.shape[1:])

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        last = self.encoded[-1]
        out = network_spmv(self.encoded, self.acts(arrays[0])).out
        real = out / 2.0 ** (last.act_frac + last.weight_frac - last.shift)
        return self.layers[-1].codes(real).reshape(self.output_shape(arrays[0].shape))


def with_sections(graph: Graph, sections: Sequence[EieSection]) -> Graph:
    """Return a graph with sections in place of the operators that they run."""
    last = {section.layers[-1].index: section for section in sections}
    inner = {layer.index for section in sections for layer in section.layers}
    moves = {name for section in sections for layer in section.layers[1:] for name in between(graph, layer)[1]}
    operators = [
        last.get(index, operator)
        for index, operator in enumerate(graph.operators)
        if index in last or not (index in inner or operator.output in moves)
    ]
    return graph.replaced(operators, graph.known)
