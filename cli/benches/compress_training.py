"""Benches of training: what distillation and dense-sparse-dense training gain over the same training without them."""

from typing import Any

import numpy as np
from tercet.cli.demos.digits import load_digits, train_mlp
from tercet.golden.compress.dense_sparse_dense import dense_sparse_dense
from tercet.golden.compress.distill import distill, train_alone
from tercet.golden.networks.mlp import Mlp

from .common import Rows, print_table
from .seeds import over_seeds, percent

__all__ = ["bench_dense_sparse_dense", "bench_distill"]

_SEEDS = range(5)
_TEACHER = (512, 256)
_STUDENTS = ((8,), (16,), (32,))
# Labelled training samples; None is all of them.
_LABELS = (None, 100)
_EPOCHS = 60
_NETWORKS = ((300, 100), (16,))
_DENSITIES = (0.7, 0.5, 0.3)
_PHASE_EPOCHS = 30


def bench_distill() -> Rows:
    """Measure students with and without a teacher, from the same start and in as many steps."""
    rows = over_seeds(_distilled, _SEEDS, "student", ("weights",), ("teacher", "alone", "distilled", "gain"))
    print_table(
        f"distillation of {_name(_TEACHER)} on digits, {len(_SEEDS)} seeds: mean and standard deviation",
        ("student", "weights", "teacher, %", "labels alone, %", "distilled, %", "gain"),
        [
            [row["student"], f"{row['weights']:,}"]
            + [percent(row, name) for name in ("teacher", "alone", "distilled")]
            + [percent(row, "gain", "+")]
            for row in rows
        ],
    )
    return rows


def _distilled(seed: int) -> dict[str, dict[str, Any]]:
    digits = load_digits(seed)
    teacher = train_mlp(digits, _TEACHER, seed)
    found = {}
    for labels in _LABELS:
        known = slice(labels)
        labelled = (digits.train_x[known], digits.train_y[known])
        # A teacher knows all training samples, the student the labels of some.
        more = None if labels is None else digits.train_x[labels:]
        for hidden in _STUDENTS:
            start = Mlp.random((64, *hidden, 10), seed)
            options: dict[str, Any] = {"epochs": _EPOCHS, "seed": seed}
            student = distill(teacher, start, *labelled, unlabelled=more, **options)
            alone = train_alone(start, *labelled, unlabelled=0 if more is None else len(more), **options)
            networks = {"teacher": teacher, "alone": alone, "distilled": student}
            row: dict[str, Any] = {name: mlp.accuracy(digits.test_x, digits.test_y) for name, mlp in networks.items()}
            row |= {"weights": sum(w.size for w in start.weights), "gain": row["distilled"] - row["alone"]}
            found[_name(hidden) + (", all labels" if labels is None else f", {labels} labels")] = row
    return found


def bench_dense_sparse_dense() -> Rows:
    """Measure dense-sparse-dense training against the same training without its pruning."""
    rows = over_seeds(_of_densities, _SEEDS, "network", ("pruned",), ("given", "whole", "sparse", "dense", "gain"))
    print_table(
        f"dense-sparse-dense training on digits, {len(_SEEDS)} seeds: mean and standard deviation",
        (
            "network",
            "weights pruned",
            "as given, %",
            "trained whole, %",
            "sparse phase, %",
            "the three phases, %",
            "gain",
        ),
        [
            [row["network"], f"{row['pruned']:,}"]
            + [percent(row, name) for name in ("given", "whole", "sparse", "dense")]
            + [percent(row, "gain", "+")]
            for row in rows
        ],
    )
    return rows


def _of_densities(seed: int) -> dict[str, dict[str, Any]]:
    digits = load_digits(seed)
    found = {}
    for hidden in _NETWORKS:
        mlp = train_mlp(digits, hidden, seed)
        options: dict[str, Any] = {"epochs": _PHASE_EPOCHS, "seed": seed}
        labelled = (digits.train_x, digits.train_y)
        whole = dense_sparse_dense(mlp, *labelled, density=1.0, **options)
        for density in _DENSITIES:
            done = dense_sparse_dense(mlp, *labelled, density=density, **options)
            networks = {"given": mlp, "whole": whole.mlp, "sparse": done.sparse, "dense": done.mlp}
            row: dict[str, Any] = {
                name: network.accuracy(digits.test_x, digits.test_y) for name, network in networks.items()
            }
            row |= {"pruned": sum(int(np.sum(~mask)) for mask in done.masks), "gain": row["dense"] - row["whole"]}
            found[f"{_name(hidden)}, density {density:g}"] = row
    return found


def _name(hidden: tuple[int, ...]) -> str:
    return "-".join(map(str, (64, *hidden, 10)))
