"""``tercet compress``."""

import re

import numpy as np
from tercet.golden.compress.container import load

from .command import fails, tercet


def trained(folder):
    """A network, samples whole and split, and their inputs."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(6, 20)), rng.normal(size=(20, 3))]
    np.savez(folder / "model.npz", W0=weights[0], b0=np.zeros(20), W1=weights[1])
    x = rng.normal(size=(100, 6))
    labels = (np.maximum(x @ weights[0], 0) @ weights[1]).argmax(axis=1)
    np.savez(folder / "data.npz", x=x, y=labels)
    np.savez(folder / "split.npz", x=x[:50], y=labels[:50], test_x=x[50:], test_y=labels[50:])
    return x


def test_compress(folder):
    x = trained(folder)
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
        ("model.npz", "--density", "a"): "Density 'a' is not a number, or several",
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


def test_steps(folder):
    """Weights and epochs of each step; one step is the same file as a density."""
    trained(folder)
    data = ("--data", "split.npz", "--epochs", 9)
    result = tercet("compress", "model.npz", "-o", "a.tercet", "--schedule", "0.5,0.3,0.2", *data)
    assert result.exit_code == 0, result.output
    for n, (density, kept) in enumerate({"0.5": 90, "0.3": 54, "0.2": 36}.items(), 1):
        assert re.search(rf"│ {n} +│ +{density} │ +{kept} │ +3 │ +\d+.\d\d% │", result.output)
    assert [(one.codes > 0).sum() for one in load(folder / "a.tercet")] == [24, 12]
    result = tercet("compress", "model.npz", "-o", "b.tercet", "--density", "0.1,1", "--steps", 3, *data)
    assert result.exit_code == 0, result.output
    # 0.1 + 0.9 * (8/27, 1/27, 0) of 120 weights, and all 60 of the second layer.
    for n, (density, kept) in enumerate({"0.3667": 104, "0.1333": 76, "0.1": 72}.items(), 1):
        assert re.search(rf"│ {n} +│ +{density}, 1 │ +{kept} │ +3 │", result.output)
    result = tercet(
        "compress", "model.npz", "-o", "b.tercet", "--density", "0.2", "--steps", 2, "--spacing", "linear", *data
    )
    assert re.search(r"│ 1 +│ +0.6 │ +108 │ +4 │", result.output)
    assert re.search(r"│ 2 +│ +0.2 │ +36 │ +5 │", result.output)
    files = []
    for options in (("--density", "0.2"), ("--schedule", "0.2"), ("--density", "0.2", "--steps", 1)):
        result = tercet("compress", "model.npz", "-o", "c.tercet", *options, *data)
        assert result.exit_code == 0, result.output
        assert "pruned in steps" not in result.output
        files.append((folder / "c.tercet").read_bytes())
    assert files[0] == files[1] == files[2]
    assert files[0] != (folder / "a.tercet").read_bytes()


def test_curve(folder):
    """A row per density, and a plot that is the same every time."""
    trained(folder)
    pictures = []
    for name in ("a.png", "new/b.png"):
        options = ("--data", "split.npz", "--epochs", 3, "--steps", 3, "--curve", name)
        result = tercet("compress", "model.npz", "-o", "a.tercet", *options)
        assert result.exit_code == 0, result.output
        assert result.output.splitlines()[-1].endswith(name)
        pictures.append((folder / name).read_bytes())
    assert pictures[0] == pictures[1]
    assert pictures[0].startswith(b"\x89PNG")
    rows = re.findall(r"^│ ([\d.]+) +│ +([\d,]+) │ +[\d,]+ (?:│ +[\d.]+% ){4}│ +[+-]\d+.\d\d │$", result.output, re.M)
    assert rows == [("1", "180"), ("0.5", "90"), ("0.3", "54"), ("0.2", "36"), ("0.1", "18"), ("0.05", "9")] + [
        ("0.03", "6"),
        ("0.02", "3"),
        ("0.01", "2"),
    ]


def test_mistakes_of_schedules(folder):
    trained(folder)
    data = ("--data", "data.npz")
    mistakes = {
        ("--schedule", "0.5,0.2"): "--schedule retrains the network, which needs samples; give --data",
        ("--steps", 3): "--steps retrains the network",
        ("--curve", "a.png"): "--curve retrains the network",
        ("--schedule", "0.5,b", *data): "Schedule '0.5,b' is not a number, or several with commas",
        ("--schedule", "0.5,0.6", *data): "Density 0.6 of step 2 is not below the 0.5 before",
        ("--schedule", "2,0.6", *data): "Density 2.0 is outside [0, 1]",
        ("--schedule", "0.5", "--density", "0.2", *data): "the densities of all steps; leave out --density",
        ("--schedule", "0.5", "--steps", 2, *data): "the densities of all steps; leave out --steps",
        ("--schedule", "0.5", "--spacing", "cubic", *data): "the densities of all steps; leave out --spacing",
        ("--spacing", "cubic", *data): "--spacing is that of the densities of --steps; give both",
        ("--steps", 0, *data): "Steps 0 is outside [1, 1000]",
        ("--steps", 2, "--density", "1", *data): "Density 1.0 is not below the 1.0 before the first step",
        ("--steps", 2, "--density", "1,1", *data): "Density 1.0 of step 2 is not below the 1.0 before",
        ("--steps", 4, "--epochs", 3, *data): "Epochs 3 are fewer than the 4 steps",
        ("--curve", "a.png", "--epochs", 3, *data): "Epochs 3 are fewer than the 5 steps",
        ("--curve", "a.pdf", *data): "'a.pdf' is not a .png",
    }
    for args, message in mistakes.items():
        assert message in fails("compress", "model.npz", "-o", "c.tercet", *args), args
    assert not (folder / "c.tercet").exists()
