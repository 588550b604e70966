"""The EIE engine's configuration, and errors of its golden model."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import decode, encode
from tercet.golden.eie.product import spmv

CODEBOOK = np.arange(16, dtype=np.int16)


def test_config_and_presets():
    config = EieConfig()
    assert (config.n_pe, config.code_bits, config.index_bits, config.fifo_depth, config.acc_width) == (4, 4, 4, 8, 36)
    paper = EieConfig.paper()
    assert paper.n_pe == 64
    assert paper.matrix_depth * 8 == 128 * 1024
    assert paper.pointer_depth * 2 == 32 * 1024
    assert 2 * paper.act_depth * 2 == 2 * 1024
    # 16 bits address only half of the entries.
    assert paper.entries_per_word * paper.matrix_depth == 131072
    assert paper.pointer_width == 18
    assert EieConfig.paper(n_pe=16, fifo_depth=1) == dataclasses.replace(paper, n_pe=16, fifo_depth=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        paper.n_pe = 3  # pyright: ignore[reportAttributeAccessIssue]
    assert EieConfig(n_pe=np.int64(3)) == EieConfig(n_pe=3)  # pyright: ignore[reportArgumentType]
    for f in dataclasses.fields(EieConfig):
        assert f.metadata["help"]
        if f.name != "family":
            low, high = f.metadata["bounds"]
            assert low <= f.default <= high


@pytest.mark.parametrize(
    ("code_bits", "index_bits", "entries"), [(2, 2, 16), (2, 6, 8), (4, 4, 8), (5, 4, 7), (8, 8, 4), (8, 3, 5)]
)
def test_entries_per_word(code_bits, index_bits, entries):
    config = EieConfig(code_bits=code_bits, index_bits=index_bits, matrix_depth=4)
    assert config.entries_per_word == entries
    # A word index of 0 to 4 and the offset in the word.
    assert 2 ** (config.offset_width - 1) < entries <= 2**config.offset_width
    assert config.pointer_width == 3 + config.offset_width
    assert EieConfig(code_bits=code_bits, index_bits=index_bits, word_width=16).entries_per_word == 16 // (
        code_bits + index_bits
    )


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("n_pe", 1, 256),
        ("code_bits", 2, 8),
        ("index_bits", 2, 8),
        ("fifo_depth", 1, 256),
        ("act_frac", 0, 15),
        ("weight_frac", 0, 15),
        ("acc_width", 24, 48),
        ("matrix_depth", 1, 2**20),
        ("pointer_depth", 2, 2**20),
        ("act_depth", 1, 2**16),
        ("word_width", 16, 64),
        ("program_depth", 2, 2**12),
    ],
)
def test_config_refuses(name, low, high):
    def build(value: Any):
        return EieConfig(**{name: value})

    for value in (low, high):
        assert getattr(build(value), name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(ValueError, match=rf"{name} {value} is outside \[{low}, {high}\]; use an int in that range"):
            build(value)
    with pytest.raises(TypeError, match=f"{name} 4.0 is not an integer"):
        build(4.0)
    with pytest.raises(TypeError, match=f"{name} True is a bool"):
        build(True)
    with pytest.raises(TypeError, match=f"{name} None is not an integer"):
        build(None)


CODES = np.ones((6, 5), np.uint8)
FLOATS = np.ones(5)


@pytest.mark.parametrize(
    ("changed", "error", "match"),
    [
        ({"codes": CODES.astype(int)}, TypeError, "Codes have dtype int64; use uint8"),
        ({"codes": CODES[0]}, ValueError, r"Codes have shape \(5,\); use a matrix \(out, in\)"),
        ({"codes": CODES[:, :0]}, ValueError, r"Codes have shape \(6, 0\); every size must be at least 1"),
        ({"codes": CODES * np.uint8(16)}, ValueError, r"Code 16 at index \(0, 0\) is outside \[0, 15\]; code_bits"),
        ({"codebook": CODEBOOK.astype(np.int32)}, TypeError, "Codebook has dtype int32; use int16"),
        ({"codebook": CODEBOOK[:15]}, ValueError, r"Codebook has shape \(15,\); code_bits 4 needs \(16,\)"),
        ({"codebook": CODEBOOK + np.int16(1)}, ValueError, "Codebook begins with 1, not 0; code 0 is reserved"),
        ({"bias": np.zeros(6)}, TypeError, "Bias has dtype float64, not an integer type"),
        ({"bias": np.zeros(5, int)}, ValueError, r"Bias has shape \(5,\) but the codes have 6 rows; use shape \(6,\)"),
        ({"bias": np.full(6, 2**35)}, ValueError, r"Bias 34359738368 at index \(0,\) is outside .* acc_width 36"),
        ({"bias": np.full(6, 2**64 - 1, np.uint64)}, ValueError, r"Bias 18446744073709551615 at index \(0,\) is out"),
        ({"relu": 1}, TypeError, "relu 1 is not a bool; use True or False"),
        ({"shift": 1.0}, TypeError, "shift 1.0 is not an integer"),
        ({"shift": -1}, ValueError, r"shift -1 is outside \[0, 35\]"),
        ({"shift": 36}, ValueError, r"shift 36 is outside \[0, 35\]"),
        ({"act_frac": 1.5}, TypeError, "act_frac 1.5 is not an integer"),
        ({"act_frac": 49}, ValueError, r"act_frac 49 is outside \[-48, 48\]"),
        ({"weight_frac": -49}, ValueError, r"weight_frac -49 is outside \[-48, 48\]"),
        ({"out_frac": 99}, ValueError, r"out_frac 99 is outside \[-48, 48\]"),
        (
            {"out_frac": 21},
            ValueError,
            r"out_frac 21 needs a shift of -1 from act_frac \+ weight_frac = 20, outside \[0, 35\]; use an out_frac in "
            r"\[-15, 20\]",
        ),
        ({"weight_frac": 40}, ValueError, r"out_frac 8 needs a shift of 40 from .* use an out_frac in \[13, 48\]"),
        ({"shift": 3, "out_frac": 5}, ValueError, "shift 3 leaves 17 fraction bits, but out_frac is 5; leave one of"),
        ({"act_max": 0}, ValueError, r"act_max 0 is outside \[1, 32768\]"),
        ({"act_max": 32769}, ValueError, r"act_max 32769 is outside \[1, 32768\]"),
        ({"permute": "best"}, ValueError, "permute 'best' is unknown; use 'balance', 'spread' or None"),
        ({"permute": [0, 1]}, TypeError, r"permute \[0, 1\] is not a string; use 'balance', 'spread' or None"),
        ({"frequencies": FLOATS}, ValueError, "Frequencies have no effect without a permutation; use permute='bal"),
        ({"permute": "balance", "frequencies": np.ones(5, int)}, TypeError, "Frequencies has dtype int64"),
        ({"permute": "balance", "frequencies": FLOATS[:4]}, ValueError, r"Frequencies have shape \(4,\) but the codes"),
        (
            {"permute": "spread", "frequencies": FLOATS[None]},
            ValueError,
            r"Frequencies have shape \(1, 5\) but the codes",
        ),
        ({"permute": "spread", "frequencies": FLOATS * np.inf}, ValueError, "Frequencies has 5 of 5 values not"),
        ({"permute": "balance", "frequencies": -FLOATS}, ValueError, r"Frequency -1.0 at index \(0,\) is negative"),
        ({"permute": "balance", "frequencies": FLOATS * np.nan}, ValueError, "Frequencies has 5 of 5 values not"),
    ],
)
def test_encode_refuses(changed, error, match):
    args = {"codes": CODES, "codebook": CODEBOOK, **changed}
    with pytest.raises(error, match=match) as caught:
        encode(args.pop("codes"), args.pop("codebook"), EieConfig(), **args)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "shift", "fractions"),
    [
        ({}, 12, (8, 12, 8)),
        ({"act_frac": 3}, 12, (3, 12, 3)),
        ({"weight_frac": 10}, 10, (8, 10, 8)),
        ({"out_frac": 2}, 18, (8, 12, 2)),
        ({"act_frac": -5, "weight_frac": 20, "out_frac": -20}, 35, (-5, 20, -20)),
        ({"shift": 5}, 5, (8, 12, None)),
        ({"shift": 5, "out_frac": 15}, 5, (8, 12, 15)),
    ],
)
def test_fraction_bits_give_the_shift(given, shift, fractions):
    layer = encode(CODES, CODEBOOK, EieConfig(), **given)
    assert (layer.shift, (layer.act_frac, layer.weight_frac, layer.out_frac)) == (shift, fractions)


@pytest.mark.parametrize("permute", [None, "balance", "spread"])
def test_memories_are_exactly_full_or_refused(permute):
    """18 rows of 11 codes on 4 PEs: 5 rows, 55 entries and so 7 words in PE 0, 12 pointers."""
    codes = np.ones((18, 11), np.uint8)
    fits: dict[str, Any] = {"n_pe": 4, "matrix_depth": 7, "pointer_depth": 12, "act_depth": 5}
    assert (decode(encode(codes, CODEBOOK, EieConfig(**fits), permute=permute)) == codes).all()
    for field, match in (
        ("matrix_depth", "1 layer needs 7 words of entries in PE 0 but matrix_depth is 6; use matrix_depth=7 or more"),
        ("pointer_depth", "1 layer needs 12 pointers in each PE but pointer_depth is 11; use pointer_depth=12$"),
        ("act_depth", "1 layer needs 5 rows in a PE but act_depth is 4; use act_depth=5 or more PEs"),
    ):
        with pytest.raises(ValueError, match=match):
            encode(codes, CODEBOOK, EieConfig(**{**fits, field: fits[field] - 1}), permute=permute)


def test_fillers_count_against_the_matrix():
    codes = np.zeros((160, 8), np.uint8)
    codes[-1] = 1
    assert encode(codes, CODEBOOK, EieConfig(n_pe=1, matrix_depth=10)).fillers == 72
    with pytest.raises(ValueError, match="10 words of entries in PE 0 but matrix_depth is 9"):
        encode(codes, CODEBOOK, EieConfig(n_pe=1, matrix_depth=9))


@pytest.mark.parametrize(
    ("acts", "error", "match"),
    [
        (np.zeros(5), TypeError, "Activations have dtype float64; use int16"),
        (np.zeros(5, np.int32), TypeError, "Activations have dtype int32; use int16"),
        (np.zeros(4, np.int16), ValueError, r"Activations have shape \(4,\) but the layer has 5 inputs; use \(5,\) or"),
        (np.zeros((5, 1), np.int16), ValueError, r"Activations have shape \(5, 1\) but the layer has 5 inputs"),
        (np.zeros((1, 1, 5), np.int16), ValueError, r"Activations have shape \(1, 1, 5\) but"),
        (np.int16(3), ValueError, r"Activations have shape \(\) but the layer has 5 inputs"),
        (np.array([0, 101, 0, 0, 0], np.int16), ValueError, r"Activations 101 at index \(1,\) is outside \[-100, 10"),
        (np.array([[0, 0, 0, 0, -(2**15)]], np.int16), ValueError, r"Activations -32768 at index \(0, 4\) is outside"),
    ],
)
def test_spmv_refuses(acts, error, match):
    layer = encode(CODES, CODEBOOK, EieConfig(), act_max=100, shift=0)
    assert spmv(layer, np.array([100, -100, 100, 0, 0], np.int16)).tolist() == [100] * 6
    with pytest.raises(error, match=match) as caught:
        spmv(layer, acts)
    assert "\n" not in str(caught.value)
