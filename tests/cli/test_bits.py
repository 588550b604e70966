"""``tercet bits``."""

import re

import numpy as np
import pytest
from tercet.cli.mlp_files import read_mlp
from tercet.golden.compress.bits import bits_against_accuracy, fewest_bits
from tercet.golden.compress.pipeline import Data

from .command import fails, tercet

COMMAND = ("bits", "model.npz", "--data", "data.npz")


def test_tables(files):
    """Accuracy of each tensor and of all, the fewest bits, and what all of these leave."""
    result = tercet(*COMMAND, "--bits", "3,8,2", "--loss", 0.03, "--percentile", 99)
    assert result.exit_code == 0, result.output
    arrays, mlp = np.load(files / "data.npz"), read_mlp(files / "model.npz")
    data = Data(arrays["x"], arrays["y"], arrays["test_x"], arrays["test_y"])
    points = bits_against_accuracy(mlp, data, (8, 3, 2), percentile=99)
    for n in range(0, len(points), 3):
        row = points[n : n + 3]
        layer = "all" if row[0].layer is None else row[0].layer
        cells = "".join(rf" +{point.accuracy:.2%} │" for point in row)
        assert re.search(rf"│ {layer} +│ +{row[0].tensor} │{cells}", result.output), result.output
    widths, right = fewest_bits(mlp, data, points, 0.03, percentile=99)
    for n in range(2):
        assert re.search(rf"│ {n} +│ +{widths.weights[n]} │ +{widths.activations[n]} │", result.output)
    mean = np.average(np.array(widths.weights, float), weights=[144, 72])
    assert f"all of these together: {right:.2%}, {mean:.2f} bits per weight" in result.output
    assert f"real numbers {mlp.accuracy(data.test_x, data.test_y):.2%}" in result.output


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--bits", "8,1"), "Bits '8,1' are not different numbers of 2 to 8"),
        (("--bits", "9"), "Bits '9' are not different numbers of 2 to 8"),
        (("--bits", "4,4"), "Bits '4,4' are not different"),
        (("--bits", "4,x"), "Bits '4,x' are not numbers with commas"),
        (("--loss", -1), "Loss -1.0 is not at least 0"),
        (("--loss", "nan"), "Loss nan is not at least 0"),
        (("--percentile", 50), "Percentile 50.0 is outside (50, 100]"),
        (("--seed", -1), "Seed -1 is below 0"),
        (("--data", "wide.npz"), "'wide.npz' has x of shape (8, 7)"),
        (("--data", "none.npz"), "none.npz"),
    ],
)
def test_refused(files, args, said):
    np.savez(files / "wide.npz", x=np.zeros((8, 7)), y=np.zeros(8, int))
    assert said in fails(*COMMAND, *args)


def test_no_perceptron(files):
    np.savez(files / "model.npz", X0=np.zeros((6, 3)))
    assert "'model.npz'" in fails(*COMMAND)
