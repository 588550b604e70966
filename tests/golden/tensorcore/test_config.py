"""Fields, presets and errors of a tensor core's config."""

import dataclasses

import numpy as np
import pytest
from tercet.golden.numerics.floats import FORMATS
from tercet.golden.tensorcore.config import TensorCoreConfig

FLOATS = ("fp16", "bf16", "tf32", "e4m3", "e5m2")


def make(preset, format, **overrides):
    return getattr(TensorCoreConfig, preset)(a_format=format, b_format=format, **overrides)


@pytest.mark.parametrize(
    ("preset", "format", "numbers"),
    [
        ("volta", "fp16", (4, 23, 23)),
        ("turing", "fp16", (8, 24, 23)),
        ("turing", "int8", (16, 0, 0)),
        ("ampere", "fp16", (8, 24, 23)),
        ("ampere", "bf16", (8, 24, 23)),
        ("ampere", "tf32", (4, 24, 23)),
        ("ampere", "int8", (16, 0, 0)),
        ("ada", "fp16", (8, 24, 23)),
        ("ada", "bf16", (8, 24, 23)),
        ("ada", "tf32", (4, 24, 23)),
        ("ada", "e4m3", (16, 13, 13)),
        ("ada", "e5m2", (16, 13, 13)),
        ("ada", "int8", (16, 0, 0)),
        ("hopper", "fp16", (16, 25, 23)),
        ("hopper", "bf16", (16, 25, 23)),
        ("hopper", "tf32", (8, 25, 23)),
        ("hopper", "e4m3", (32, 13, 13)),
        ("hopper", "e5m2", (32, 13, 13)),
        ("hopper", "int8", (32, 0, 0)),
        ("blackwell", "fp16", (16, 25, 23)),
        ("blackwell", "bf16", (16, 25, 23)),
        ("blackwell", "tf32", (8, 25, 23)),
        ("blackwell", "e4m3", (16, 25, 23)),
        ("blackwell", "e5m2", (16, 25, 23)),
        ("blackwell", "int8", (32, 0, 0)),
        ("exact", "bf16", (1, 0, 23)),
    ],
)
def test_preset_sets_what_was_measured(preset, format, numbers):
    config = make(preset, format)
    assert (config.l, config.fraction_bits, config.out_fraction_bits) == numbers
    assert config.k == max(4, config.k_step)
    assert config.out_format == ("int32" if format == "int8" else "fp32")
    assert config.rounding == ("nearest" if preset == "exact" else "zero")
    if format in ("fp16", "e4m3", "e5m2"):
        half = make(preset, format, out_format="fp16")
        assert (half.l, half.fraction_bits, half.out_fraction_bits) == (*numbers[:2], 10)
        assert (half.nan, half.rounding) == (0x7FFF, "nearest")


def test_config_defaults():
    config = TensorCoreConfig()
    assert config == TensorCoreConfig.volta()
    fields = dataclasses.asdict(config)
    # The RTL's fastest setting; its bounds are tested below.
    del fields["pipeline"]
    assert fields == {
        "m": 4,
        "n": 4,
        "k": 4,
        "l": 4,
        "a_format": "fp16",
        "b_format": "fp16",
        "out_format": "fp32",
        "fraction_bits": 23,
        "out_fraction_bits": 23,
        "min_exponent": None,
        "fp8": "native",
        "cores": 1,
        "fold": 1,
        "overflow": "wrap",
        "nan": 0x7FFFFFFF,
        "family": "any",
    }
    assert [TensorCoreConfig(l=l).k for l in (1, 2, 3, 4, 5, 8, 32)] == [4, 4, 6, 4, 5, 8, 32]  # noqa: E741
    assert make("volta", "fp16", l=np.int64(8)).k == 8
    # No more cycles than the pipeline has stages to cut.
    assert [TensorCoreConfig(l=l).pipeline for l in (1, 2)] == [10, 12]  # noqa: E741
    assert TensorCoreConfig(l=32).pipeline == TensorCoreConfig(l=16).pipeline >= 12
    assert TensorCoreConfig.turing(a_format="int8").pipeline == 9
    assert TensorCoreConfig.hopper(a_format="e4m3", b_format="e5m2").b_format == "e5m2"
    assert TensorCoreConfig.hopper(a_format="e4m3", out_fraction_bits=23).out_fraction_bits == 23
    assert TensorCoreConfig.ampere(l=4, k=16, fold=8).k == 16
    assert dataclasses.replace(config, fold=4) == TensorCoreConfig(fold=4)
    assert all(field.metadata["help"] for field in dataclasses.fields(config))


def test_result_format():
    assert TensorCoreConfig().result == FORMATS["fp32"]
    cut = TensorCoreConfig.hopper(a_format="e4m3").result
    assert (cut.exponent_bits, cut.fraction_bits, cut.width) == (8, 13, 32)
    with pytest.raises(ValueError, match="out_format is 'int32'"):
        _ = TensorCoreConfig(a_format="int8").result
    assert TensorCoreConfig.exact().unlimited
    assert not TensorCoreConfig(a_format="int8").unlimited


@pytest.mark.parametrize(
    ("preset", "formats"),
    [
        ("volta", {"fp16"}),
        ("turing", {"fp16", "int8"}),
        ("ampere", {"fp16", "bf16", "tf32", "int8"}),
        ("ada", {"fp16", "bf16", "tf32", "e4m3", "e5m2", "int8"}),
        ("hopper", {"fp16", "bf16", "tf32", "e4m3", "e5m2", "int8"}),
        ("blackwell", {"fp16", "bf16", "tf32", "e4m3", "e5m2", "int8"}),
        ("exact", {"fp16", "bf16", "tf32", "e4m3", "e5m2"}),
    ],
)
def test_preset_refuses_a_format_it_lacks(preset, formats):
    for format in (*FLOATS, "int8"):
        if format in formats:
            assert make(preset, format).a_format == format
        else:
            with pytest.raises(ValueError, match=f"Preset {preset} has no a_format '{format}'; use fp16"):
                make(preset, format)


@pytest.mark.parametrize(
    ("preset", "kwargs", "error", "match"),
    [
        (None, {"m": 0}, ValueError, r"m 0 is outside \[1, 16\]"),
        (None, {"n": 4.0}, TypeError, "n 4.0 is not an integer"),
        (None, {"l": 33}, ValueError, r"l 33 is outside \[1, 32\]"),
        (None, {"l": None}, TypeError, "l None is not an integer"),
        (None, {"k": 6}, ValueError, "k 6 is not a multiple of l 4; use 8"),
        (None, {"a_format": "fp8"}, ValueError, "a_format 'fp8' is unknown; use one of fp16, bf16, tf32, e4m3"),
        (None, {"a_format": None}, TypeError, "a_format None is not a string"),
        (None, {"a_format": "fp32"}, ValueError, "a_format 'fp32' is unknown"),
        (None, {"out_format": "bf16"}, ValueError, "out_format 'bf16' is unknown; use one of fp32, fp16, int32"),
        (None, {"b_format": "bf16"}, ValueError, "a_format 'fp16' and b_format 'bf16' cannot be combined"),
        (
            None,
            {"a_format": "e4m3", "b_format": "fp16"},
            ValueError,
            "cannot be combined; use the same, or e4m3 and e5m2",
        ),
        (None, {"out_format": "int32"}, ValueError, "out_format 'int32' does not match a_format 'fp16'; use fp32 or"),
        (
            None,
            {"a_format": "int8", "out_format": "fp32"},
            ValueError,
            "'fp32' does not match a_format 'int8'; use int32",
        ),
        (None, {"a_format": "int8", "fraction_bits": 23}, ValueError, "fraction_bits 23 does not apply to int8; use 0"),
        (None, {"a_format": "int8", "nan": 1}, ValueError, "nan 1 does not apply to int8"),
        (None, {"a_format": "int8", "min_exponent": -19}, ValueError, "min_exponent -19 does not apply to int8"),
        (None, {"min_exponent": -253}, ValueError, r"min_exponent -253 is outside \[-252, 0\]"),
        (None, {"min_exponent": 1}, ValueError, r"min_exponent 1 is outside \[-252, 0\]"),
        (None, {"min_exponent": -19.0}, TypeError, "min_exponent -19.0 is not an integer"),
        (None, {"min_exponent": "ampere"}, ValueError, "min_exponent 'ampere' is unknown; use an int, none for no"),
        ("exact", {"min_exponent": -19}, ValueError, "min_exponent -19 does not apply to fraction_bits 0; use none"),
        (None, {"fp8": None}, TypeError, "fp8 None is not a string; use one of native, mma_sync"),
        (None, {"fraction_bits": 49}, ValueError, r"fraction_bits 49 is outside \[0, 48\]"),
        (None, {"out_fraction_bits": 24}, ValueError, r"out_fraction_bits 24 is outside \[0, 23\]"),
        (
            None,
            {"out_fraction_bits": 11, "out_format": "fp16"},
            ValueError,
            "out_fraction_bits 11 is out of range for fp16; use 1",
        ),
        (None, {"out_fraction_bits": 0}, ValueError, "out_fraction_bits 0 is out of range for fp32; use 1 to 23"),
        (None, {"fold": 3}, ValueError, "fold 3 is not a power of two; use 1, 2, 4, 8 or 16"),
        (None, {"fold": 32}, ValueError, r"fold 32 is outside \[1, 16\]"),
        (None, {"fold": 8, "m": 2, "n": 2}, ValueError, "fold 8 does not divide the 4 elements of a tile"),
        (None, {"pipeline": 0}, ValueError, r"pipeline 0 is outside \[4, 20\]"),
        (None, {"overflow": "clip"}, ValueError, "overflow 'clip' is unknown; use one of wrap, saturate"),
        (None, {"overflow": "saturate"}, ValueError, "overflow 'saturate' is for int8; a sum in fp32 becomes infinite"),
        (None, {"nan": 0x7F800000}, ValueError, "nan 0x7f800000 is not a NaN of fp32; use 0x7fffffff, for instance"),
        (None, {"nan": 0x3F800001}, ValueError, "nan 0x3f800001 is not a NaN"),
        (None, {"nan": 0x7FFFFFFF, "out_format": "fp16"}, ValueError, "not a NaN of fp16; use 0x7fff"),
        (None, {"nan": 2**32}, ValueError, "nan 4294967296 is outside"),
        (None, {"family": "xilinx"}, ValueError, "family 'xilinx' is unknown"),
        ("volta", {"b_format": "int8"}, ValueError, "Preset volta has no b_format 'int8'; use fp16"),
        ("hopper", {"b_format": "e4m3"}, ValueError, "a_format 'fp16' and b_format 'e4m3' cannot be combined"),
        ("turing", {"a_format": "e4m3", "fp8": "mma_sync"}, ValueError, "Preset turing has no a_format 'e4m3'"),
        ("ada", {"a_format": "e4m3", "fp8": "mma_sync"}, ValueError, "Preset ada has no fp8 'mma_sync'; use native"),
        ("ampere", {"a_format": "bf16", "out_format": "fp16"}, ValueError, "ampere has no out_format 'fp16' for bf16"),
        ("hopper", {"a_format": "x"}, ValueError, "a_format 'x' is unknown"),
        ("hopper", {"a_format": ["fp16"]}, TypeError, "a_format .* is not a string"),
        ("volta", {"rows": 4}, TypeError, "rows"),
    ],
)
def test_config_refuses(preset, kwargs, error, match):
    with pytest.raises(error, match=match) as caught:
        getattr(TensorCoreConfig, preset)(**kwargs) if preset else TensorCoreConfig(**kwargs)
    assert "\n" not in str(caught.value)
