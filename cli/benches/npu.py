"""Bench of the NPU: whole models on the RTL against the graph and the cycle model, area and fmax of its units."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tercet.cli.graph_inputs import random_inputs
from tercet.cli.output import progress
from tercet.compiler import compile as compile_graph
from tercet.compiler import load
from tercet.engines.npu import SPEC
from tercet.golden.npu.board_presets import BOARD_PRESETS
from tercet.golden.npu.config import NpuConfig
from tercet.sim import npu

from .common import Rows, Synth, model_files, place_and_route, print_table, run_parts, timed

__all__ = ["PARTS", "TEXT", "run_bench"]

PARTS = ("models", "synth")
TEXT = """Measure the NPU: every .tflite and .onnx in the folder that TERCET_MODELS names, on the RTL of several
machines against the graph and the cycle model, and place and route. About an hour on two cores,
mostly place and route."""

_INPUTS = 20
"""Inputs per model and machine."""

_MACHINES = {
    "16 x 16, 8 lanes": NpuConfig(rows=16, cols=16, requant_lanes=8),
    "16 x 8, 4 lanes": NpuConfig(rows=16, cols=8, requant_lanes=4),
    "16 x 16, 4 lanes, no depthwise unit, 1 weight row": NpuConfig(
        rows=16, cols=16, requant_lanes=4, depthwise_taps=0, weight_rows=1
    ),
}


def _ecp5(**fields: int) -> NpuConfig:
    return NpuConfig(mac="ecp5", **fields)


_BOARD = NpuConfig(**BOARD_PRESETS["ecp5-85k"].params)
_SYNTHS = [
    Synth("gather", _ecp5(requant_lanes=4), "4 bytes written per clock", "ecp5-85k", 250.0),
    Synth("gather", _ecp5(requant_lanes=8), "8 bytes written per clock", "ecp5-85k", 250.0),
    Synth("depthwise", _ecp5(), "16 channels, 3 taps", "ecp5-85k", 250.0),
    Synth("vector", _ecp5(), "16 channels", "ecp5-85k", 250.0),
    Synth("requantizer", _ecp5(), "a lane", "ecp5-85k", 250.0),
    Synth("engine", _BOARD, "16 x 8, 4 lanes", "ecp5-85k", 160.0, placer="static"),
]


def run_bench(parts: Sequence[str], output: Path) -> bool:
    """Run parts of the bench, print their tables and write the results; returns whether everything agreed."""
    runs = {"models": _bench_models, "synth": lambda: place_and_route(SPEC, _SYNTHS)}
    return run_parts("npu", runs, {}, parts, output)


def _bench_models() -> Rows:
    models, rows = model_files(), []
    if not models:
        return rows
    with progress("models on the RTL", total=len(models) * len(_MACHINES)) as advance:
        for path in models:
            for name, config in _MACHINES.items():
                rows.append({"model": path.name, "machine": name, **_run(path, config)})
                advance()
    columns = ("model", "machine", "cycles", "utilisation", "mismatches", "clocks off", "seconds")
    shown = ("model", "machine", "cycles", "utilisation", "mismatches", "off_model", "seconds")
    print_table(f"{_INPUTS} inputs each", columns, [[str(row[key]) for key in shown] for row in rows])
    return rows


def _run(path: Path, config: NpuConfig) -> dict[str, float]:
    """Run a model on random inputs: outputs that differ from the graph, clocks that differ from the model."""
    graph = load(path)
    program = compile_graph(graph, config)
    given = random_inputs(graph, np.random.default_rng(0), _INPUTS)
    run, seconds = timed(lambda: npu.run(config, program, given))
    wrong = sum(int((got != want).sum()) for got, want in zip(run.out, graph.run(given), strict=True))
    return {
        "cycles": program.cycles,
        "utilisation": round(program.report(100e6)["utilisation"], 3),
        "mismatches": wrong,
        "off_model": abs(run.cycles - _INPUTS * program.cycles),
        "seconds": round(seconds, 1),
    }
