"""Engine sizing: the preset if it suffices, deeper memories if there is room, else an error naming all shortages."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from tercet.boards.catalog import board, soc_config
from tercet.boards.eie_capacity import eie_blocks, over_capacity
from tercet.boards.host.networks import Compressed, Int8, TileProduct
from tercet.boards.sizing import NetworkTooLarge, check_board, check_run, network_soc
from tercet.golden.networks.int8_network import quantize_mlp
from tercet.golden.networks.mlp import Mlp

from ..compressed_networks import AUTOENCODER, compressed

LARGE = Compressed(compressed(AUTOENCODER))
SMALL = Compressed(compressed((60, 20, 10)))
# Covers the range of the weights; fraction bits are not under test here.
FRACTION: dict[str, Any] = {"weight_frac": 9}


def test_what_suffices_stays():
    assert network_soc("ulx3s-25f", SMALL) == soc_config("ulx3s-25f", "eie")
    soc = network_soc(
        "ulx3s-25f", SMALL, fields={"n_pe": 2}, depths={"frames": 99}, clock_hz=50_000_000, baud=1_000_000
    )
    want = soc_config("ulx3s-25f", "eie", n_pe=2, depths={"frames": 99}, clock_hz=50_000_000, baud=1_000_000)
    assert soc == want


@pytest.mark.parametrize("name", ["ulx3s-85f", "ulx3s-45f", "ulx3s-25f"])
def test_the_autoencoder_fits(name):
    soc, usual = network_soc(name, LARGE, fields=FRACTION), soc_config(name, "eie")
    deeper = {"pointer_depth", "constant_depth"} if name == "ulx3s-25f" else {"pointer_depth"}
    for field in dataclasses.fields(soc.config):
        ours, before = getattr(soc.config, field.name), getattr(usual.config, field.name)
        if field.name in deeper:
            assert ours > before
        elif field.name not in FRACTION:
            assert ours == before
    assert soc.depths == usual.depths
    check_board(soc, LARGE)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 640))
    check_run(soc, LARGE, x)
    assert LARGE.golden(soc, x).shape == (2, 640)


def test_buffers_become_deeper():
    wide = Compressed(compressed((2000, 4, 900)))
    soc = network_soc("ulx3s-25f", wide)
    # Four activations per word.
    assert dict(soc.depths) == {"frames": 2048, "acts": 512, "outs": 512}
    soc = network_soc("ulx3s-25f", wide, fields={"n_pe": 1})
    assert dict(soc.depths) == {"frames": 2048, "acts": 2000, "outs": 900}
    # The input is processed in parts, which fit the preset's activation buffers.
    assert soc.config.act_depth == 900


def test_depths_shrink_where_others_must_grow():
    """If the preset's other depths leave no room, they shrink to the minimum, except those given explicitly."""
    deep = Compressed(compressed((4000, 3, 3), density=0.02))
    found = board("tang-nano-9k")
    soc = network_soc("tang-nano-9k", deep)
    assert (soc.config.pointer_depth, soc.config.constant_depth) == (4000 + 4 + 2, 2 * 16 + 2 * 2)
    # The input is processed in parts that fill one block RAM.
    assert (soc.config.act_depth, soc.config.program_depth) == (128, 2000 // 128 + 1 + 2)
    assert soc.config.matrix_depth < board("tang-nano-9k").preset("eie").params["matrix_depth"]
    assert over_capacity(eie_blocks(soc, found.device), found.device) == {}
    with pytest.raises(NetworkTooLarge, match="with n_pe 2, matrix_depth 4095, .* block RAMs of 26; use n_pe=1 or "):
        network_soc("tang-nano-9k", deep, fields={"matrix_depth": 4095})


def test_what_does_not_fit_names_all_and_who_has_room():
    message = (
        "^The network does not fit icebreaker: with n_pe 2, matrix_depth 7696, pointer_depth 1682, act_depth 320, "
        "constant_depth 996, program_depth 11 its engine takes 65 block RAMs of 30; use ulx3s-12f, ulx3s-25f, .*, "
        "icepi-zero, or fewer or sparser layers$"
    )
    with pytest.raises(NetworkTooLarge, match=message.replace("7696", r"\d+")) as caught:
        network_soc("icebreaker", LARGE, fields=FRACTION)
    for name in ("ulx3s-12f", "icepi-zero"):
        assert network_soc(name, LARGE, fields=FRACTION)
        assert name in caught.value.otherwise
    assert "tang-nano-9k" not in str(caught.value)
    with pytest.raises(NetworkTooLarge, match=r"takes \d+ block RAMs of 56 and 64 multipliers of 28; use fewer PEs$"):
        network_soc("ulx3s-25f", LARGE, fields={"n_pe": 64, **FRACTION})


def test_fewer_pes_where_those_fit():
    """Each PE has its own constants and pointers; the suggested number of PEs is then accepted."""
    long = Compressed(compressed((3000, 16, 16), density=0.02, code_bits=8))
    with pytest.raises(NetworkTooLarge, match=r"does not fit ulx3s-85f: with n_pe 16, .*; use n_pe=\d+") as caught:
        network_soc("ulx3s-85f", long, depths={"frames": 2**15}, fields={"constant_depth": 4000})
    fewer = caught.value.fields["n_pe"]
    network_soc("ulx3s-85f", long, depths={"frames": 2**15}, fields={"constant_depth": 4000, "n_pe": fewer})


def test_all_that_is_given_and_too_small():
    given = {"code_bits": 3, "matrix_depth": 9, "constant_depth": 7, **FRACTION}
    message = (
        r"^codes have 4 bits but code_bits is 3, 10 layers need (\d+) words of entries in PE \d but matrix_depth is 9, "
        "578 constants in each PE but constant_depth is 7, a vector needs 160 words of outs but its buffer has 5; use "
        r"code_bits=4, matrix_depth=\1, constant_depth=578, 160 words of outs$"
    )
    with pytest.raises(NetworkTooLarge, match=message) as caught:
        network_soc("ulx3s-25f", LARGE, fields=given, depths={"outs": 5})
    fields, buffers = caught.value.fields, caught.value.buffers
    soc = network_soc("ulx3s-25f", LARGE, fields={**given, **fields}, depths=buffers)
    assert soc.config.matrix_depth == fields["matrix_depth"]
    assert dict(soc.depths)["outs"] == 160
    with pytest.raises(ValueError, match=r"matrix_depth 0 is outside \[1, 1048576\]"):
        network_soc("ulx3s-25f", LARGE, fields={"matrix_depth": 0})
    for name in ("code_bits", "pointer_depth"):
        with pytest.raises(TypeError, match=f"{name} '9' is not an integer"):
            network_soc("ulx3s-25f", LARGE, fields={name: "9"})


def test_a_board_that_is_there():
    soc = network_soc("ulx3s-25f", LARGE, fields=FRACTION)
    config = dataclasses.replace(soc.config, pointer_depth=1681, program_depth=10)
    depths = tuple((name, 100 if name == "acts" else words) for name, words in soc.depths)
    message = (
        "^10 layers need 1682 pointers in each PE but pointer_depth is 1681, 11 steps but program_depth is 10, "
        "a vector needs 160 words of acts but its buffer has 100; use pointer_depth=1682, program_depth=11, "
        "160 words of acts$"
    )
    with pytest.raises(NetworkTooLarge, match=message):
        check_board(dataclasses.replace(soc, config=config, depths=depths), LARGE)
    check_board(soc, LARGE)
    more = Compressed(compressed((30, 20), code_bits=5))
    with pytest.raises(NetworkTooLarge, match="codes have 5 bits but code_bits is 4; use code_bits=5$"):
        check_board(soc, more)


def test_other_engines():
    mlp = Mlp.random((12, 9, 5), seed=1)
    samples = np.random.default_rng(2).random((50, 12))
    int8 = Int8(quantize_mlp(mlp, samples))
    tile = TileProduct(np.zeros((8, 12), np.float16), None)
    soc = network_soc("ulx3s-25f", int8, fields={"rows": 3}, depths={"acts": 100})
    assert (soc.engine, soc.config.rows, dict(soc.depths)["acts"]) == ("systolic", 3, 100)
    check_run(soc, int8, samples)
    check_board(soc, int8)
    with pytest.raises(ValueError, match="The smallest product needs 4 words of weights, but the board has room for 2"):
        check_run(network_soc("ulx3s-25f", int8, fields={"rows": 4}, depths={"weights": 2}), int8, samples)
    soc = network_soc("ulx3s-25f", tile, fields={"fold": 8})
    assert (soc.engine, soc.config.fold) == ("tensorcore", 8)
    a = np.zeros((4, 8), np.float16)
    check_run(soc, tile, a)
    with pytest.raises(ValueError, match="The smallest product needs .* words of a, but the board has room for 2"):
        check_run(network_soc("ulx3s-25f", tile, depths={"a": 2}), tile, a)
    with pytest.raises(ValueError, match=r"Inputs have shape \(0, 60\); every size must be at least 1"):
        check_run(network_soc("ulx3s-25f", SMALL), SMALL, np.zeros((0, 60)))
