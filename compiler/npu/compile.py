"""Compile a graph into a program for one NPU configuration."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from tercet.golden.networks.graph import Graph
from tercet.golden.networks.operators import (
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    Dequantize,
    FullyConnected,
    Lookup,
    MatrixOperator,
    MaxPool2D,
    Mean,
    Operator,
    Pad,
    Quantize,
    ReduceMax,
    Requantize,
    Reshape,
    Slice,
    Softmax,
)
from tercet.golden.networks.operators.elementwise import Binary
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import Instruction, Opcode, encoded
from tercet.golden.npu.program import LayerReport, Placement, Program, Region, Step

from ..errors import Unsupported
from .allocate import allocate
from .images import Images
from .lower import LOWERINGS, Lowering, copy
from .views import Storage, View, picture

__all__ = ["compile_graph"]

_ENDS = (Quantize, Requantize, Dequantize, Softmax)
# Operators that write a picture with any pitches.
_PITCHED = (Conv2D, DepthwiseConv2D, FullyConnected, AveragePool2D, MaxPool2D, Pad, Binary, Lookup)
_CONSTANTS = 1 << 30  # end of a constant's lifetime: beyond every operator


def compile_graph(
    graph: Graph,
    config: NpuConfig | None = None,
    *,
    fold: bool = True,
    host_fallback: bool = False,
    clip_weights: bool = False,
) -> Program:
    """Compile a graph into an NPU program.

    Parameters
    ----------
    graph : Graph
        Network to compile.
    config : NpuConfig or None
        Target configuration; None is the default.
    fold : bool
        Whether to simplify the graph first.
    host_fallback : bool
        Whether operators that the NPU lacks may run on the host anywhere in the graph. By default, only conversions and
        SOFTMAX at the ends of the graph may.
    clip_weights : bool
        Whether to clip weights of -128 to -127; `Program.clipped` counts them.

    Raises
    ------
    ValueError
        If the NPU lacks an operator or a memory is too small; the message names it, the shortfall and the fix.
    """
    config = config or NpuConfig()
    clipped = 0
    if clip_weights:
        graph, clipped = _clipped(graph)
    compiler = _Compiler(graph.simplified() if fold else graph, config, host_fallback)
    return replace(compiler.program(), clipped=clipped)


def _clipped(graph: Graph) -> tuple[Graph, int]:
    """Return the graph with weights of -128 clipped to -127, and the number clipped."""
    operators, count = [], 0
    for operator in graph.operators:
        if isinstance(operator, MatrixOperator) and (operator.weights == -128).any():
            count += int((operator.weights == -128).sum())
            operator = replace(operator, weights=np.maximum(operator.weights, -127))
        operators.append(operator)
    return graph.replaced(operators, graph.known), count


def _on_host(operator: Operator, graph: Graph) -> str:
    """Return the reason that an operator runs on the host, or "" if the NPU runs it."""
    if isinstance(operator, _ENDS):
        return "it is a conversion or SOFTMAX, for the ends of a graph"
    shapes = [graph.known[name].shape for name in operator.inputs]
    rank = max(len(shape) for shape in (*shapes, graph.known[operator.output].shape))
    if isinstance(operator, MatrixOperator) and operator.requant is None:
        return "it outputs INT32 sums"
    if isinstance(operator, (Mean, ReduceMax)) and (
        len(shapes[0]) - 1 in operator.axes or any(axis < len(shapes[0]) - 3 for axis in operator.axes)
    ):
        return "it reduces over axes other than rows and columns"
    if isinstance(operator, (Binary, Pad, Concatenation, Slice)) and rank > 4:
        return f"it has {rank} dimensions"
    if isinstance(operator, Slice):
        return "" if all(step > 0 for _, _, step in operator.slices) else "it reads backwards"
    if isinstance(operator, (Reshape, Concatenation)) or any(isinstance(operator, kind) for kind in LOWERINGS):
        return ""
    return "the NPU has no instruction for it"


@dataclass(eq=False)
class _Compiler:
    graph: Graph
    config: NpuConfig
    fallback: bool
    views: dict[str, View] = field(default_factory=dict)
    storages: list[Storage] = field(default_factory=list)
    constants: list[tuple[Storage, np.ndarray]] = field(default_factory=list)
    operands: dict[int, View] = field(default_factory=dict)

    def program(self) -> Program:
        graph = self.graph
        reasons = [_on_host(operator, graph) for operator in graph.operators]
        self._check_host(reasons)
        self._place(reasons)
        constants = sum(storage.size for storage, _ in self.constants)
        address = 0
        for storage, _ in self.constants:
            storage.address, address = address, address + storage.size
        end = allocate(self.storages, constants)
        self._check_room(end)
        images, instructions, steps, layers = Images(self.config), [], [], []
        for number, (operator, reason) in enumerate(zip(graph.operators, reasons, strict=True)):
            lowered = [] if reason else self._lowered(operator, number, images)
            layers.append(self._report(operator, number, len(lowered)))
            if reason:
                steps.append(Step(operator=operator))
            elif lowered and steps and steps[-1].operator is None:
                steps[-1] = Step(steps[-1].first, steps[-1].count + len(lowered))
            elif lowered:
                steps.append(Step(len(instructions), len(lowered)))
            instructions += lowered
        memories = images.memories(encoded([*instructions, Instruction(Opcode.HALT)]))
        host = [operator for operator, reason in zip(graph.operators, reasons, strict=True) if reason]
        names = {edge.tensor for edge in (*graph.inputs, *graph.outputs)}
        names |= {name for operator in host for name in (*operator.inputs, operator.output)}
        placements = [
            Placement(name, self.views[name].address, graph.known[name].shape) for name in names if name in self.views
        ]
        return Program(
            self.config,
            memories,
            tuple((storage.address, data) for storage, data in self.constants),
            tuple(steps),
            tuple(sorted(placements, key=lambda p: p.name)),
            graph.inputs,
            graph.outputs,
            {name: graph.known[name] for name in sorted(names)},
            tuple(layers),
            self._regions(),
            end - constants,
            graph.source,
        )

    def _regions(self) -> tuple[Region, ...]:
        count = len(self.graph.operators)
        kept = [storage for storage, _ in self.constants]
        return tuple(Region(s.name, s.address, s.size, s.first, min(s.last, count)) for s in (*kept, *self.storages))

    def _check_host(self, reasons: Sequence[str]) -> None:
        """Reject host operators between NPU instructions unless `fallback` is set."""
        on_npu = [n for n, reason in enumerate(reasons) if not reason]
        for n, reason in enumerate(reasons):
            inside = on_npu and on_npu[0] < n < on_npu[-1]
            if reason and not self.fallback and (inside or not isinstance(self.graph.operators[n], _ENDS)):
                operator = self.graph.operators[n]
                shape = self.graph.known[operator.output].shape
                raise Unsupported(
                    f"node {operator.name!r} ({operator.op}) of shape {shape}: {reason}; use --host-fallback to run "
                    "it on the host"
                )

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
        return self._joined_part(operator, self.views[operator.output], picture(self.graph.known[name].shape), start)

    def _joined_part(self, operator: Concatenation, y: View, sizes: tuple[int, int, int], start: int) -> View:
        parts = [slice(0, size, 1) for size in sizes]
        axis = operator.axis - len(self.graph.known[operator.output].shape) + 3
        parts[axis] = slice(start, start + sizes[axis], 1)
        return y.part(*parts)

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

    def _lowered(self, operator: Operator, number: int, images: Images) -> list[Instruction]:
        output = self.views[operator.output]
        inputs = [self.views[name] for name in operator.inputs]
        if number in self.operands and isinstance(operator, Binary):
            inputs.insert(0 if operator.constant_first else 1, self.operands[number])
        rank = len(self.graph.known[operator.inputs[0]].shape)
        low = Lowering(operator, self.config, images, inputs, output, rank)
        if isinstance(operator, (Reshape, Slice)):
            return self._moved(low)
        if isinstance(operator, Concatenation):
            return self._joined(low)
        kind = next(kind for kind in LOWERINGS if isinstance(operator, kind))
        return LOWERINGS[kind](low)

    def _moved(self, low: Lowering) -> list[Instruction]:
        """Lower RESHAPE and slices: nothing if the result is a view of the input, else copies."""
        operator, (x,), y = low.operator, low.inputs, low.output
        if y.storage is x.storage:
            return []
        if isinstance(operator, Reshape):
            low.output = y.reshaped(x.rows, x.cols, x.channels)
            return copy(low)
        sizes = self.graph.known[operator.inputs[0]].shape[1:]
        parts = [slice(*slice(*each).indices(n)) for each, n in zip(operator.slices, sizes, strict=True)]
        rows, cols, channels = [slice(0, 1, 1)] * (3 - len(parts)) + parts
        if channels.step == 1:
            low.inputs = [x.part(rows, cols, channels)]
            part = low.inputs[0]
            low.output = y.reshaped(part.rows, part.cols, part.channels)
            return copy(low)
        copies = []
        count = len(range(*channels.indices(sizes[-1])))
        for n in range(count):
            first = channels.start + n * channels.step
            low.inputs = [x.part(rows, cols, slice(first, first + 1, 1))]
            part = low.inputs[0]
            whole = y.reshaped(part.rows, part.cols, count)
            low.output = whole.part(slice(0, part.rows), slice(0, part.cols), slice(n, n + 1))
            copies += copy(low)
        return copies

    def _joined(self, low: Lowering) -> list[Instruction]:
        """Lower a CONCATENATION: copy each input that was not written into its part."""
        operator, found, start = low.operator, [], 0
        for name, x in zip(operator.inputs, low.inputs, strict=True):
            if x.storage is not low.output.storage:
                part = self._joined_part(operator, low.output, (x.rows, x.cols, x.channels), start)
                found += copy(Lowering(operator, low.config, low.images, [x], part, low.rank))
            start += self.graph.known[name].shape[operator.axis]
        return found

    def _report(self, operator: Operator, number: int, instructions: int) -> LayerReport:
        shapes = [self.graph.known[name].shape for name in operator.inputs]
        live = sum(s.size for s in self.storages if s.first <= number <= s.last)
        return LayerReport(
            operator.name,
            operator.op,
            self.graph.known[operator.output].shape,
            operator.macs(*shapes),
            operator.weight_count,
            instructions,
            live,
        )
