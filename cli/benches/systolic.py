"""Bench of the systolic engine: long correctness runs, cycles, size of the Verilog, area and fmax."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tercet.cli.figures import figure, png
from tercet.cli.output import progress
from tercet.engines.systolic import SPEC
from tercet.golden.numerics.requantization import ROUNDINGS
from tercet.golden.numerics.requantization import requantize as golden_requantize
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.model import matmul
from tercet.sim import requantizer, stimuli, systolic

from .common import Rows, Synth, place_and_route, print_table, run_parts

__all__ = ["PARTS", "TEXT", "run_bench"]

PARTS = ("products", "requantiser", "cycles", "generate", "synth")
TEXT = """Measure the systolic engine: a million products and ten million requantised sums against the golden
model, cycles and utilisation, generation, and place and route. About half an hour on two cores, mostly place and
route."""

_OUTPUTS = 1_000_000
_REQUANTISED = 10_000_000

_PRODUCTS = [
    SystolicConfig(rows=8, cols=8, acc_depth=32),
    SystolicConfig(rows=5, cols=3, acc_depth=13, mac="ecp5"),
    SystolicConfig(rows=5, cols=4, acc_depth=13, mac="ecp5-dual"),
    SystolicConfig(rows=3, cols=6, acc_depth=64, mac="ice40"),
    SystolicConfig(rows=8, cols=8, acc_depth=16, dataflow="os"),
    SystolicConfig(rows=3, cols=5, acc_depth=3, dataflow="os", mac="ecp5"),
]


def run_bench(parts: Sequence[str], output: Path) -> bool:
    """Run parts of the bench, print their tables and write the results; returns whether everything agreed."""
    runs = {
        "products": _bench_products,
        "requantiser": _bench_requantiser,
        "cycles": _bench_cycles,
        "generate": _bench_generate,
        "synth": _bench_synth,
    }
    return run_parts("systolic", runs, {"cycles": _picture}, parts, output)


def _label(config: SystolicConfig) -> str:
    return f"{config.rows}x{config.cols} {config.dataflow} {config.mac}"


def _bench_products() -> Rows:
    """Compare a million outputs of random products, with and without stalls."""
    rows = []
    goal = _OUTPUTS // (2 * len(_PRODUCTS))
    with progress("products", total=2 * len(_PRODUCTS) * goal) as advance:
        for config in _PRODUCTS:
            for stall in (0.0, 0.3):
                row = {"config": _label(config), "stall": stall, "outputs": 0, "mismatches": 0, "off_model": 0}
                seed = 0
                while row["outputs"] < goal:
                    jobs = stimuli.products(config, 40, seed)
                    for job, run in zip(jobs, systolic.matmuls(config, jobs, stall=stall, seed=seed), strict=True):
                        want = matmul(job.acts, job.weights, job.bias, config)
                        want = want if job.requant is None else job.requant.apply(want)
                        row["outputs"] += want.size
                        row["mismatches"] += int((run.out != want).sum())
                        (m, k), n = job.acts.shape, job.weights.shape[1]
                        model = config.cycles(m, k, n, job.requant is not None, params=job.bias is not None)
                        row["off_model"] += stall == 0 and run.cycles != model
                        advance(count=want.size)
                    seed += 1
                rows.append(row)
    columns = ("engine", "stall", "outputs", "mismatches", "runs off model")
    print_table("RTL against golden model", columns, [list(row.values()) for row in rows])
    return rows


def _bench_requantiser() -> Rows:
    """Requantise ten million random sums, divided among the roundings, and all corner cases."""
    rows = []
    batch = 500_000
    batches = -(-_REQUANTISED // (batch * len(ROUNDINGS)))
    with progress("requantiser", total=len(ROUNDINGS) * (batches + 1)) as advance:
        for rounding in ROUNDINGS:
            jobs = [stimuli.requant_corners(rounding)]
            row = {"rounding": rounding, "results": 0, "mismatches": 0}
            for number in range(batches + 1):
                for job, out in zip(jobs, requantizer.requantize(jobs), strict=True):
                    want = golden_requantize(job[0][None, :], *job[1:])[0]
                    row["results"] += want.size
                    row["mismatches"] += int((out != want).sum())
                jobs = [stimuli.requant_job(batch // 10, 10 * number + n, rounding) for n in range(10)]
                advance()
            rows.append(row)
    columns = ("rounding", "results", "mismatches")
    print_table("Requantiser against golden model", columns, [list(row.values()) for row in rows])
    return rows


def _bench_cycles() -> Rows:
    """Measure cycles and utilisation of a 16x16 array by M, on the RTL."""
    rows = []
    rng = np.random.default_rng(0)
    sizes = (1, 4, 16, 32, 64, 128, 256, 512)
    with progress("cycles", total=2 * len(sizes)) as advance:
        for dataflow in ("ws", "os"):
            config = SystolicConfig(dataflow=dataflow)
            weights = stimuli.operand(rng, (256, 256), 8)
            jobs = [systolic.MatmulOperands(stimuli.operand(rng, (m, 256), 8), weights) for m in sizes]
            for m, run in zip(sizes, systolic.matmuls(config, jobs), strict=True):
                model = config.cycles(m, 256, 256, params=False)
                row = {"dataflow": dataflow, "m": m, "k": 256, "n": 256, "cycles": run.cycles, "model": model}
                rows.append({**row, "utilisation": m * 256 / run.cycles, **run.counters})
                advance()
    print_table(
        "16x16, K = N = 256",
        ("dataflow", "M", "cycles", "model", "utilisation"),
        [(r["dataflow"], r["m"], r["cycles"], r["model"], f"{r['utilisation']:.1%}") for r in rows],
    )
    return rows


def _bench_generate() -> Rows:
    """Measure generation time and size of the Verilog."""
    rows = []
    sizes = (16, 32, 64, 128, 256)
    with progress("generate", total=len(sizes)) as advance:
        for size in sizes:
            started = time.perf_counter()
            text = SPEC.verilog(SystolicConfig(rows=size, cols=size))
            rows.append({"size": size, "seconds": time.perf_counter() - started, "bytes": len(text)})
            advance()
    cells = [(f"{row['size']}x{row['size']}", f"{row['seconds']:.1f}", row["bytes"]) for row in rows]
    print_table("Generated Verilog", ("array", "seconds", "bytes"), cells)
    return rows


def _bench_synth() -> Rows:
    """Measure area and fmax after place and route."""
    small, large = SystolicConfig(rows=4, cols=4, mac="ecp5"), SystolicConfig(rows=8, cols=8, mac="ecp5")
    dual, largest = (SystolicConfig(rows=rows, cols=cols, mac="ecp5-dual") for rows, cols in ((7, 8), (16, 16)))
    up5k = SystolicConfig(rows=4, cols=4, mac="ice40")
    synths = [
        Synth("array", small, _label(small), "ecp5-25k", 250.0),
        Synth("array", large, _label(large), "ecp5-85k", 250.0),
        Synth("array", dual, _label(dual), "ecp5-25k", 250.0),
        Synth("array", largest, _label(largest), "ecp5-85k", 250.0),
        Synth("engine", large, _label(large), "ecp5-85k", 200.0, placer="static"),
        Synth("array", up5k, _label(up5k), "up5k", 60.0),
    ]
    return place_and_route(SPEC, synths)


def _picture(rows: Rows) -> bytes:
    """Plot utilisation over M for both dataflows."""
    picture, (axes,) = figure(1, 6.5, 4)
    for dataflow, label in (("ws", "weight stationary"), ("os", "output stationary")):
        chosen = [row for row in rows if row["dataflow"] == dataflow]
        axes.plot([r["m"] for r in chosen], [100 * r["utilisation"] for r in chosen], marker="o", label=label)
    axes.set_xscale("log", base=2)
    axes.set(title="16x16 array, K = N = 256", xlabel="M", ylabel="utilisation, %", ylim=(0, 105))
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    return png(picture)
