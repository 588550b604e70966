"""Directed cases: each shows one thing, and together they reach all edges."""

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
    found = events(config, operands, results.view(f"u{results.itemsize}"))
    # Terms at every distance up to beyond the last bit that is kept.
    assert (found.distances[: config.fraction_bits + 2] > 0).all()
    # FP16 products are too small to carry the largest FP32 number any further.
    assert (found.overflow > 0) == (out_format == "fp16")
    # Only FP16 results are near enough to the floor of FP16 operands.
    assert (found.floored > 0) == config.reaches_floor == (out_format == "fp16")
    for name in ("cancelled", "subnormal_in", "subnormal_out", "infinite", "nan", "negative_zero"):
        assert getattr(found, name) > 0, name


@pytest.mark.parametrize(("right", "wrong"), [("volta", "turing"), ("ampere", "turing"), ("ampere", "hopper")])
def test_directed_cases_tell_presets_apart(right, wrong):
    """Over 16 products; Turing and Ampere take the same steps, and are not told apart."""
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
    """Whether it is there, and that it is not one higher or lower."""
    config = getattr(TensorCoreConfig, preset)(**formats)
    operands = directed_dots(config, 16)
    for other in (None, config.min_exponent - 1, config.min_exponent + 1):
        changed = dataclasses.replace(config, min_exponent=other)
        assert dot(*operands, config).tobytes() != dot(*operands, changed).tobytes()


def test_directed_integers_leave_int32():
    wrap, saturate = (TensorCoreConfig.ampere(a_format="int8", overflow=how) for how in ("wrap", "saturate"))
    operands = directed_dots(wrap, 32)
    results = dot(*operands, saturate)
    assert (results != dot(*operands, wrap)).any()
    assert {-(2**31), 2**31 - 1} <= set(results.tolist())
