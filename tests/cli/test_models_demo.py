"""Demo of model files: one epoch would do, and a wrong product is seen."""

import numpy as np
import pytest
from tercet.cli.demos import models as demo
from tercet.compiler import load
from tercet.golden.networks.cnn import train_cnn

from .command import tercet

pytest.importorskip("onnx")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(demo, "train_cnn", lambda x, y, channels, epochs: train_cnn(x, y, (1, 4, 8), epochs=2))
    monkeypatch.setattr(demo, "_ON_RTL", 1)


def test_demo(tmp_path, capsys):
    assert demo.run_demo(tmp_path, None)
    printed = capsys.readouterr().out
    assert "yes, every bit" in printed
    scores = load(tmp_path / "digits.onnx").run(np.load(tmp_path / "digits_inputs.npy"))[0]
    right = (scores.argmax(axis=1) == np.load(tmp_path / "digits_labels.npy")).mean()
    assert right > 0.8
    assert f"{right:.2%}" in printed


def test_demo_sees_what_differs(tmp_path, capsys, monkeypatch):
    def product(config, **options):
        return lambda acts, weights, bias: (acts.astype(np.int32) @ weights + bias + 40_000).astype(np.int32)

    monkeypatch.setattr(demo.systolic, "product", product)
    assert not demo.run_demo(tmp_path, None)
    assert "NO" in capsys.readouterr().out


def test_onnxruntime_agrees(tmp_path):
    """The file that the demo writes, in onnxruntime: the same classes, scores at most one code away."""
    onnxruntime = pytest.importorskip("onnxruntime")
    assert demo.run_demo(tmp_path, None)
    session = onnxruntime.InferenceSession(tmp_path / "digits.onnx")
    x = np.load(tmp_path / "digits_inputs.npy")
    want = session.run(None, {"image": x})[0]
    graph = load(tmp_path / "digits.onnx")
    got = graph.run(x)[0]
    step = np.diff(np.unique(got)).min()
    assert np.abs(got - want).max() < 2.5 * step
    assert (got.argmax(axis=1) == want.argmax(axis=1)).mean() > 0.98


def test_help():
    shown = tercet("demo", "models", "--help").output
    assert "tercet demo models" in shown
    assert ".onnx" in shown
