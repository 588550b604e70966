"""Graph builder that inserts data movement where a view alone cannot express it."""

from dataclasses import dataclass, field, replace

import numpy as np
from tercet.golden.networks.operators import Lookup, Reshape, Transpose
from tercet.golden.networks.operators.base import Operator, Shape
from tercet.golden.numerics.quantization import QuantParams, Requant

from ..builder import GraphBuilder
from ..errors import Unsupported
from .layout import View, channels_last, gathered, moved, regrouped
from .reader import MAX_ELEMENTS

__all__ = ["Emitter"]


@dataclass
class Emitter(GraphBuilder):
    """Graph builder operating on views.

    Attributes
    ----------
    reshapes : dict of str to str
        Source tensor of each Reshape output.
    """

    reshapes: dict[str, str] = field(default_factory=dict)

    def declare(self, name: str, shape: Shape, params: QuantParams | None, dtype: str = "int8") -> str:
        """Declare a tensor under a unique name, with a bound on its size."""
        count = int(np.prod([float(n) for n in shape]))
        if count > MAX_ELEMENTS:
            raise Unsupported(f"the tensor {name!r} of shape {shape} has {count} elements; use at most {MAX_ELEMENTS}")
        unique, n = name, 2
        while unique in self.known:
            unique, n = f"{name}#{n}", n + 1
        self.tensor(unique, shape, params, dtype)
        return unique

    def requant_to(self, scale: float | np.ndarray, params: QuantParams, qmin: int, qmax: int) -> Requant:
        """Return the requantisation for a scale, with the builder's rounding."""
        return Requant.from_scale(scale, params.zero_point, qmin, qmax, self.rounding)

    def claim(self, tensor: str, params: QuantParams) -> str:
        """Return a tensor with the same codes and quantisation `params`."""
        found = self.known[tensor]
        if found.params is None and found.dtype == "int8":
            self.known[tensor] = replace(found, params=params)
        elif found.params != params:
            # A file may read codes with a different scale than it wrote them with.
            return self.table(f"{tensor}:read", tensor, params, np.arange(-128, 128).astype(np.int8), "LOOKUP")
        return tensor

    def table(self, name: str, source: str, params: QuantParams, table: np.ndarray, op: str) -> str:
        """Append a function of one code; return the name of its output."""
        output = self.declare(name, self.shape(source), params)
        self.append(Lookup(name=name, inputs=(source,), output=output, table=table, op=op))
        return output

    def settled(self, view: View) -> View:
        """Return an equivalent plain view, reshaping or moving codes if necessary."""
        if view.is_plain:
            return view
        found = regrouped(view)
        if found is None:
            source = self.ordered(View.plain(view.tensor, view.factors, view.order), gathered(view))
            found = regrouped(source.reshaped(view.shape))
            assert found is not None  # for type checkers
        return replace(found, tensor=self._reshaped(found.tensor, found.inside_shape))

    def ordered(self, view: View, order: tuple[int, ...]) -> View:
        """Return a plain view with another axis order in the graph."""
        if view.order == order:
            return view
        if not moved(view.order, order, view.shape):
            found = replace(view, order=order)
            return replace(found, tensor=self._reshaped(view.tensor, found.inside_shape))
        # The codes have to move.
        axes = tuple(view.order.index(n) for n in order)
        shape = tuple(self.shape(view.tensor)[n] for n in axes)
        known = self.known[view.tensor]
        output = self.declare(f"{view.tensor}:transposed", shape, known.params, known.dtype)
        self.append(Transpose(name=output, inputs=(view.tensor,), output=output, order=axes))
        return replace(view, tensor=output, order=order)

    def picture(self, view: View) -> View:
        """Return a plain, channels-last view of rank 4; a signal (N, C, L) becomes (N, C, 1, L)."""
        if len(view.shape) == 3:
            view = view.reshaped((*view.shape[:2], 1, view.shape[2]))
        if len(view.shape) != 4:
            raise ValueError(f"the input has shape {view.shape}; use (batch, channels, height, width)")
        return self.ordered(self.settled(view), channels_last(4))

    def _reshaped(self, tensor: str, shape: Shape) -> str:
        """Return the tensor with another shape, skipping intermediate reshapes."""
        while self.shape(tensor) != shape and tensor in self.reshapes:
            tensor = self.reshapes[tensor]
        if self.shape(tensor) == shape:
            return tensor
        known = self.known[tensor]
        output = self.declare(f"{tensor}:reshaped", shape, known.params, known.dtype)
        self.append(Reshape(name=output, inputs=(tensor,), output=output, shape=shape[1:]))
        self.reshapes[output] = tensor
        return output

    def prune(self) -> None:
        """Remove operators whose outputs nothing reads."""
        needed = {edge.tensor for edge in self.outputs}
        kept: list[Operator] = []
        for operator in reversed(self.operators):
            if operator.output in needed:
                kept.append(operator)
                needed |= set(operator.inputs)
        self.operators = kept[::-1]
        needed |= {edge.tensor for edge in self.inputs}
        self.known = {name: tensor for name, tensor in self.known.items() if name in needed}
