"""Directed cases: each tests one property, and together they reach all corner cases."""

import dataclasses

import pytest
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import dot
from tercet.golden.tensorcore.stimuli import events
from tercet.sim.tensorcore_directed import directed_dots


@pytest.mark.parametrize("preset", ["volta", "turing", "ampere", "hopper"])
@pytest.mark.parametrize("out_format", ["fp32", "fp16"])
def test_directed_cases_reach_the_edges(preset, out_format):
    config = getattr(TensorCoreConfig, preset)(out_format=out_format)
    operands = directed_dots(config, config.l)
    results = dot(*operands, config)
    seen = events(config, operands, results.view(f"u{results.itemsize}"))
    # Terms at every distance up to beyond the last bit kept.
    assert (seen.distances[: config.fraction_bits + 2] > 0).all()
    # FP16 products are too small to make the largest FP32 number overflow.
    assert (seen.overflow > 0) == (out_format == "fp16")
    # Only FP16 results reach the floor of FP16 operands.
    assert (seen.floored > 0) == config.reaches_floor == (out_format == "fp16")
    for name in ("cancelled", "subnormal_in", "subnormal_out", "infinite", "nan", "negative_zero"):
        assert getattr(seen, name) > 0, name


@pytest.mark.parametrize(("right", "wrong"), [("volta", "turing"), ("ampere", "turing"), ("ampere", "hopper")])
def test_directed_cases_tell_presets_apart(right, wrong):
    """Presets differ over 16 products, except Turing and Ampere, which have the same steps."""
    one, other = (getattr(TensorCoreConfig, preset)() for preset in (right, wrong))
    operands = directed_dots(one, 16)
    same = dot(*operands, one).tobytes() == dot(*operands, other).tobytes()
    assert same == (one.fraction_bits == other.fraction_bits)


@pytest.mark.parametrize(
    ("preset", "formats"),
    [(preset, {"out_format": "fp16"}) for preset in ("volta", "ampere", "hopper")]
    + [(preset, {"a_format": format}) for preset in ("ampere", "hopper") for format in ("bf16", "tf32")],
)
def test_directed_cases_show_the_floor(preset, formats):
    """Without the floor, or with one higher or lower by 1, results differ."""
    config = getattr(TensorCoreConfig, preset)(**formats)
    operands = directed_dots(config, 16)
    for other in (None, config.min_exponent - 1, config.min_exponent + 1):
        changed = dataclasses.replace(config, min_exponent=other)
        assert dot(*operands, config).tobytes() != dot(*operands, changed).tobytes()


def test_directed_integers_leave_int32():
    wrap, saturate = (TensorCoreConfig.ampere(a_format="int8", overflow=overflow) for overflow in ("wrap", "saturate"))
    operands = directed_dots(wrap, 32)
    results = dot(*operands, saturate)
    assert (results != dot(*operands, wrap)).any()
    assert {-(2**31), 2**31 - 1} <= set(results.tolist())
