"""Boards: each is found in amaranth-boards, with a device that we know."""

import pytest
from tercet.boards.catalog import BOARDS, board


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_has_a_known_device(name):
    found = board(name)
    assert found.name == name
    assert found.device.family == ("ice40" if found.part.startswith("iCE40UP5K ") else "ecp5")


def test_devices():
    assert board("ulx3s-85f").device.name == "ecp5-85k"
    assert board("orangecrab-25f").device.name == "ecp5-25k"
    assert board("upduino-v3").device.name == "up5k"


def test_refuses():
    with pytest.raises(ValueError, match="Board 'basys3' is unknown; use one of icebreaker, upduino-v3"):
        board("basys3")
