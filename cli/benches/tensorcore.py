"""Bench of the tensor-core engine: long correctness runs and throughput; errors and synthesis have own modules."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tercet.cli.output import progress
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.cycle_model import cycles
from tercet.golden.tensorcore.model import dot, mma
from tercet.golden.tensorcore.stimuli import Events, events, hard_dots, random_operands
from tercet.sim import tensorcore
from tercet.sim.tensorcore_directed import directed_dots

from .common import Rows, print_table, run_parts, timed
from .tensorcore_errors import bench_errors, errors_picture
from .tensorcore_synth import bench_pipelines, bench_synth, pipelines_picture

__all__ = ["PARTS", "TEXT", "run_bench"]

PARTS = ("sums", "pairs", "throughput", "golden", "errors", "pipelines", "synth")
TEXT = """Measure the tensor core: a million sums on every unit and all pairs of E4M3 numbers
against the golden model, throughput, errors against exact sums, a dot-product unit by pipeline depth, whole engines,
and a conventional unit for comparison. Hours on two cores, mostly place and route."""

_SUMS = 1_000_000
_BATCH = 100_000

_TC = TensorCoreConfig
# One dot-product unit each; together they cover every preset, pipelines from shortest to longest, and every family.
_UNITS = {
    "volta": _TC.volta(m=1, n=1, family="ecp5"),
    "volta, FP16 out": _TC.volta(m=1, n=1, out_format="fp16", pipeline=7),
    "turing": _TC.turing(m=1, n=1, pipeline=10),
    "ampere": _TC.ampere(m=1, n=1, pipeline=9),
    "ampere, FP16 out": _TC.ampere(m=1, n=1, out_format="fp16", pipeline=5),
    "ampere, BF16": _TC.ampere(m=1, n=1, a_format="bf16", family="ecp5", pipeline=16),
    "ampere, TF32": _TC.ampere(m=1, n=1, a_format="tf32", pipeline=4),
    "ada, E4M3 x E5M2": _TC.ada(m=1, n=1, a_format="e4m3", b_format="e5m2", pipeline=13),
    "hopper": _TC.hopper(m=1, n=1, family="ecp5"),
    "hopper, BF16": _TC.hopper(m=1, n=1, a_format="bf16", family="ice40"),
    "hopper, TF32": _TC.hopper(m=1, n=1, a_format="tf32", pipeline=12),
    "hopper, E4M3": _TC.hopper(m=1, n=1, a_format="e4m3", pipeline=20),
    "hopper, E5M2": _TC.hopper(m=1, n=1, a_format="e5m2", pipeline=11),
    "hopper, E5M2 x E4M3": _TC.hopper(m=1, n=1, a_format="e5m2", b_format="e4m3", pipeline=8),
    "hopper, E4M3, FP16 out": _TC.hopper(m=1, n=1, a_format="e4m3", out_format="fp16"),
    "blackwell, FP16 out": _TC.blackwell(m=1, n=1, out_format="fp16", family="ecp5"),
    "turing, INT8": _TC.turing(m=1, n=1, a_format="int8", overflow="saturate", family="ecp5"),
}
_OPERATIONS = 500
_FOLDS = (1, 2, 4, 8, 16)


def run_bench(parts: Sequence[str], output: Path) -> bool:
    """Run parts of the bench, print their tables and write the results; returns whether everything agreed."""
    runs = {
        "sums": _bench_sums,
        "pairs": _bench_pairs,
        "throughput": _bench_throughput,
        "golden": _bench_golden,
        "errors": bench_errors,
        "pipelines": bench_pipelines,
        "synth": bench_synth,
    }
    pictures = {"errors": errors_picture, "pipelines": pipelines_picture}
    return run_parts("tensorcore", runs, pictures, parts, output)


def _run(config: TensorCoreConfig, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
    """Run single sums on the RTL: `a` and `b` (count, l), `c` (count,); returns bit patterns and counts of errors."""
    operands = a[:, None, :], b[:, :, None], c[:, None, None]
    run = tensorcore.mma(config, *operands)
    want = mma(*operands, config)
    patterns = run.out.view(f"u{c.itemsize}")
    row = {"sums": len(c), "mismatches": int((patterns != want.view(patterns.dtype)).sum())}
    row["off_model"] = int(run.cycles != cycles(config, 1, 1, config.l, len(c)))
    return patterns.ravel(), row


def _bench_sums() -> Rows:
    """Run a million single sums per unit, biased towards rare events, and all directed cases."""
    rows: Rows = []
    with progress("sums", total=len(_UNITS) * _SUMS) as advance:
        for number, (name, config) in enumerate(_UNITS.items()):
            rng = np.random.default_rng(number)
            row = {"config": name, "pipeline": config.pipeline, "sums": 0, "directed": 0, "mismatches": 0}
            row["off_model"] = 0
            seen: Events | None = None
            jobs = [directed_dots(config, config.l)]
            row["directed"] = len(jobs[0][2])
            while jobs or row["sums"] < _SUMS + row["directed"]:
                operands = jobs.pop() if jobs else hard_dots(rng, config, _BATCH)
                patterns, counts = _run(config, *operands)
                for key, count in counts.items():
                    row[key] += count
                if not config.integers:
                    batch_events = events(config, operands, patterns)
                    seen = batch_events if seen is None else seen + batch_events
                advance("", counts["sums"])
            rows.append(row | _counted(seen))
            advance(f"{name}: {row['sums']} sums, {row['mismatches']} mismatches", 0)
    columns = ("sums", "mismatches", "off_model")
    names = tuple(_counted(None))
    print_table(
        "RTL against golden model: sums, and how many of them show each rare event",
        ("unit", *columns[:2], "off model", "each distance", *(name.replace("_", " ") for name in names[1:])),
        [(row["config"], *(row[name] for name in (*columns, *names))) for row in rows],
    )
    return rows


def _counted(seen: Events | None) -> dict[str, int | str]:
    """Event counts by name; "distance" is the count of the rarest alignment distance, 0 to F + 3."""
    if seen is None:
        empty = ("distance", "cancelled", "floored", "subnormal_in", "subnormal_out", "overflow", "infinite", "nan")
        return dict.fromkeys((*empty, "negative_zero"), "-")
    rest = {name: count for name, count in vars(seen).items() if name != "distances"}
    return {"distance": int(seen.distances[:-1].min()), **rest}


def _bench_pairs() -> Rows:
    """Multiply every pair of E4M3 numbers, as the only product of a sum, in rotating positions."""
    rows: Rows = []
    first, second = (grid.ravel() for grid in np.meshgrid(np.arange(256), np.arange(256)))
    with progress("pairs", total=4) as advance:
        for out_format in ("fp32", "fp16"):
            config = TensorCoreConfig.hopper(m=1, n=1, a_format="e4m3", out_format=out_format)
            for addend in ("zero", "any"):
                c = hard_dots(np.random.default_rng(0), config, len(first))[2]
                a, b = np.zeros((2, len(first), config.l), np.uint8)
                index, position = np.arange(len(first)), np.arange(len(first)) % config.l
                a[index, position], b[index, position] = first, second
                _, row = _run(config, a, b, np.zeros_like(c) if addend == "zero" else c)
                rows.append({"out_format": out_format, "addend": addend, **row})
                advance()
    print_table(
        "All 65536 pairs of E4M3",
        ("D", "C", "sums", "mismatches", "off model"),
        [tuple(row.values()) for row in rows],
    )
    return rows


def _bench_throughput() -> Rows:
    """Measure back-to-back operations, and products of many steps."""
    rows: Rows = []
    rng = np.random.default_rng(0)
    with progress("throughput", total=len(_FOLDS)) as advance:
        for fold in _FOLDS:
            config = TensorCoreConfig(fold=fold)
            sizes = ((4, 4, 4, 1), (4, 4, 4, _OPERATIONS), (16, 16, 16, 50), (64, 64, 64, 1))
            items = [random_operands(rng, config, m, k, n, batch) for m, k, n, batch in sizes]
            one, *runs = tensorcore.mmas(config, items)
            wrong = sum(int((run.out != mma(*item, config)).sum()) for run, item in zip(runs, items[1:], strict=True))
            models = [cycles(config, m, n, k, batch) for m, k, n, batch in sizes]
            many, tile, large = (run.counters["busy"] / run.cycles for run in runs)
            rows.append(
                {
                    "fold": fold,
                    "latency": one.cycles - fold,
                    "operations": _OPERATIONS,
                    "cycles": runs[0].cycles,
                    "beyond": runs[0].cycles - _OPERATIONS * fold - (one.cycles - fold),
                    "busy_4x4x4": many,
                    "busy_16x16x16": tile,
                    "busy_64x64x64": large,
                    "mismatches": wrong,
                    "off_model": sum(run.cycles != model for run, model in zip([one, *runs], models, strict=True)),
                }
            )
            advance()
    print_table(
        f"{_OPERATIONS} operations of 4x4x4 back to back; share of clocks with a start, here and for larger products",
        (
            "fold",
            "latency",
            "cycles",
            "excess over n * fold + latency",
            "4x4x4",
            "50 of 16x16x16",
            "64x64x64",
            "off model",
        ),
        [
            (r["fold"], r["latency"], r["cycles"], r["beyond"])
            + tuple(f"{r['busy_' + size]:.1%}" for size in ("4x4x4", "16x16x16", "64x64x64"))
            + (r["off_model"],)
            for r in rows
        ],
    )
    return rows


def _bench_golden() -> Rows:
    """Time a million dot products on the golden model."""
    rows: Rows = []
    rng = np.random.default_rng(0)
    with progress("golden", total=4) as advance:
        for name in ("volta", "turing", "ampere", "hopper"):
            config = getattr(TensorCoreConfig, name)()
            a, b, c = hard_dots(rng, config, _SUMS)
            _, seconds = timed(lambda a=a, b=b, c=c, config=config: dot(a, b, c, config))
            rows.append({"preset": name, "products": config.l, "sums": _SUMS, "seconds": seconds})
            advance()
    print_table(
        "A million one-step dot products on the golden model (goal for volta: 3 s)",
        ("preset", "products per step", "seconds"),
        [(r["preset"], r["products"], f"{r['seconds']:.2f}") for r in rows],
    )
    return rows
