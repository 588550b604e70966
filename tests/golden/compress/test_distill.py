"""Distillation: ordinary training without soft targets, a teacher's knowledge with them, and errors."""

from typing import Any

import numpy as np
import pytest
from tercet.golden.compress.distill import distill, train_alone
from tercet.golden.compress.retrain import Dense, train
from tercet.golden.compress.soft_targets import SoftTargets
from tercet.golden.networks.mlp import Mlp

from .test_retrain import blobs

STUDENT = Mlp.random((8, 5, 4), seed=3)


@pytest.fixture(scope="module")
def teacher():
    start = Mlp.random((8, 24, 4), seed=2)
    return train([Dense(w) for w in start.weights], start.biases, *blobs(), epochs=20)


def same(one, other):
    return all(
        a.tobytes() == b.tobytes()
        for a, b in zip([*one.weights, *one.biases], [*other.weights, *other.biases], strict=True)
    )


def test_without_alpha_it_is_ordinary_training(teacher):
    """Bit for bit, whatever the temperature."""
    want = train([Dense(w) for w in STUDENT.weights], STUDENT.biases, *blobs(), epochs=3, rate=0.1, seed=4)
    options: Any = {"epochs": 3, "seed": 4}
    assert same(distill(teacher, STUDENT, *blobs(), alpha=0, temperature=7, **options), want)
    assert same(train_alone(STUDENT, *blobs(), **options), want)
    assert not same(distill(teacher, STUDENT, *blobs(), alpha=0.1, **options), want)


def test_options_arrive(teacher):
    """Targets, temperature, alpha, rate, epochs and seed are those of `train`."""
    x, y = blobs()
    soft = SoftTargets(teacher.activations(x)[-1], 3, 0.4)
    parts, rounds = [Dense(w) for w in STUDENT.weights], []
    want = train(parts, STUDENT.biases, x, y, soft=soft, epochs=2, rate=0.03, seed=5)
    options: Any = {"temperature": 3, "alpha": 0.4, "epochs": 2, "rate": 0.03, "seed": 5}
    found = distill(teacher, STUDENT, x, y, progress=lambda: rounds.append(0), **options)
    assert same(found, want)
    assert len(rounds) == 2
    assert same(STUDENT, Mlp.random((8, 5, 4), seed=3))


def test_the_teacher_is_learned_without_labels(teacher):
    """All labels are wrong, and do not count; the teacher's scores are matched, not only its answers."""
    x, y = blobs()
    student = distill(teacher, STUDENT, x, (y + 1) % 4, alpha=1, temperature=2, epochs=60)
    wrong = train_alone(STUDENT, x, (y + 1) % 4)
    assert student.accuracy(*blobs(1)) > 0.85
    assert wrong.accuracy(*blobs(1)) < 0.2
    soft = SoftTargets(teacher.activations(x)[-1], 1, 1)
    alone = train_alone(STUDENT, x, y)
    far, near = (soft.loss(net.activations(x)[-1], y)[0] for net in (alone, student))
    assert near < far / 2


def test_unlabelled_samples_count(teacher):
    """Two classes have no labels; the teacher's answers on unlabelled samples make up for it."""
    x, y = blobs()
    few = y < 2
    alone = train_alone(STUDENT, x[few], y[few], unlabelled=int((~few).sum()))
    taught = distill(teacher, STUDENT, x[few], y[few], unlabelled=x[~few])
    assert alone.accuracy(*blobs(1)) < 0.6
    assert taught.accuracy(*blobs(1)) > 0.85
    order = np.argsort(~few, kind="stable")
    labels, soft = np.where(few, y, -1)[order], SoftTargets(teacher.activations(x[order])[-1], 4, 0.7)
    parts = [Dense(w) for w in STUDENT.weights]
    assert same(taught, train(parts, STUDENT.biases, x[order], labels, soft=soft, epochs=60))


def test_equal_steps():
    """128 labelled samples are 2 steps an epoch, 192 more make 5: 4 epochs become 10."""
    x, y = blobs(count=128)
    rounds = []
    train_alone(STUDENT, x, y, unlabelled=192, epochs=4, progress=lambda: rounds.append(0))
    assert len(rounds) == 10


def test_refuses(teacher):
    x, y = blobs()
    with pytest.raises(ValueError, match="The teacher has 8 inputs but the student 9; use a student with 8"):
        distill(teacher, Mlp.random((9, 5, 4)), x, y)
    with pytest.raises(ValueError, match="The teacher has 4 outputs but the student 3; use a student with 4"):
        distill(teacher, Mlp.random((8, 5, 3)), x, y)
    with pytest.raises(ValueError, match=r"Samples have shape \(400, 7\); the student takes \(samples, 8\)"):
        distill(teacher, STUDENT, x[:, 1:], y)
    with pytest.raises(ValueError, match=r"Unlabelled samples have shape \(0, 8\); the student takes \(samples, 8\)"):
        distill(teacher, STUDENT, x, y, unlabelled=x[:0])
    with pytest.raises(ValueError, match="there are 399 labels"):
        distill(teacher, STUDENT, x, y[1:])
    with pytest.raises(ValueError, match="Temperature 0 is outside"):
        distill(teacher, STUDENT, x, y, temperature=0)
    with pytest.raises(ValueError, match="Alpha 2 is outside"):
        distill(teacher, STUDENT, x, y, alpha=2)
    with pytest.raises(ValueError, match="Layer 0 of the student is linear"):
        distill(teacher, Mlp([np.eye(8), np.eye(8, 4)], [np.zeros(8), np.zeros(4)], (0,)), x, y)
    with pytest.raises(ValueError, match=r"Scores of the teacher have shape \(400, 4\) but there are 399 samples"):
        train([Dense(np.eye(8, 4))], [np.zeros(4)], x[1:], y[1:], soft=SoftTargets(np.ones((400, 4)), 1, 1), epochs=1)
