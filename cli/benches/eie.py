"""Bench of the EIE engine: long correctness runs, area and fmax; `eie_paper` has the published layers."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tercet.cli.output import progress
from tercet.engines.eie import SPEC
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import cycles
from tercet.golden.eie.layer import EieLayer
from tercet.golden.eie.product import network_spmv
from tercet.golden.eie.stimuli import layer_jobs, random_acts, random_layer
from tercet.sim import eie
from tercet.sim.engine import EngineRun

from .common import Rows, Synth, place_and_route, print_table, run_parts, timed
from .eie_paper import bench_encode, bench_paper, bench_pes, bench_queue, overhead, pes_picture, queue_picture

__all__ = ["PARTS", "TEXT", "run_bench"]

PARTS = ("layers", "large", "paper", "queue", "pes", "encode", "synth")
TEXT = """Measure the EIE engine: random layers against the golden model and the cycle model, the published layers,
efficiency by queue depth and number of PEs, encoding time, and place and route. About half an hour on two cores,
mostly place and route."""

_LAYERS = 20
"""Layers per engine, both with and without stalls."""

# Numbers of PEs that are not powers of two or four, entries that leave bits of a word unused, every family and width.
_ENGINES = [
    EieConfig(),
    EieConfig(n_pe=1, fifo_depth=1, word_width=32),
    EieConfig(n_pe=2, code_bits=7, index_bits=8, act_depth=3, acc_width=48, fifo_depth=3),
    EieConfig(n_pe=2, code_bits=2, index_bits=6, family="ecp5"),
    EieConfig(n_pe=3, code_bits=3, fifo_depth=2, matrix_depth=4096),
    EieConfig(n_pe=5, index_bits=5, word_width=32, fifo_depth=4, family="ecp5"),
    EieConfig(n_pe=6, code_bits=8, index_bits=8, word_width=16, matrix_depth=8192, act_depth=1024, constant_depth=2048),
    EieConfig(n_pe=7, code_bits=3, index_bits=3, word_width=32, acc_width=32, fifo_depth=2, family="ice40"),
    EieConfig(n_pe=8, word_width=16, matrix_depth=4096, family="ice40"),
    EieConfig(n_pe=12, code_bits=5, index_bits=2, fifo_depth=16),
    EieConfig(n_pe=13, code_bits=2, index_bits=3, act_depth=4, fifo_depth=1, family="ecp5"),
    EieConfig(n_pe=16, code_bits=6, fifo_depth=5, family="ecp5"),
    EieConfig(n_pe=16, code_bits=8, index_bits=2, word_width=32, acc_width=24),
]


# Uses all four large RAMs of the device, one per PE. A depth of 2**14 would widen every pointer by a bit.
_UP5K = EieConfig(
    n_pe=4,
    family="ice40",
    fifo_depth=2,
    word_width=16,
    matrix_depth=2**14 - 1,
    pointer_depth=512,
    act_depth=128,
    constant_depth=256,
    acc_width=24,
)

_SYNTHS = [
    Synth("pe", EieConfig(family="ecp5"), "default", "ecp5-85k", 250.0, seeds=5),
    Synth("engine", EieConfig(n_pe=16, family="ecp5"), "16 PEs", "ecp5-85k", 200.0, placer="static"),
    Synth("engine", _UP5K, "4 PEs", "up5k", 40.0),
]


def run_bench(parts: Sequence[str], output: Path) -> bool:
    """Run parts of the bench, print their tables and write the results; returns whether everything agreed."""
    runs = {
        "layers": _bench_layers,
        "large": _bench_large,
        "paper": bench_paper,
        "queue": bench_queue,
        "pes": bench_pes,
        "encode": bench_encode,
        "synth": lambda: place_and_route(SPEC, _SYNTHS),
    }
    return run_parts("eie", runs, {"queue": queue_picture, "pes": pes_picture}, parts, output)


def _compare(layer: EieLayer, acts: np.ndarray, run: EngineRun) -> dict[str, int]:
    """Count outputs and mismatches of a run, and flag counters that differ from the cycle model."""
    result = network_spmv([layer], acts)
    want = result.out
    model = {**vars(cycles(layer, acts)), "saturated": sum(result.saturated)}
    off = run.cycles != model["total"] or any(run.counters[name] != value for name, value in model.items())
    return {"outputs": want.size, "mismatches": int((run.out != want).sum()), "off_model": int(off)}


def _label(config: EieConfig) -> str:
    return f"{config.n_pe} PEs, {config.code_bits}+{config.index_bits} bits of {config.word_width}, {config.family}"


def _bench_layers() -> Rows:
    """Run random layers on the RTL, with and without stalls."""
    rows: Rows = []
    with progress("layers", total=2 * len(_ENGINES)) as advance:
        for number, config in enumerate(_ENGINES):
            for stall in (0.0, 0.3):
                jobs = layer_jobs(config, _LAYERS, seed=2 * number + bool(stall))
                runs = eie.networks(config, [([layer], acts) for layer, acts in jobs], stall=stall, seed=number)
                compared = [_compare(*job, run) for job, run in zip(jobs, runs, strict=True)]
                row = {"config": _label(config), "queue": config.fifo_depth, "stall": stall, "layers": len(jobs)}
                row |= {name: sum(one[name] for one in compared) for name in compared[0]}
                rows.append({**row, "fillers": sum(layer.fillers for layer, _ in jobs)})
                advance(f"{row['config']}, stall {stall}: {row['outputs']} outputs, {row['mismatches']} mismatches")
    names = ("layers", "outputs", "mismatches", "off_model", "fillers")
    total = {name: sum(row[name] for row in rows) for name in names}
    print_table(
        "RTL against golden model and cycle model",
        ("engine", "queue", "stall", "layers", "outputs", "mismatches", "layers off model", "fillers"),
        [*([*row.values()] for row in rows), ["all", "", "", *total.values()]],
    )
    return rows


@contextlib.contextmanager
def _empty_cache() -> Iterator[None]:
    """Context with an empty simulator cache, to time a build."""
    before = os.environ.get("TERCET_CACHE")
    with tempfile.TemporaryDirectory(prefix="tercet-cache-") as name:
        os.environ["TERCET_CACHE"] = name
        try:
            yield
        finally:
            os.environ.pop("TERCET_CACHE")
            if before is not None:
                os.environ["TERCET_CACHE"] = before


def _bench_large() -> Rows:
    """Run one large layer on an engine of the published size."""
    config = EieConfig.paper()
    rng = np.random.default_rng(0)
    layer = random_layer(rng, config, 1000, 4096, 0.25, bias=True, relu=True, permute="spread")
    acts = random_acts(rng, 4096, 0.43, act_max=layer.act_max)
    tiny = random_layer(rng, config, 1, 1, 1.0)
    with progress("large", total=2) as advance, _empty_cache():
        _, build = timed(lambda: eie.spmv(config, tiny, random_acts(rng, 1, 1.0, act_max=tiny.act_max)))
        advance(f"Verilog and simulator of 64 PEs in {build:.0f} s")
        run, seconds = timed(lambda: eie.spmv(config, layer, acts))
        advance()
    row = {"shape": "1000 x 4096", "clocks": run.cycles, "build_seconds": build, "run_seconds": seconds}
    row |= {"overhead": overhead(cycles(layer, acts)), **_compare(layer, acts, run)}
    print_table(
        "64 PEs, 25 % of the weights, 43 % of the activations, spread; excess beyond the entries alone (goal 6 %)",
        ("layer", "clocks", "excess", "build, s", "run, s (60)", "outputs", "mismatches", "layers off model"),
        [(row["shape"], row["clocks"], f"{row['overhead']:.1%}", f"{build:.1f}", f"{seconds:.1f}")
         + tuple(row[name] for name in ("outputs", "mismatches", "off_model"))],
    )  # fmt: skip
    return [row]
