"""``tercet compress``."""

import re

import numpy as np
from tercet.golden.compress.container import load

from .command import fails, tercet


def test_compress(folder):
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(6, 20)), rng.normal(size=(20, 3))]
    np.savez(folder / "model.npz", W0=weights[0], b0=np.zeros(20), W1=weights[1])
    x = rng.normal(size=(100, 6))
    labels = (np.maximum(x @ weights[0], 0) @ weights[1]).argmax(axis=1)
    np.savez(folder / "data.npz", x=x, y=labels)
    np.savez(folder / "split.npz", x=x[:50], y=labels[:50], test_x=x[50:], test_y=labels[50:])
    result = tercet("compress", "model.npz", "-o", "new/a.tercet", "--density", "0.2")
    assert result.exit_code == 0, result.stderr
    assert re.search(r"float +│ +812 │ +1.0 │ +│", result.stdout)
    layers = load(folder / "new/a.tercet")
    assert [(one.codes > 0).sum() for one in layers] == [24, 12]
    for name in ("data.npz", "split.npz"):
        options = ["--density", "0.3,0.6", "--code-bits", "3", "--data", name, "--epochs", "3"]
        result = tercet("compress", "model.npz", "-o", "b.tercet", *options)
        assert result.exit_code == 0, result.stderr
        assert re.search(r"float +│ +812 │ +1.0 │ +100.00% │", result.stdout)
        assert re.search(r"accuracy; float network +│ +\d+.\d\d%; \d+.\d\d% │", result.stdout)
        assert load(folder / "b.tercet")[0].act_range == np.abs(x).max()
    assert load(folder / "b.tercet")[1].code_bits == 3
    assert load(folder / "new/a.tercet")[0].act_range is None
    result = tercet("compress", "model.npz", "-o", "b.tercet", "--density", "1", "--largest-input", "2.5")
    assert result.exit_code == 0, result.stderr
    assert load(folder / "b.tercet")[0].act_range == 2.5
    mistakes = {
        ("data.npz",): "'data.npz' has unknown names 'x', 'y' and lacks W0; use W0, b0, W1,",
        ("none.npz",): "No such file or directory: 'none.npz'",
        ("new/a.tercet",): "is not a NumPy file: it is neither .npy nor .npz",
        ("model.npz", "--density", "a"): "Density 'a' is not a number",
        ("model.npz", "--density", "1.5"): "Density 1.5 is outside [0, 1]",
        ("model.npz", "--density", "0.1,0.1,0.1"): "There are 3 densities for 2 layers",
        ("model.npz", "--code-bits", "0"): "Code bits 0 is outside [1, 8]",
        ("model.npz", "--index-bits", "9"): "Index bits 9 is outside [2, 8]",
        ("model.npz", "--data", "model.npz"): "has unknown names 'W0', 'b0', 'W1' and lacks x, y; use x, y,",
        ("model.npz", "--data", "data.npz", "--epochs", "-1"): "Epochs -1 is outside",
        ("model.npz", "--largest-input", "0"): "The largest input is 0.0; use a number above 0",
        ("model.npz", "--largest-input", "1", "--data", "data.npz"): "--data measures what --largest-input only bounds",
    }
    for args, message in mistakes.items():
        assert message in fails("compress", *args, "-o", "c.tercet")
    assert not (folder / "c.tercet").exists()
