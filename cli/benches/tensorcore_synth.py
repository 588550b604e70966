"""Area and fmax of the tensor core: a unit by pipeline depth, whole engines, and a conventional unit."""

from typing import Any

from tercet.cli.figures import figure, png
from tercet.engines.tensorcore import SPEC
from tercet.golden.tensorcore.config import TensorCoreConfig

from .common import Rows, Synth, place_and_route, print_table

__all__ = ["bench_pipelines", "bench_synth", "pipelines_picture"]

_PIPELINES = (5, 7, 9, 10, 11, 12, 13, 14)


def _ecp5(**fields: Any) -> TensorCoreConfig:
    return TensorCoreConfig(family="ecp5", **fields)


def bench_pipelines() -> Rows:
    """Measure area and fmax of a dot-product unit by its latency in clocks."""
    jobs = [Synth("dot", _ecp5(pipeline=clocks), f"{clocks} clocks", "ecp5-85k", 250.0) for clocks in _PIPELINES]
    return place_and_route(SPEC, jobs)


def bench_synth() -> Rows:
    """Measure a unit, the conventional one, and whole engines on three devices."""
    rows = place_and_route(
        SPEC,
        [
            Synth("dot", _ecp5(), "volta", "ecp5-85k", 250.0),
            Synth("conventional", _ecp5(), "rounded tree", "ecp5-85k", 200.0),
            Synth("engine", _ecp5(), "4x4x4", "ecp5-85k", 160.0, placer="timing"),
            Synth("engine", _ecp5(cores=2), "two cores of 4x4x4", "ecp5-85k", 150.0, seeds=1, placer="static"),
            Synth("engine", _ecp5(fold=4), "fold 4", "ecp5-25k", 160.0, placer="timing"),
            Synth("engine", TensorCoreConfig(family="ice40", fold=16), "fold 16", "up5k", 40.0),
        ],
    )
    fused, tree = rows[:2]
    ratios = {
        "LUT4 equivalents": _equivalents(tree) / _equivalents(fused),
        "flip-flops": tree["ff"] / fused["ff"],
        "fmax": tree["fmax_mhz"]["median"] / fused["fmax_mhz"]["median"],
    }
    print_table(
        "Conventional unit over fused unit",
        ("item", "ratio"),
        [(name, f"{ratio:.2f}") for name, ratio in ratios.items()],
    )
    tree["ratios"] = ratios
    return rows


def _equivalents(row: dict) -> int:
    """LUT4 equivalents, where a carry cell occupies two LUT4."""
    return row["lut4"] + 2 * row["carry"]


def pipelines_picture(rows: Rows) -> bytes:
    """Plot median fmax with its range, and area, over the latency of a unit."""
    picture, (left, right) = figure(2, 11, 4)
    clocks = [row["params"]["pipeline"] for row in rows]
    median = [row["fmax_mhz"]["median"] for row in rows]
    spread = [[abs(row["fmax_mhz"][end] - row["fmax_mhz"]["median"]) for row in rows] for end in ("min", "max")]
    left.errorbar(clocks, median, yerr=spread, marker="o", capsize=3)
    left.set(title="One dot-product unit on ecp5-85k, speed grade 6", ylabel="MHz, median and range of seeds")
    left.set_ylim(bottom=0)
    right.plot(clocks, [_equivalents(row) for row in rows], marker="o", label="LUT4 + 2 x carry")
    right.plot(clocks, [row["ff"] for row in rows], marker="s", label="flip-flops")
    right.set(title="Area", ylabel="cells")
    right.set_ylim(bottom=0)
    right.legend()
    for axes in (left, right):
        axes.set_xlabel("pipeline, clocks")
        axes.grid(alpha=0.3)
    return png(picture)
