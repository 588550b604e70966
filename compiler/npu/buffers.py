"""Tensors of a graph in the unified buffer: views, lifetimes, aliases and addresses."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tercet.golden.networks.graph import Graph
from tercet.golden.networks.operators import (
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Lookup,
    MaxPool2D,
    Operator,
    Pad,
    Reshape,
    Slice,
)
from tercet.golden.networks.operators.elementwise import Binary
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.program import Region

from ..errors import Unsupported
from .allocate import allocate
from .views import Storage, View, picture

__all__ = ["Buffers", "joined_part"]

# Operators that write a picture with any pitches.
_PITCHED = (Conv2D, DepthwiseConv2D, FullyConnected, AveragePool2D, MaxPool2D, Pad, Binary, Lookup)
_CONSTANTS = 1 << 30  # end of a constant's lifetime: beyond every operator


def joined_part(graph: Graph, operator: Concatenation, y: View, sizes: tuple[int, int, int], start: int) -> View:
    """Return the part of a CONCATENATION's result that starts at `start` along its axis and has the given sizes.

    Parameters
    ----------
    graph : Graph
        Network.
    operator : Concatenation
        Operator.
    y : View
        Its result.
    sizes : (int, int, int)
        Rows, columns and channels of the part.
    start : int
        First element of the part along the axis.
    """
    parts = [slice(0, size, 1) for size in sizes]
    axis = operator.axis - len(graph.known[operator.output].shape) + 3
    parts[axis] = slice(start, start + sizes[axis], 1)
    return y.part(*parts)


class Buffers:
    """Placement of a graph's int8 tensors.

    Parameters
    ----------
    graph : Graph
        Network.
    reasons : sequence of str
        For each operator, the reason that it runs on the host, or "".
    config : NpuConfig
        Configuration, for the size of the buffer.

    Attributes
    ----------
    views : dict of str to View
        View of each tensor.
    storages : list of Storage
        Storages of tensors, and temporary ones.
    constants : list of (Storage, int8 array)
        Constant operands of binary operators.
    operands : dict of int to View
        View of the constant operand, by operator number.
    constant_bytes, end : int
        Size of the constants, at the start of the buffer, and address behind the last byte in use.

    Raises
    ------
    ValueError
        If the buffer is too small; the message names the shortfall and the fix.
    """

    def __init__(self, graph: Graph, reasons: Sequence[str], config: NpuConfig):
        self.graph, self.config = graph, config
        self.views: dict[str, View] = {}
        self.storages: list[Storage] = []
        self.constants: list[tuple[Storage, np.ndarray]] = []
        self.operands: dict[int, View] = {}
        self._place(reasons)
        self.constant_bytes = sum(storage.size for storage, _ in self.constants)
        address = 0
        for storage, _ in self.constants:
            storage.address, address = address, address + storage.size
        self.end = allocate(self.storages, self.constant_bytes)
        self._check_room(self.end)

    def reserve(self, number: int, size: int, name: str) -> Storage | None:
        """Add a temporary storage for operator `number` and allocate anew; None if it does not fit."""
        storage = Storage(size, number, number, name=name)
        trial = [*(replace(each) for each in self.storages), replace(storage)]
        if allocate(trial, self.constant_bytes) > self.config.buffer_bytes:
            return None
        self.storages.append(storage)
        self.end = allocate(self.storages, self.constant_bytes)
        return storage

    @property
    def regions(self) -> tuple[Region, ...]:
        """Address ranges and lifetimes of all storages."""
        count = len(self.graph.operators)
        kept = [storage for storage, _ in self.constants]
        return tuple(Region(s.name, s.address, s.size, s.first, min(s.last, count)) for s in (*kept, *self.storages))

    def _check_room(self, end: int) -> None:
        room = self.config.buffer_bytes
        if end > room:
            largest = max(self.storages, key=lambda s: s.size)
            raise Unsupported(
                f"the network needs {end} bytes of activations and constants at once, {end - room} more than the "
                f"buffer's {room}; the largest is {largest.name!r} of {largest.size}; use buffer_bytes={end}"
            )

    def _place(self, reasons: Sequence[str]) -> None:
        """Assign a view to every int8 tensor and compute the lifetime of each storage."""
        graph = self.graph
        last: dict[str, int] = {}
        for number, operator in enumerate(graph.operators):
            last |= dict.fromkeys(operator.inputs, number)
        last |= dict.fromkeys((edge.tensor for edge in graph.outputs), len(graph.operators))
        fixed = {edge.tensor for edge in (*graph.inputs, *graph.outputs)}
        fixed |= {
            name
            for operator, reason in zip(graph.operators, reasons, strict=True)
            if reason
            for name in (*operator.inputs, operator.output)
        }
        parts = self._parts(reasons, fixed)
        for edge in graph.inputs:
            self._new(edge.tensor, -1)
        for number, (operator, reason) in enumerate(zip(graph.operators, reasons, strict=True)):
            alias = None
            if not reason and operator.output not in fixed:
                alias = self._alias(operator)
                if alias is None and operator.output in parts:
                    alias = self._part(*parts[operator.output], operator.output, number)
                alias = alias or self._in_place(operator, number, last, fixed)
            if alias is not None:
                self.views[operator.output] = alias
            elif operator.output not in self.views:
                self._new(operator.output, number)
            self._constant(operator, number, reason)
            view = self.views.get(operator.output)
            for name in (*operator.inputs, operator.output):
                if name in self.views:
                    storage = self.views[name].storage
                    storage.last = max(storage.last, number)
            if view is not None:
                view.storage.last = max(view.storage.last, last.get(operator.output, number))

    def _parts(self, reasons: Sequence[str], fixed: set[str]) -> dict[str, tuple[Concatenation, int]]:
        """Tensors that can be written straight into a CONCATENATION, with their start along its axis."""
        readers = Counter(name for operator in self.graph.operators for name in operator.inputs)
        writable = {
            operator.output
            for operator, reason in zip(self.graph.operators, reasons, strict=True)
            if not reason and isinstance(operator, _PITCHED)
        }
        found = {}
        for operator, reason in zip(self.graph.operators, reasons, strict=True):
            if reason or not isinstance(operator, Concatenation):
                continue
            start = 0
            for name in operator.inputs:
                if name in writable - fixed and readers[name] == 1:
                    found[name] = (operator, start)
                start += self.graph.known[name].shape[operator.axis]
        return found

    def _part(self, operator: Concatenation, start: int, name: str, number: int) -> View:
        """View of one input inside the result of a CONCATENATION."""
        if operator.output not in self.views:
            self._new(operator.output, number)
        return joined_part(
            self.graph, operator, self.views[operator.output], picture(self.graph.known[name].shape), start
        )

    def _new(self, name: str, number: int) -> None:
        tensor = self.graph.known[name]
        if tensor.dtype != "int8":
            return
        storage = Storage(int(np.prod(tensor.shape)), number, number, name=name)
        self.storages.append(storage)
        self.views[name] = View.dense(storage, *picture(tensor.shape))

    def _alias(self, operator: Operator) -> View | None:
        """View of the input that equals the result of a reshape or slice; None if a copy is needed."""
        view = self.views[operator.inputs[0]]
        shape = self.graph.known[operator.output].shape
        if isinstance(operator, Reshape) and view.is_dense:
            return view.reshaped(*picture(shape))
        if isinstance(operator, Slice) and not self._flattened(operator.output):
            parts = [slice(*each) for each in operator.slices]
            sizes = self.graph.known[operator.inputs[0]].shape[1:]
            parts = [slice(*part.indices(size)) for part, size in zip(parts, sizes, strict=True)]
            rows, cols, channels = [slice(0, 1, 1)] * (3 - len(parts)) + parts
            if channels.step == 1:
                part = view.part(rows, cols, channels)
                # Dropped axes have length 1; a view of a different size needs a dense copy.
                same = (part.rows, part.cols, part.channels) == picture(shape)
                if same:
                    return part
        return None

    def _in_place(self, operator: Operator, number: int, last: dict[str, int], fixed: set[str]) -> View | None:
        """Operand that the result of an elementwise operator may overwrite: one with no later reader."""
        if not isinstance(operator, (Binary, Lookup)):
            return None
        shape = self.graph.known[operator.output].shape
        for name in operator.inputs:
            storage = self.views[name].storage
            alone = [other for other, view in self.views.items() if view.storage is storage]
            if (
                self.graph.known[name].shape == shape
                and last[name] == number
                and alone == [name]
                and name not in fixed
                and operator.inputs.count(name) == 1
            ):
                return self.views[name]
        return None

    def _flattened(self, name: str) -> bool:
        """Whether a fully connected layer flattens the tensor, which must then be dense."""
        width = self.graph.known[name].shape[-1]
        readers = [o for o in self.graph.operators if name in o.inputs and isinstance(o, FullyConnected)]
        return any(len(o.weights) != width for o in readers)

    def _constant(self, operator: Operator, number: int, reason: str) -> None:
        """Reserve buffer space for the constant operand of a binary operator."""
        if reason or not isinstance(operator, Binary) or operator.constant is None:
            return
        data = np.ascontiguousarray(operator.constant, np.int8)
        storage = Storage(data.size, -1, _CONSTANTS, name=f"constant of {operator.name}")
        self.constants.append((storage, data.reshape(-1)))
        self.operands[number] = View.dense(storage, *picture((1, *(data.shape or (1,)))))
