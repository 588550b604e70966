"""Mixed-precision training: gradients against float64, loss scaling, and skipped updates."""

import numpy as np
import pytest
from tercet.golden.networks.mixed_precision import LossScale, Trainer, operands, single_precision, tensor_core
from tercet.golden.networks.mlp import Mlp, gradients
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import mma

VOLTA = TensorCoreConfig.volta()


def problem(seed=0, sizes=(6, 5, 3), count=7):
    rng = np.random.default_rng(seed)
    return Mlp.random(sizes, seed), rng.normal(size=(count, sizes[0])), rng.integers(0, sizes[-1], count)


def unscaled():
    return LossScale(1.0, None)


@pytest.mark.parametrize(
    ("product", "tolerance"),
    [
        (single_precision, 1e-6),
        (tensor_core(VOLTA), 2e-3),
        (tensor_core(TensorCoreConfig.volta(out_format="fp16")), 4e-3),
    ],
)
def test_gradients(product, tolerance):
    mlp, x, labels = problem()
    trainer = Trainer(mlp, product, LossScale(1024.0))
    # Evaluate the float64 gradients at the master weights.
    start = Mlp(list(trainer.weights), list(trainer.biases))
    loss, *exact = gradients(start, x, labels)
    got, found = trainer.gradients(x, labels)
    assert got == pytest.approx(loss, rel=tolerance)
    for gradient, want in zip(found, exact[0] + exact[1], strict=True):
        assert gradient.dtype == np.float32
        np.testing.assert_allclose(gradient, want, atol=tolerance * np.abs(want).max())


def test_tensor_core_takes_the_products():
    """Operands are rounded and padded, and summed as in the golden model, not as in float32."""
    rng = np.random.default_rng(1)
    a, b, c = (rng.normal(size=shape).astype(np.float32) for shape in ((9, 30), (30, 4), (9, 4)))
    left, right, addend = operands(a, b, c, VOLTA)
    assert (left.shape, right.shape) == ((9, 32), (32, 4))
    np.testing.assert_array_equal(left[:, :30], a.astype(np.float16))
    assert not left[:, 30:].any()
    assert not right[30:].any()
    got = tensor_core(VOLTA)(a, b, c)
    assert got.dtype == np.float32
    assert got.tobytes() == mma(left, right, addend, VOLTA).tobytes()
    assert (got != left.astype(np.float32) @ right.astype(np.float32) + c).any()
    half = TensorCoreConfig.volta(out_format="fp16")
    assert operands(a, b, c, half)[2].dtype == np.float16
    assert (tensor_core(half)(a, b, c) == mma(*operands(a, b, c, half), half)).all()
    assert np.isinf(operands(a * 1e6, b, c, VOLTA)[0]).any()


def test_every_product_is_taken_by_it():
    """A step of three layers takes three products forward and five backward, of these shapes."""
    seen = []

    def product(a, b, c):
        seen.append((a.shape, b.shape, c.shape))
        return single_precision(a, b, c)

    mlp, x, labels = problem(sizes=(6, 5, 4, 3))
    Trainer(mlp, product, unscaled()).step(x, labels)
    forward = [((7, 6), (6, 5)), ((7, 5), (5, 4)), ((7, 4), (4, 3))]
    # One more row than the weights, for the bias.
    backward = [((5, 7), (7, 3)), ((7, 3), (3, 4)), ((6, 7), (7, 4)), ((7, 4), (4, 5)), ((7, 7), (7, 5))]
    assert [shapes[:2] for shapes in seen] == forward + backward
    assert all(c == (a[0], b[1]) for a, b, c in seen)


def test_learns():
    mlp, x, _ = problem(2, (4, 16, 3), 90)
    labels = (x @ np.random.default_rng(3).normal(size=(4, 3))).argmax(axis=1)
    trainer = Trainer(mlp, tensor_core(VOLTA), LossScale(), rate=0.2)
    before = trainer.accuracy(x, labels)
    losses = [trainer.step(x, labels) for _ in range(60)]
    assert losses[-1] < 0.3 * losses[0]
    assert trainer.accuracy(x, labels) > max(0.9, before)


def test_first_update_is_along_the_gradient_and_the_next_has_momentum():
    mlp, x, labels = problem()
    trainer = Trainer(mlp, single_precision, unscaled(), rate=0.5, momentum=0.5)
    moved = []
    for _ in range(2):
        before, (_, found) = trainer.weights[0].copy(), trainer.gradients(x, labels)
        trainer.step(x, labels)
        moved.append((trainer.weights[0] - before, found[0]))
    np.testing.assert_allclose(moved[0][0], -0.5 * moved[0][1], atol=1e-6)
    np.testing.assert_allclose(moved[1][0], 0.5 * moved[0][0] - 0.5 * moved[1][1], atol=1e-6)


def test_master_weights_keep_what_fp16_would_lose():
    mlp = Mlp([np.ones((4, 2))], [np.zeros(2)])
    trainer = Trainer(mlp, tensor_core(VOLTA), LossScale(), rate=1e-4, momentum=0.0)
    x, labels = np.ones((3, 4)), np.zeros(3, int)
    for _ in range(10):
        trainer.step(x, labels)
    # A step of 5e-5 is less than half an ULP of 1 in FP16; ten of them are more.
    assert trainer.weights[0][0, 0] == pytest.approx(1 + 10 * 5e-5, abs=1e-5)
    assert np.float16(1 + 5e-5) == 1


def test_a_scaled_loss_saves_small_gradients():
    mlp = Mlp([np.array([[9.0, -9.0]])], [np.zeros(2)])
    x, labels = np.ones((1, 1)), np.array([0])
    _, (exact, *_), _ = gradients(mlp, x, labels)
    assert 0 < exact[0, 1] < 2.0**-25
    for scale, kept in ((1.0, False), (2.0**12, True)):
        _, (found, *_) = Trainer(mlp, tensor_core(VOLTA), LossScale(scale)).gradients(x, labels)
        assert found.any() == kept
        if kept:
            assert found[0, 1] == pytest.approx(exact[0, 1], rel=1e-2)


def test_overflow_leaves_out_an_update():
    mlp, x, labels = problem()
    trainer = Trainer(mlp, tensor_core(VOLTA), LossScale(2.0**30))
    before = [w.copy() for w in trainer.weights]
    trainer.step(x, labels)
    assert all((w == old).all() for w, old in zip(trainer.weights, before, strict=True))
    assert (trainer.scale.value, trainer.scale.skipped) == (2.0**29, 1)
    while (trainer.weights[0] == before[0]).all():
        assert trainer.scale.value > 2.0**12
        trainer.step(x, labels)
    assert all(np.isfinite(w).all() for w in trainer.weights)
    assert trainer.scale.value == 2.0 ** (30 - trainer.scale.skipped)


def test_scale_doubles_after_so_many_good_updates():
    scale = LossScale(4.0, patience=3)
    values = []
    for finite in (True, True, False, True, True, True, True, True, True):
        scale.update(finite)
        values.append(scale.value)
    assert values == [4, 4, 2, 2, 2, 4, 4, 4, 8]
    assert scale.skipped == 1
    fixed = LossScale(4.0, patience=None)
    fixed.update(False)
    assert (fixed.value, fixed.skipped) == (4.0, 1)


def test_refuses():
    with pytest.raises(ValueError, match="a_format 'bf16' is not supported: operands are rounded to fp16; use fp16"):
        tensor_core(TensorCoreConfig.ampere(a_format="bf16"))
    mlp, x, labels = problem()
    trainer = Trainer(mlp, single_precision, unscaled())
    with pytest.raises(ValueError, match=r"Labels 9 at index \(0,\) is outside \[0, 2\]"):
        trainer.step(x, np.full(7, 9))
    with pytest.raises(TypeError, match="Inputs has dtype int64, not a float type"):
        trainer.step(np.ones((7, 6), int), labels)
