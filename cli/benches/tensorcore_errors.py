"""Error of each preset against the exact sum, by number of products."""

from tercet.cli.figures import figure, png
from tercet.cli.output import progress
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.errors import QUANTILES, error_statistics

from .common import Rows, print_table

__all__ = ["bench_errors", "errors_picture"]

_CONFIGS = {
    "volta": TensorCoreConfig.volta(),
    "ampere": TensorCoreConfig.ampere(),
    "hopper": TensorCoreConfig.hopper(),
    "ampere, BF16": TensorCoreConfig.ampere(a_format="bf16"),
    "hopper, E4M3": TensorCoreConfig.hopper(a_format="e4m3"),
    "volta, FP16 out": TensorCoreConfig.volta(out_format="fp16"),
}
_LENGTHS = (32, 64, 128, 256, 512)
_COUNT = 1000
_KINDS = ("normal", "positive")


def bench_errors() -> Rows:
    """Measure the errors of random dot products, with operands of both signs and with positive ones."""
    rows: Rows = []
    with progress("errors", total=len(_CONFIGS) * len(_KINDS) * len(_LENGTHS)) as advance:
        for name, config in _CONFIGS.items():
            for kind in _KINDS:
                for k in _LENGTHS:
                    (statistics,) = error_statistics(config, [k], count=_COUNT, operands=kind)
                    rows.append({"config": name, "operands": kind, **vars(statistics)})
                    advance()
    print_table(
        f"Errors of {_COUNT} dot products against exact sums, in ULPs of D; negative is toward zero",
        ("config", "operands", "K", "mean", *(f"{share:.0%}" for share in QUANTILES), "exact"),
        [
            (r["config"], r["operands"], r["k"], f"{r['bias']:.2f}")
            + tuple(f"{value:.1f}" for value in r["quantiles"])
            + (f"{r['equal']:.1%}",)
            for r in rows
            if r["k"] in (_LENGTHS[0], _LENGTHS[-1])
        ],
    )
    return rows


def errors_picture(rows: Rows) -> bytes:
    """Plot median and interquartile range of the errors over the number of products."""
    picture, axes = figure(2, 11, 4.5)
    low, high = QUANTILES.index(0.25), QUANTILES.index(0.75)
    for kind, part in zip(_KINDS, axes, strict=True):
        for name in _CONFIGS:
            chosen = [row for row in rows if row["config"] == name and row["operands"] == kind]
            ks = [row["k"] for row in chosen]
            (line,) = part.plot(ks, [row["quantiles"][QUANTILES.index(0.5)] for row in chosen], marker="o", label=name)
            bounds = [[row["quantiles"][n] for row in chosen] for n in (low, high)]
            part.fill_between(ks, *bounds, color=line.get_color(), alpha=0.15)
        part.set_xscale("log", base=2)
        part.set_xticks(_LENGTHS, map(str, _LENGTHS))
        part.set(yscale="symlog", xlabel="products")
        part.set(ylabel="ULPs of D, negative: toward zero")
        part.grid(alpha=0.3)
    axes[0].set_title("Operands of both signs: median and interquartile range of the errors")
    axes[1].set_title("Positive operands")
    axes[1].legend(loc="lower left")
    return png(picture)
