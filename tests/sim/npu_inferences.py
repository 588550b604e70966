"""Inferences as single jobs of the NPU's RTL: the golden machine tells in advance what the host answers in between."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from tercet.compiler import compile as compile_graph
from tercet.compiler.npu.weight_range import clip
from tercet.compiler.tflite import load_tflite
from tercet.engines.npu import SPEC
from tercet.golden.npu.config import NpuConfig
from tercet.golden.npu.machine import Machine
from tercet.golden.npu.operands import Transcript, bind, load, read_bytes, replay
from tercet.golden.npu.program import Program
from tercet.golden.npu.session import Read, on_golden
from tercet.golden.streams import Job, JobResult
from tercet.sim.engine import counters_of

from ..compiler.random_networks import random_file
from ..compiler.tflite_files import Network

__all__ = ["MEMORIES", "SMALL", "Inference", "check", "inference", "inferences", "random_inferences", "wide_layers"]

MEMORIES: dict[str, Any] = {
    "buffer_bytes": 2**14,
    "weight_bytes": 2**17,
    "channels": 2048,
    "operators": 2048,
    "tables": 256,
}
"""Sizes of memories for random networks."""

SMALL = NpuConfig(rows=4, cols=4, weight_rows=2, depthwise_taps=3, requant_lanes=2, acc_depth=8, **MEMORIES)
"""Configuration that all tests of the engine share."""


@dataclass(frozen=True, eq=False)
class Inference:
    """A program, a sample, the bytes of each `Read` on the golden machine, and what the graph computes."""

    program: Program
    sample: list[np.ndarray]
    reads: list[tuple[Read, np.ndarray]]
    outputs: list[np.ndarray]
    want: list[np.ndarray]

    def add(self, transcript: Transcript) -> None:
        """Add the requests; the memories are loaded."""
        replay(self.program.session(self.sample), transcript, [data for _, data in self.reads])

    def job(self, *, loads: bool = True, keep: bool = False) -> Job:
        """Job of this inference alone, with or without loading the memories."""
        transcript = Transcript(self.program.config)
        if loads:
            load(self.program, transcript)
        self.add(transcript)
        return transcript.job(keep=keep)

    def compare(self, beats: np.ndarray) -> np.ndarray:
        """Compare the beats of `results` with the golden machine's; return the remaining ones."""
        for request, want in self.reads:
            data, beats = read_bytes(beats, request.spans)
            np.testing.assert_array_equal(data, want)
        return beats


def inference(program: Program, x: Any, want: Sequence[np.ndarray]) -> Inference:
    """Inference of one sample `x`, as for `Graph.run`, which gives `want`."""
    (sample,) = bind(program.config, program, x).samples
    machine = Machine(program.config, program.memories)
    session, answer = program.session(sample), None
    reads: list[tuple[Read, np.ndarray]] = []
    try:
        while True:
            request = session.send(answer)
            answer = on_golden(machine, request)
            if isinstance(request, Read) and answer is not None:
                reads.append((request, answer))
    except StopIteration as ended:
        outputs = [out[0] for out in ended.value]
    return Inference(program, sample, reads, outputs, list(want))


def wide_layers() -> bytes:
    """Layers of one pixel and many channel tiles, which outrun their parameters; averages, whose weights are equal."""
    rng, net = np.random.default_rng(6), Network()

    def weights(*shape: int, axis: int = 0) -> str:
        scales = rng.uniform(0.005, 0.02, shape[axis])
        return net.constant(rng.integers(-127, 128, shape), scales, dtype=np.int8, axis=axis)

    x, wide = net.input((1, 3)), net.tensor((1, 40), 0.8, 3)
    net.add("FULLY_CONNECTED", [x, weights(40, 3)], wide)
    y, narrow = net.tensor((1, 40), 1.5, 0), net.tensor((1, 2), 4.0, -5)
    net.add("ADD", [wide, wide], y)
    net.add("FULLY_CONNECTED", [y, weights(2, 40)], narrow)
    spread, scaled = net.tensor((1, 1, 1, 40), 1.5, 0), net.tensor((1, 1, 1, 40), 1.0, 5)
    net.add("RESHAPE", [y, net.constant([1, 1, 1, 40])], spread)
    window = {"Padding": "VALID", "StrideH": 1, "StrideW": 1}
    net.add("DEPTHWISE_CONV_2D", [spread, weights(1, 1, 1, 40, axis=3)], scaled, **window, DepthMultiplier=1)
    picture, mean = net.input((1, 5, 4, 30)), net.tensor((1, 1, 2, 30), 0.5, 0)
    net.add("AVERAGE_POOL_2D", [picture], mean, Padding="VALID", StrideH=1, StrideW=2, FilterHeight=5, FilterWidth=2)
    net.outputs = [narrow, scaled, mean]
    return net.file()


def inferences(config: NpuConfig, *files: bytes) -> list[Inference]:
    """Inferences of networks on random codes."""
    rng, found = np.random.default_rng(7), []
    for data in files:
        graph = load_tflite(data)
        x = [rng.integers(-128, 128, edge.sample_shape).astype(np.int8) for edge in graph.inputs]
        x = x if len(x) > 1 else x[0]
        found.append(inference(compile_graph(graph, config), x, graph.run(x)))
    return found


@cache
def random_inferences(config: NpuConfig, seeds: range) -> list[Inference]:
    """Inferences of random networks; a multiplier that lacks weights of -128 gets them clipped."""
    found = []
    for seed in seeds:
        file = random_file(seed)
        graph = load_tflite(file.data)
        if config.array.weight_range[0] > -128:
            graph, _ = clip(graph)
        program = compile_graph(graph, config, fold=seed % 2 == 0, host_fallback=True)
        x = [array[0] for array in file.batch(np.random.default_rng(seed), 1)]
        x = x if len(x) > 1 else x[0]
        found.append(inference(program, x, graph.run(x)))
    return found


def check(items: Sequence[Inference], results: Sequence[JobResult]) -> None:
    """Every bit that the host reads, every clock, and every clock in which the buffer is read."""
    for item, result in zip(items, results, strict=True):
        assert len(item.compare(result.outputs["results"])) == 0
        for got, want in zip(item.outputs, item.want, strict=True):
            np.testing.assert_array_equal(got, want, strict=True)
        counters = counters_of(SPEC, result.probes)
        assert counters["run"] == item.program.cycles
        assert counters["active"] == sum(part.active for part in item.program.instruction_cycles)
        assert result.probes["error"] == 0
