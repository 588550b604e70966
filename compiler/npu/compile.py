"""Compile a graph into a program for one NPU configuration."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tercet.golden.networks.graph import Graph
from tercet.golden.networks.operators import (
    Concatenation,
    Dequantize,
    MatrixOperator,
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
from tercet.golden.npu.program import Program
from tercet.golden.npu.report import LayerReport, timed
from tercet.golden.npu.session import Placement, Step

from ..errors import Unsupported
from .buffers import Buffers, joined_part
from .images import Images
from .lower import LOWERINGS, Lowering, copy
from .matrix import scratch_bytes
from .prefetch import prefetching
from .views import Storage
from .weight_range import check_weights, clip

__all__ = ["compile_graph"]

_ENDS = (Quantize, Requantize, Dequantize, Softmax)


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
        If the NPU lacks an operator or a memory is too small; the message names it, the shortfall and the fix. If a
        weight on the array is -128, which the multiplier cannot have.
    """
    config = config or NpuConfig()
    clipped = 0
    if clip_weights:
        graph, clipped = clip(graph)
    compiler = _Compiler(graph.simplified() if fold else graph, config, host_fallback)
    check_weights(graph, compiler.graph, compiler.reasons, config)
    return replace(compiler.program(), clipped=clipped)


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
    reasons: list[str] = field(init=False)
    buffers: Buffers = field(init=False)

    def __post_init__(self):
        self.reasons = [_on_host(operator, self.graph) for operator in self.graph.operators]
        self._check_host(self.reasons)
        self.buffers = Buffers(self.graph, self.reasons, self.config)

    def program(self) -> Program:
        graph, buffers = self.graph, self.buffers
        reasons = self.reasons
        scratch = self._scratch()
        images, instructions, steps, layers = Images(self.config), [], [], []
        for number, (operator, reason) in enumerate(zip(graph.operators, reasons, strict=True)):
            lowered = [] if reason else self._lowered(operator, number, images, scratch.get(number))
            layers.append(self._report(operator, number, len(lowered)))
            if reason:
                steps.append(Step(operator=operator))
            elif lowered and steps and steps[-1].operator is None:
                steps[-1] = Step(steps[-1].first, steps[-1].count + len(lowered))
            elif lowered:
                if instructions:
                    instructions.append(Instruction(Opcode.HALT))
                steps.append(Step(len(instructions), len(lowered)))
            instructions += lowered
        memories = images.memories(encoded([*prefetching(instructions), Instruction(Opcode.HALT)]))
        host = [operator for operator, reason in zip(graph.operators, reasons, strict=True) if reason]
        names = {edge.tensor for edge in (*graph.inputs, *graph.outputs)}
        names |= {name for operator in host for name in (*operator.inputs, operator.output)}
        placements = [
            Placement(name, buffers.views[name].address, graph.known[name].shape)
            for name in names
            if name in buffers.views
        ]
        program = Program(
            self.config,
            memories,
            tuple((storage.address, data) for storage, data in buffers.constants),
            tuple(steps),
            tuple(sorted(placements, key=lambda p: p.name)),
            graph.inputs,
            graph.outputs,
            {name: graph.known[name] for name in sorted(names)},
            tuple(layers),
            buffers.regions,
            buffers.end - buffers.constant_bytes,
            graph.source,
        )
        return replace(program, layers=timed(layers, program.instruction_cycles, self.config))

    def _scratch(self) -> dict[int, Storage]:
        """Reserve temporary storages for the operators that are faster with one, if the buffer has room."""
        found = {}
        for number, (operator, reason) in enumerate(zip(self.graph.operators, self.reasons, strict=True)):
            size = 0 if reason else scratch_bytes(self._context(operator, number, Images(self.config)))
            storage = self.buffers.reserve(number, size, f"windows of {operator.name}") if size else None
            if storage is not None:
                found[number] = storage
        return found

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

    def _context(self, operator: Operator, number: int, images: Images, scratch: Storage | None = None) -> Lowering:
        views, operands = self.buffers.views, self.buffers.operands
        inputs = [views[name] for name in operator.inputs]
        if number in operands and isinstance(operator, Binary):
            inputs.insert(0 if operator.constant_first else 1, operands[number])
        rank = len(self.graph.known[operator.inputs[0]].shape)
        return Lowering(operator, self.config, images, inputs, views[operator.output], rank, scratch)

    def _lowered(self, operator: Operator, number: int, images: Images, scratch: Storage | None) -> list[Instruction]:
        low = self._context(operator, number, images, scratch)
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
                part = joined_part(self.graph, operator, low.output, (x.rows, x.cols, x.channels), start)
                found += copy(Lowering(operator, low.config, low.images, [x], part, low.rank))
            start += self.graph.known[name].shape[operator.axis]
        return found

    def _report(self, operator: Operator, number: int, instructions: int) -> LayerReport:
        shapes = [self.graph.known[name].shape for name in operator.inputs]
        live = sum(s.size for s in self.buffers.storages if s.first <= number <= s.last)
        return LayerReport(
            operator.name,
            operator.op,
            self.graph.known[operator.output].shape,
            operator.macs(*shapes),
            operator.weight_count,
            instructions,
            live,
        )
