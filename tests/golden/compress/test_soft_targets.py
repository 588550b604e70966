"""Loss of soft targets: a worked example, another library, finite differences, and both limits of the temperature."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy
from tercet.golden.compress.soft_targets import SoftTargets
from tercet.golden.networks.loss import cross_entropy


def scores(seed, shape=(7, 5)):
    return np.random.default_rng(seed).normal(0, 3, shape)


def test_worked_example():
    """At temperature 2 the teacher is sure by 3:1, the student undecided; by hand."""
    soft = SoftTargets(np.array([[2 * np.log(3), 0.0]]), temperature=2, alpha=0.25)
    loss, delta = soft.loss(np.zeros((1, 2)), np.array([0]))
    divergence = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert loss == pytest.approx(0.25 * 4 * divergence + 0.75 * np.log(2))
    # 0.25 * 2 * (1/2 - 3/4) from the teacher, 0.75 * (1/2 - 1) from the label.
    np.testing.assert_allclose(delta, [[-0.5, 0.5]])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_against_scipy(temperature, alpha):
    teacher, student, labels = scores(0), scores(1), np.arange(7) % 5
    loss, _ = SoftTargets(teacher, temperature, alpha).loss(student, labels)
    divergence = entropy(softmax(teacher / temperature, axis=1), softmax(student / temperature, axis=1), axis=1)
    right = softmax(student, axis=1)[np.arange(7), labels]
    want = alpha * temperature**2 * divergence.mean() - (1 - alpha) * np.log(right).mean()
    assert loss == pytest.approx(want)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 6.0])
@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0])
def test_gradient_is_that_of_the_loss(temperature, alpha):
    """Finite differences; some samples have no label."""
    soft, student = SoftTargets(scores(2), temperature, alpha), scores(3)
    labels = np.array([0, -1, 4, 2, -1, 1, 1])
    _, delta = soft.loss(student, labels)
    step = 1e-6
    for index in np.ndindex(student.shape):
        losses = []
        for sign in (1, -1):
            moved = student.copy()
            moved[index] += sign * step
            losses.append(soft.loss(moved, labels)[0])
        assert delta[index] == pytest.approx((losses[0] - losses[1]) / (2 * step), abs=1e-6)


def test_without_alpha_it_is_cross_entropy():
    """Bit for bit; a sample without label adds nothing, but counts in the mean."""
    student, labels = scores(3), np.arange(7) % 5
    soft = SoftTargets(scores(2), 4, 0)
    loss, delta = soft.loss(student, labels)
    want, by_score = cross_entropy(student, labels)
    assert loss == want
    assert delta.tobytes() == by_score.tobytes()
    some = np.where(np.arange(7) < 4, labels, -1)
    loss, delta = soft.loss(student, some)
    assert loss == pytest.approx(cross_entropy(student[:4], labels[:4])[0] * 4 / 7)
    np.testing.assert_allclose(delta[:4], by_score[:4])
    assert not delta[4:].any()
    assert soft.loss(student, np.full(7, -1))[0] == 0


def test_hot_limit_matches_the_scores():
    """For a high temperature the gradient is that of half the squared difference of centred scores, by class."""
    teacher, student = scores(4), scores(5)
    delta = SoftTargets(teacher, 1000, 1).loss(student, np.full(7, -1))[1]
    difference = student - teacher
    want = (difference - difference.mean(axis=1, keepdims=True)) / 5 / 7
    np.testing.assert_allclose(delta, want, atol=1e-2 * np.abs(want).max())
    # The error falls with the temperature, so it is no accident.
    warm = SoftTargets(teacher, 100, 1).loss(student, np.full(7, -1))[1]
    assert np.abs(warm - want).max() > 5 * np.abs(delta - want).max()


def test_cold_limit_is_the_teachers_answer():
    """At temperature 0.01, with scores of a hundredth, the teacher's answer is a label for the student's scores."""
    teacher, student = scores(6), scores(7)
    delta = SoftTargets(teacher, 0.01, 1).loss(0.01 * student, np.full(7, -1))[1]
    want = cross_entropy(student, teacher.argmax(axis=1))[1]
    np.testing.assert_allclose(delta, 0.01 * want, atol=1e-9)


def test_equal_scores_are_the_minimum():
    """Also shifted ones: a softmax does not see a constant. Large scores do not overflow."""
    teacher = scores(8) * 1e5
    loss, delta = SoftTargets(teacher, 0.01, 1).loss(teacher + 3.0, np.full(7, -1))
    assert loss == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(delta, 0, atol=1e-9)
    assert np.isfinite(SoftTargets(teacher, 0.01, 1).loss(-teacher, np.full(7, -1))[0])


def test_take():
    soft, labels = SoftTargets(scores(2), 3, 0.6), np.arange(7) % 5
    rows = np.array([5, 0])
    found = soft.take(rows).loss(scores(3)[rows], labels[rows])[1]
    np.testing.assert_allclose(found, soft.loss(scores(3), labels)[1][rows] * 7 / 2)


@pytest.mark.parametrize("temperature", [0, -1, 0.001, 1001, np.inf, np.nan])
def test_refuses_temperatures(temperature):
    with pytest.raises(ValueError, match=rf"Temperature {temperature} is outside \[0.01, 1000\]; use 1 to 8"):
        SoftTargets(scores(0), temperature, 0.5)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, np.nan])
def test_refuses_alphas(alpha):
    with pytest.raises(ValueError, match=rf"Alpha {alpha} is outside \[0, 1\]; use the share of the soft targets"):
        SoftTargets(scores(0), 4, alpha)


def test_refuses():
    with pytest.raises(ValueError, match=r"Scores of the teacher have shape \(5,\); use \(samples, classes\)"):
        SoftTargets(np.zeros(5), 4, 0.5)
    with pytest.raises(ValueError, match="Scores of the teacher has 1 of 1 values not finite"):
        SoftTargets(np.array([[np.inf]]), 4, 0.5)
    soft = SoftTargets(scores(0), 4, 0.5)
    with pytest.raises(ValueError, match=r"shape \(7, 5\) but there are 8 samples and the network has 5 outputs"):
        soft.check(8, 5)
    with pytest.raises(ValueError, match=r"but there are 7 samples and the network has 4 outputs; use \(7, 4\)"):
        soft.check(7, 4)
    for label in (-2, 5):
        with pytest.raises(ValueError, match=rf"Labels {label} .* is outside \[-1, 4\]; the network has 5 outputs"):
            soft.loss(scores(1), np.full(7, label))
