"""Fixtures of the command-line tests."""

import numpy as np
import pytest
from tercet.golden.networks.mlp import Mlp


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def files(folder):
    """A folder with a network, samples most of which it labels right, and further inputs without labels."""
    rng = np.random.default_rng(0)
    mlp = Mlp.random((6, 24, 3), 1)
    np.savez(folder / "model.npz", W0=mlp.weights[0], b0=mlp.biases[0], W1=mlp.weights[1], b1=mlp.biases[1])
    x = rng.normal(size=(260, 6))
    y = mlp.activations(x)[-1].argmax(axis=1)
    y[::7] = (y[::7] + 1) % 3
    np.savez(folder / "data.npz", x=x[:160], y=y[:160], test_x=x[160:], test_y=y[160:])
    np.save(folder / "x.npy", rng.normal(size=(70, 6)))
    return folder
