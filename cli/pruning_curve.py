"""Table and plot of accuracy against the share of weights that pruning keeps."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from tercet.golden.compress.curve import CurvePoint, curve_epochs, pruning_curve
from tercet.golden.compress.pipeline import Data
from tercet.golden.networks.mlp import Mlp

from .figures import figure, png
from .output import console, progress, table, write_files

__all__ = ["CURVE_DENSITIES", "CURVE_STEPS", "curve_picture", "curve_row", "draw_curve"]

CURVE_DENSITIES = (1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01)
CURVE_STEPS = 5

# Name of a curve, and its label, colour, marker and line.
_CURVES = {
    "untrained": ("pruned, not retrained", "tab:grey", "o", ":"),
    "once": ("pruned at once, retrained", "tab:orange", "s", "--"),
    "iterative": ("pruned in steps, retrained", "tab:blue", "D", "-"),
    "shared": ("in steps, then shared weights", "tab:green", "^", "-"),
}
# The right half of the plot shows the densities that lose little.
_CLOSE = 0.08
_APART = 1.03


def curve_row(point: CurvePoint) -> dict[str, Any]:
    """Figures of a point by name, and ``gain``, the accuracy of pruning in steps above that of pruning at once."""
    return {**dataclasses.asdict(point), "gain": point.iterative - point.once}


def curve_picture(rows: Sequence[Mapping[str, Any]], title: str) -> bytes:
    """Plot accuracy over density, whole and near the top, with bars of one standard deviation where known."""
    picture, (left, right) = figure(2, 11, 4.5)
    densities = [100 * row["density"] for row in rows]
    for n, (name, (label, colour, marker, line)) in enumerate(_CURVES.items()):
        # Side by side, so that no bar hides another.
        places = [density * _APART ** (1.5 - n) for density in densities]
        values = [100 * row[name] for row in rows]
        bars = [100 * row.get(f"{name}_deviation", 0.0) for row in rows]
        style: dict[str, Any] = {"color": colour, "marker": marker, "linestyle": line, "markersize": 5, "capsize": 3}
        for axes in (left, right):
            axes.errorbar(places, values, bars if any(bars) else None, label=label, **style)
    top = 100 * max(max(row[name] + row.get(f"{name}_deviation", 0.0) for name in _CURVES) for row in rows)
    note = "; bars: standard deviation" if any("once_deviation" in row for row in rows) else ""
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xticks(densities, [f"{density:g}" for density in densities])
        axes.minorticks_off()
        axes.invert_xaxis()
        axes.set_xlabel("weights kept, %")
        axes.grid(alpha=0.3)
    left.set(title=title, ylabel="accuracy, %", ylim=(0, 103))
    right.set(title=f"The same, near the top{note}", ylim=(top - 100 * _CLOSE, top + 0.3))
    left.legend(loc="lower left")
    return png(picture)


def draw_curve(path: Path, mlp: Mlp, data: Data, title: str, *, epochs: int, **options: int) -> None:
    """Measure a network's accuracy at several densities, print it and plot it; options as for `pruning_curve`."""
    with progress("curve", total=curve_epochs(epochs, CURVE_DENSITIES)) as advance:
        points = pruning_curve(mlp, data, CURVE_DENSITIES, epochs=epochs, progress=advance, **options)
    rows = [curve_row(point) for point in points]
    console().print(_table(f"accuracy by density, {epochs} epochs of retraining", rows))
    write_files(path.parent, {path.name: curve_picture(rows, title)})
    click.echo(str(path))


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> Any:
    """Table of one network's figures."""
    heads = ("weights kept", "bytes", "not retrained", "at once", "in steps", "shared", "steps against once")
    result = table(title, "density", *heads)
    for row in rows:
        shares = (f"{row[name]:.2%}" for name in _CURVES)
        gain = f"{100 * row['gain']:+.2f}"
        result.add_row(f"{row['density']:g}", f"{row['weights']:,}", f"{row['size']:,}", *shares, gain)
    return result
