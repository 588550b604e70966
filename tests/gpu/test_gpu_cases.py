"""The cases that a GPU is given: what is rare must be among them."""

import numpy as np
import pytest
from tercet.golden.tensorcore import TensorCoreConfig, dot
from tercet.gpu.cases import tiles
from tercet.gpu.directed import directed_dots
from tercet.gpu.verify import checks
from tercet.sim.tensorcore_stimuli import events

RUNS = [
    *checks((7, 0), "volta"),
    *checks((7, 5), "turing"),
    *checks((8, 0), "ampere"),
    *checks((9, 0), "hopper", ["e4m3"])[:4],
]


@pytest.mark.parametrize("check", RUNS, ids=lambda check: f"{check.instruction.ptx}-{check.zero_addend}")
def test_tiles_are_what_the_golden_model_takes(check):
    wanted = check.instruction
    count = 100_000
    size = wanted.m * wanted.n
    blocks = list(tiles(np.random.default_rng(0), wanted, check.config, count, zero_addend=check.zero_addend))
    assert sum(c.size for _, _, c in blocks) == -(-count // size) * size
    for a, b, c in blocks:
        assert (a.shape[1:], b.shape[1:], c.shape[1:]) == (
            (wanted.m, wanted.k),
            (wanted.k, wanted.n),
            (wanted.m, wanted.n),
        )
        assert a.itemsize * 8 == b.itemsize * 8 == wanted.operand_width
        assert c.itemsize * 8 == wanted.out_width
        assert not (check.zero_addend and c.any())


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
    for name in ("cancelled", "subnormal_in", "subnormal_out", "infinite", "nan", "negative_zero"):
        assert getattr(found, name) > 0, name


@pytest.mark.parametrize(("right", "wrong"), [("volta", "turing"), ("ampere", "turing"), ("ampere", "hopper")])
def test_directed_cases_tell_presets_apart(right, wrong):
    """Over 16 products; Turing and Ampere take the same steps, and are not told apart."""
    one, other = (getattr(TensorCoreConfig, preset)() for preset in (right, wrong))
    operands = directed_dots(one, 16)
    same = dot(*operands, one).tobytes() == dot(*operands, other).tobytes()
    assert same == (one.fraction_bits == other.fraction_bits)


def test_directed_integers_leave_int32():
    wrap, saturate = (TensorCoreConfig.ampere(a_format="int8", overflow=how) for how in ("wrap", "saturate"))
    operands = directed_dots(wrap, 32)
    results = dot(*operands, saturate)
    assert (results != dot(*operands, wrap)).any()
    assert {-(2**31), 2**31 - 1} <= set(results.tolist())


def test_seeds_repeat():
    check = RUNS[2]
    first, again, other = (
        list(tiles(np.random.default_rng(seed), check.instruction, check.config, 10_000, zero_addend=False))[0][0]
        for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()
