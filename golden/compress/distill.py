"""Distillation: a small network learns from the outputs of a large one."""

from collections.abc import Callable

import numpy as np
from tercet.golden.checks import float_array
from tercet.golden.networks.mlp import Mlp

from .retrain import BATCH, Dense, train
from .soft_targets import SoftTargets

__all__ = ["distill", "epochs_alone", "train_alone"]


def distill(
    teacher: Mlp,
    student: Mlp,
    x: np.ndarray,
    labels: np.ndarray,
    *,
    temperature: float = 4.0,
    alpha: float = 0.7,
    unlabelled: np.ndarray | None = None,
    epochs: int = 60,
    rate: float = 0.1,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> Mlp:
    """Train a student on labels and on the outputs of a teacher.

    Parameters
    ----------
    teacher : Mlp
        Trained network.
    student : Mlp
        Network to train, with as many inputs and outputs; it is not changed. `Mlp.random` is a start.
    x, labels
        As in `train`.
    temperature, alpha : float
        Of the loss, see `SoftTargets`. With an `alpha` of 0 this is `train`.
    unlabelled : (samples, in) float array or None
        Further inputs, for which only the teacher knows an answer.
    epochs, rate, seed
        As in `train`; an epoch includes the unlabelled samples.
    progress : callable
        Called after each epoch.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or range, or teacher, student and samples do not match each other.

    Notes
    -----
    Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", NeurIPS workshop 2014.
    """
    _check_start(student)
    for what, old, new in (
        ("inputs", teacher.weights[0].shape[0], student.weights[0].shape[0]),
        ("outputs", teacher.weights[-1].shape[1], student.weights[-1].shape[1]),
    ):
        if old != new:
            raise ValueError(f"The teacher has {old} {what} but the student {new}; use a student with {old}")
    x, labels = _inputs("Samples", x, student), np.asarray(labels)
    if unlabelled is not None:
        more = _inputs("Unlabelled samples", unlabelled, student)
        x, labels = np.concatenate([x, more]), np.concatenate([labels, np.full(len(more), -1)])
    soft = SoftTargets(teacher.activations(x)[-1], temperature, alpha)
    options = {"epochs": epochs, "rate": rate, "seed": seed, "progress": progress}
    return train([Dense(w) for w in student.weights], student.biases, x, labels, soft=soft, **options)


def train_alone(
    student: Mlp,
    x: np.ndarray,
    labels: np.ndarray,
    *,
    unlabelled: int = 0,
    epochs: int = 60,
    rate: float = 0.1,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> Mlp:
    """Train a student on labels only: what `distill` has to be compared with.

    Parameters
    ----------
    student, x, labels, epochs, rate, seed, progress
        As in `distill`.
    unlabelled : int
        Number of further samples that `distill` has. Epochs are repeated so that there are as many steps as with them,
        to the nearest whole number of epochs.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or range.
    """
    _check_start(student)
    options = {"epochs": epochs_alone(len(x), unlabelled, epochs), "rate": rate, "seed": seed, "progress": progress}
    return train([Dense(w) for w in student.weights], student.biases, x, labels, **options)


def epochs_alone(labelled: int, unlabelled: int, epochs: int) -> int:
    """Epochs that `train_alone` takes: as many steps as `distill` with these numbers of samples."""
    steps = [-(-count // BATCH) for count in (labelled, labelled + unlabelled)]
    return round(epochs * steps[1] / max(steps[0], 1))


def _check_start(student: Mlp) -> None:
    if student.linear:
        raise ValueError(f"Layer {student.linear[0]} of the student is linear; use one with a ReLU after each layer")


def _inputs(what: str, x: np.ndarray, student: Mlp) -> np.ndarray:
    x, inputs = float_array(what, x), student.weights[0].shape[0]
    if x.ndim != 2 or x.shape[1] != inputs or not len(x):
        raise ValueError(f"{what} have shape {x.shape}; the student takes (samples, {inputs})")
    return x
