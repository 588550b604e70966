"""``tercet distill`` and ``tercet dense-sparse-dense``."""

import re

import numpy as np
import pytest
from tercet.cli.mlp_files import read_mlp
from tercet.golden.compress.dense_sparse_dense import dense_sparse_dense
from tercet.golden.compress.distill import distill, train_alone
from tercet.golden.networks.mlp import Mlp
from threadpoolctl import threadpool_limits

from .command import fails, tercet

DATA = ("--data", "data.npz")
DISTILL = ("distill", "model.npz", "-o", "small.npz", "--hidden", "5", *DATA)
PHASES = ("dense-sparse-dense", "model.npz", "-o", "better.npz", *DATA)


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other in small products are slower where tests run in parallel."""
    with threadpool_limits(1):
        yield


def same(found, want):
    pairs = zip(found.weights + found.biases, want.weights + want.biases, strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


def samples(folder):
    arrays = np.load(folder / "data.npz")
    return arrays["x"], arrays["y"], (arrays["test_x"], arrays["test_y"])


def test_distill(files):
    """The file is the golden model's student, and the table has the accuracy of all three networks."""
    options = ("--temperature", 2, "--alpha", 0.9, "--epochs", 6, "--rate", 0.2, "--seed", 3, "--unlabelled", "x.npy")
    result = tercet(*DISTILL, *options)
    assert result.exit_code == 0, result.output
    x, y, test = samples(files)
    teacher, start, more = read_mlp(files / "model.npz"), Mlp.random((6, 5, 3), 3), np.load(files / "x.npy")
    wanted = {"epochs": 6, "rate": 0.2, "seed": 3}
    student = distill(teacher, start, x, y, temperature=2, alpha=0.9, unlabelled=more, **wanted)
    alone = train_alone(start, x, y, unlabelled=70, **wanted)
    assert same(read_mlp(files / "small.npz"), student)
    for name, mlp in {"teacher": teacher, "labels alone": alone, "distilled": student}.items():
        count = sum(w.size for w in mlp.weights)
        assert re.search(rf"{name} +│ +{count} │ +{mlp.accuracy(*test):.2%} │", result.output), result.output
    assert student.accuracy(*test) != alone.accuracy(*test)


def test_distilled_again(files):
    """The same seed gives the same file, another seed another one."""
    contents = []
    for seed in (0, 0, 1):
        assert tercet(*DISTILL, "--epochs", 2, "--seed", seed).exit_code == 0
        contents.append((files / "small.npz").read_bytes())
    assert contents[0] == contents[1] != contents[2]


def test_dense_sparse_dense(files):
    """The file is the golden model's network; the comparison is the same training without pruning."""
    options = {"epochs": 5, "rate": 0.1, "seed": 2}
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    result = tercet(*PHASES, "--density", 0.3, *flags)
    assert result.exit_code == 0, result.output
    x, y, test = samples(files)
    mlp = read_mlp(files / "model.npz")
    done = dense_sparse_dense(mlp, x, y, density=0.3, **options)
    whole = dense_sparse_dense(mlp, x, y, density=1.0, **options)
    assert same(read_mlp(files / "better.npz"), done.mlp)
    rows = {"as given": mlp, "trained whole": whole.mlp, "density 0.3": done.sparse, "dense-sparse-dense": done.mlp}
    for name, network in rows.items():
        count = sum(np.count_nonzero(w) for w in network.weights)
        assert re.search(rf"{name} +│ +{count} │ +{network.accuracy(*test):.2%} │", result.output), result.output
    # 0.3 of 144 and of 72 weights.
    assert re.search(r"density 0.3 +│ +65 │", result.output)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((*DISTILL, "--temperature", 0), "Temperature 0.0 is outside"),
        ((*DISTILL, "--temperature", "nan"), "Temperature nan is outside"),
        ((*DISTILL, "--alpha", 1.5), "Alpha 1.5 is outside [0, 1]"),
        ((*DISTILL, "--hidden", "5,x"), "Hidden layers '5,x' are not numbers with commas"),
        ((*DISTILL, "--hidden", "5,0"), "Hidden layers '5,0' have one of 0 neurons; use at least 1"),
        ((*DISTILL, "--seed", -1), "Seed -1 is below 0"),
        ((*DISTILL, "--epochs", -1), "-1"),
        ((*DISTILL, "--rate", 0), "rate"),
        ((*DISTILL, "--unlabelled", "wide.npy"), "'wide.npy' has shape (4, 7); use (samples, 6)"),
        ((*DISTILL, "--data", "none.npz"), "none.npz"),
        ((*DISTILL, "-o", "small.tercet"), "'small.tercet' is not an .npz"),
        ((*PHASES, "--density", 0), "Density 0.0 is outside (0, 1]"),
        ((*PHASES, "--density", 1.1), "Density 1.1 is outside (0, 1]"),
        ((*PHASES, "--epochs", -1), "-1"),
        ((*PHASES, "--seed", -1), "Seed -1 is below 0"),
        ((*PHASES, "--data", "wide.npz"), "'wide.npz' has x of shape (8, 7)"),
        ((*PHASES, "-o", "better.txt"), "'better.txt' is not an .npz"),
    ],
)
def test_refused(files, args, said):
    """One line, and nothing is written."""
    np.save(files / "wide.npy", np.zeros((4, 7)))
    np.savez(files / "wide.npz", x=np.zeros((8, 7)), y=np.zeros(8, int))
    assert said in fails(*args)
    assert not (files / "small.npz").exists()
    assert not (files / "better.npz").exists()
