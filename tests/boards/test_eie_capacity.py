"""Predicted blocks of EIE engines, compared with synthesis."""

import json
from dataclasses import replace

import pytest
from tercet.boards.catalog import BOARDS, board, soc_config
from tercet.boards.eie_capacity import eie_blocks, over_capacity
from tercet.boards.fpga.families import FAMILIES
from tercet.boards.measured import MEASURED

# Depth, width, and block RAMs used by yosys on iCE40 and on ECP5 or Gowin.
INFERRED = [
    (16, 16, 1, 0),
    (40, 16, 1, 0),
    (12, 41, 3, 0),
    (60, 33, 3, 1),
    (300, 16, 2, 1),
    (320, 32, 4, 1),
    (320, 33, 5, 1),
    (300, 64, 8, 2),
    (700, 16, 3, 1),
    (841, 32, 8, 2),
    (700, 64, 12, 4),
    (1000, 64, 16, 4),
    (1682, 16, 7, 2),
    (2048, 8, 4, 1),
]


@pytest.mark.parametrize(("words", "bits", "ice40", "larger"), INFERRED)
def test_memories_that_are_left_to_yosys(words, bits, ice40, larger):
    assert FAMILIES["ice40"].inferred_blocks(bits, words) == ice40
    assert FAMILIES["ecp5"].inferred_blocks(bits, words) == larger
    assert FAMILIES["gowin"].inferred_blocks(bits, words) == larger


@pytest.mark.parametrize("name", BOARDS)
def test_presets_take_what_synthesis_has_counted(name):
    soc = soc_config(name, "eie")
    cells = json.loads(MEASURED.read_text())[name]["eie"]["cells"]
    blocks = eie_blocks(soc, board(name).device)
    assert blocks == {kind: cells.get(kind, 0) for kind in ("bram", "spram", "dsp")}
    assert over_capacity(blocks, board(name).device) == {}


def blocks(name: str, **fields) -> dict[str, int]:
    soc = soc_config(name, "eie", **fields)
    return eie_blocks(soc, board(name).device)


def test_what_each_memory_takes():
    """ECP5 block RAMs are 512 words of 36 bits, 1024 of 18 and so on; the engine has four PEs."""
    usual = blocks("ulx3s-25f")
    for fields, more in (
        ({"matrix_depth": 1025}, 4 * 4),
        ({"pointer_depth": 1025}, 4 * 1),
        ({"constant_depth": 513}, 4 * 1),
        ({"act_depth": 257}, 0),
        ({"act_depth": 513}, 4 * 2),
        ({"program_depth": 33}, 2),
        ({"depths": {"acts": 513}}, 2),
        ({"depths": {"outs": 513}}, 2),
        ({"word_width": 32}, -4 * 2),
    ):
        assert blocks("ulx3s-25f", **fields)["bram"] == usual["bram"] + more, fields
    # One multiplier for each PE.
    assert blocks("ulx3s-25f", n_pe=5)["dsp"] == 5
    # All four large RAMs, and a queue too deep for logic cells.
    assert blocks("icebreaker", matrix_depth=2**15)["spram"] == 4
    assert blocks("icebreaker", fifo_depth=20)["bram"] > blocks("icebreaker")["bram"]


def test_all_that_is_short():
    device = board("icebreaker").device
    assert over_capacity({"bram": 31, "spram": 4, "dsp": 9}, device) == {"bram": 31, "dsp": 9}
    assert over_capacity({"bram": 30, "spram": 5, "dsp": 8}, replace(device)) == {"spram": 5}
