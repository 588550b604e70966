"""Scikit-learn's handwritten digits, and a small multilayer perceptron trained on them."""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from tercet.golden.networks.mlp import Mlp

__all__ = ["Digits", "load_digits", "npy", "train_mlp"]


@dataclass(frozen=True)
class Digits:
    """1797 scans of 8x8 pixels in [0, 1]: four fifths to train on, one fifth to test.

    Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository.
    """

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


def load_digits(seed: int = 0) -> Digits:
    """Load and split the digits, reproducibly for a seed."""
    from sklearn.datasets import load_digits as load
    from sklearn.model_selection import train_test_split

    x, y = load(return_X_y=True)
    parts = train_test_split(np.asarray(x) / 16.0, np.asarray(y), test_size=0.2, random_state=seed, stratify=y)
    train_x, test_x, train_y, test_y = map(np.asarray, parts)
    return Digits(train_x, train_y, test_x, test_y)


def train_mlp(digits: Digits, hidden: tuple[int, ...], seed: int = 0) -> Mlp:
    """Train a perceptron on the training part."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(hidden, alpha=1e-3, max_iter=200, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(digits.train_x, digits.train_y)
    return Mlp(model.coefs_, model.intercepts_)


def npy(array: np.ndarray) -> bytes:
    """Serialise an array as the bytes of a ``.npy``."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()
