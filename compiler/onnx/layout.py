"""Mapping from a file's channels-first tensors to the graph's channels-last tensors.

A Transpose and most Reshapes in a file only change this view; no code moves::

    file (1, 8, 5, 5) --Conv, channels last inside: factors (1, 8, 5, 5), order (0, 2, 3, 1), shape (1, 8, 5, 5)
    Flatten (1, 200)  --the same tensor inside:     factors (1, 8, 5, 5), order (0, 2, 3, 1), shape (1, 200)
    Gemm              --reads it unchanged, the rows of its weights permuted by `rows`
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from tercet.golden.networks.operators.base import Shape

__all__ = ["View", "channels_last", "gathered", "moved", "regrouped"]


def channels_last(rank: int) -> tuple[int, ...]:
    """Return the axis order that moves the channels, axis 1, to the end."""
    return (0, *range(2, rank), 1)


def moved(order: tuple[int, ...], wanted: tuple[int, ...], lengths: Shape) -> bool:
    """Whether elements move between two axis orders; axes of length 1 do not count."""
    return [n for n in order if lengths[n] > 1] != [n for n in wanted if lengths[n] > 1]


@dataclass(frozen=True)
class View:
    """View of a graph tensor as a tensor of the file.

    ``file == inside.transpose(argsort(order)).reshape(shape)``; the batch is always axis 0.

    Attributes
    ----------
    tensor : str
        Tensor of the graph.
    factors : tuple of int
        Axis lengths in the file's order, including the file's batch.
    order : tuple of int
        Factor index of each graph axis; starts with 0.
    shape : tuple of int
        Shape in the file, with the same number of elements.
    """

    tensor: str
    factors: Shape
    order: tuple[int, ...]
    shape: Shape

    @classmethod
    def plain(cls, tensor: str, shape: Shape, order: tuple[int, ...] | None = None) -> "View":
        """Return a view with the axes of the file, optionally in another order."""
        return cls(tensor, shape, tuple(range(len(shape))) if order is None else order, shape)

    @property
    def is_plain(self) -> bool:
        """Whether each graph axis is an axis of the file."""
        return self.factors == self.shape

    @property
    def inside_shape(self) -> Shape:
        """Shape of the graph tensor, with a batch of 1."""
        return (1, *(self.factors[n] for n in self.order[1:]))

    def inside(self, array: np.ndarray) -> np.ndarray:
        """Convert an array from the file's layout to the graph's; any batch."""
        return array.reshape(-1, *self.factors[1:]).transpose(self.order)

    def outside(self, array: np.ndarray) -> np.ndarray:
        """Convert an array from the graph's layout to the file's; any batch."""
        return array.transpose(np.argsort(self.order)).reshape(-1, *self.shape[1:])

    def rows(self) -> np.ndarray:
        """Return the position in the file's sample of each element, in graph order."""
        index = np.arange(math.prod(self.factors[1:])).reshape(self.factors[1:])
        return index.transpose([n - 1 for n in self.order[1:]]).ravel()

    def axis(self, n: int) -> int:
        """Return the graph axis of axis `n` of the file; plain views only."""
        return self.order.index(n)

    def reshaped(self, shape: Shape) -> "View":
        """Return a view of the same elements with another shape in the file."""
        if not shape or shape[0] != self.shape[0]:
            raise ValueError(f"shape {self.shape} becomes {shape}, which changes the leading batch; keep axis 0")
        if math.prod(shape) != math.prod(self.shape):
            raise ValueError(f"shape {self.shape} cannot become {shape}; keep the number of elements")
        return replace(self, shape=shape)

    def transposed(self, axes: tuple[int, ...]) -> "View":
        """Return the view with the file's axes permuted; plain views only."""
        shape = tuple(self.shape[n] for n in axes)
        return View(self.tensor, shape, tuple(axes.index(n) for n in self.order), shape)


def regrouped(view: View) -> View | None:
    """Return a plain view of the same elements in the same graph order, or None if the axes are mixed."""
    groups = _groups(view.factors[1:], view.shape[1:])
    if groups is None:
        return None
    order = [n - 1 for n in view.order[1:] if view.factors[n] > 1]
    # Each group must be contiguous, its axes in the file's order. Groups of length 1 fit anywhere.
    heads = {axes[0]: (axes, targets) for axes, targets in groups if axes}
    order_found: list[int] = []
    position = 0
    while position < len(order):
        axes, targets = heads.get(order[position], ([], []))
        if not axes or order[position : position + len(axes)] != axes:
            return None
        order_found += targets
        position += len(axes)
    order_found += [n for axes, targets in groups if not axes for n in targets]
    return View(view.tensor, view.shape, (0, *(n + 1 for n in order_found)), view.shape)


def gathered(view: View) -> tuple[int, ...]:
    """Return the factor order closest to the present one for which `regrouped` finds a plain view."""
    groups = _groups(view.factors[1:], view.shape[1:]) or []
    index = {axis + 1: view.order.index(axis + 1) for axes, _ in groups for axis in axes}
    blocks = sorted(([n + 1 for n in axes] for axes, _ in groups if axes), key=lambda axes: min(index[n] for n in axes))
    grouped = [n for axes in blocks for n in axes]
    return (0, *grouped, *(n for n in view.order[1:] if n not in index))


def _groups(factors: Shape, shape: Shape) -> list[tuple[list[int], list[int]]] | None:
    """Smallest groups of axes with equal products: axes of `factors` longer than 1, and all axes of `shape`."""
    groups: list[tuple[list[int], list[int]]] = []
    left = [n for n, length in enumerate(factors) if length > 1]
    right = list(range(len(shape)))
    while left or right:
        axes, targets = [], []
        product = wanted = 1
        while True:
            if wanted < product or (wanted == product and right and shape[right[0]] == 1):
                if not right:
                    return None
                targets.append(right.pop(0))
                wanted *= shape[targets[-1]]
            elif product < wanted or (not axes and left):
                if not left:
                    return None
                axes.append(left.pop(0))
                product *= factors[axes[-1]]
            elif not axes and right:
                targets.append(right.pop(0))
                wanted *= shape[targets[-1]]
            else:
                break
        groups.append((axes, targets))
    return groups
