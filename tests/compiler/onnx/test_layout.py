"""Views: which Reshapes and Transposes move no code, against NumPy."""

import math

import numpy as np
import pytest
from tercet.compiler.onnx.emitter import Emitter
from tercet.compiler.onnx.layout import View, channels_last, gathered, moved, regrouped
from tercet.golden.networks.operators import Transpose
from tercet.golden.numerics.quantization import QuantParams

RNG = np.random.default_rng(26)


def random_factors(total):
    """A shape of so many elements, with lengths of 1 in it."""
    found = []
    while total > 1:
        length = int(RNG.choice([n for n in range(2, total + 1) if total % n == 0]))
        found.append(length)
        total //= length
    for _ in range(int(RNG.integers(0, 3))):
        found.insert(int(RNG.integers(0, len(found) + 1)), 1)
    return found


def random_view():
    """A view of 24 elements, and a file's tensor with a batch of 3 as it lies inside."""
    factors = (1, *random_factors(24))
    order = (0, *(RNG.permutation(len(factors) - 1) + 1).tolist())
    view = View("x", factors, order, (1, *random_factors(24)))
    file = np.arange(72, dtype=np.int8).reshape(3, *view.shape[1:])
    return view, file, view.inside(file)


@pytest.mark.parametrize("_", range(100))
def test_inside_and_outside_are_inverse(_):
    view, file, inside = random_view()
    assert inside.shape[1:] == view.inside_shape[1:]
    np.testing.assert_array_equal(view.outside(inside), file)
    np.testing.assert_array_equal(file.reshape(3, -1)[:, view.rows()], inside.reshape(3, -1))


@pytest.mark.parametrize("_", range(200))
def test_regrouped_keeps_every_element_in_its_place(_):
    """Where there is a plain view at all: by trying every order."""
    view, file, inside = random_view()
    found = regrouped(view)
    if found is None:
        lengths = [n for n in view.shape[1:] if n > 1]
        axes = file.reshape(3, *lengths)
        orders = np.array(np.meshgrid(*[range(len(lengths))] * len(lengths))).reshape(len(lengths), -1).T
        for order in orders:
            if len({*order.tolist()}) == len(lengths):
                moved_axes = axes.transpose(0, *(order + 1))
                assert (moved_axes.reshape(3, -1) != inside.reshape(3, -1)).any()
        return
    assert found.is_plain
    assert found.shape == view.shape
    np.testing.assert_array_equal(found.inside(file).reshape(3, -1), inside.reshape(3, -1))


@pytest.mark.parametrize("_", range(100))
def test_settled_moves_codes_at_most_once(_):
    view, file, inside = random_view()
    graph = Emitter("test")
    graph.tensor("x", view.inside_shape, QuantParams(1.0, 0))
    found = graph.settled(view)
    value = {"x": inside}
    for operator in graph.operators:
        value[operator.output] = operator.run(value[operator.inputs[0]])
    assert found.is_plain
    np.testing.assert_array_equal(value[found.tensor], found.inside(file))
    transposes = [operator for operator in graph.operators if isinstance(operator, Transpose)]
    assert len(transposes) == (regrouped(view) is None)


def test_gathered_keeps_channels_last():
    """A channel shuffle: the halves of the channels change places, rows and columns stay in front."""
    view = View("x", (1, 4, 2, 5, 6), (0, 3, 4, 2, 1), (1, 8, 5, 6))
    assert regrouped(view) is None
    assert gathered(view) == (0, 3, 4, 1, 2)


def test_flatten_behind_a_global_pool():
    view = View("x", (1, 8, 1, 1), channels_last(4), (1, 8))
    assert regrouped(view) == View.plain("x", (1, 8))


def test_moved_ignores_lengths_of_1():
    assert not moved((0, 2, 3, 1), (0, 1, 2, 3), (1, 1, 5, 6))
    assert moved((0, 2, 3, 1), (0, 1, 2, 3), (1, 2, 5, 6))


@pytest.mark.parametrize(("shape", "match"), [
    ((2, 12), "changes the leading batch; keep axis 0"),
    ((1, 25), "keep the number of elements"),
])  # fmt: skip
def test_reshaped_checks(shape, match):
    view = View.plain("x", (1, 4, 6))
    assert math.prod(view.shape) == 24
    with pytest.raises(ValueError, match=match):
        view.reshaped(shape)
