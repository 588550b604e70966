"""Boards: FPGA, clock, link and programmer of each, and presets within its capacity."""

import pytest
from tercet.boards.catalog import BOARDS, LINK_HZ, board, soc_config
from tercet.golden.eie.config import EieConfig
from tercet.golden.engines import MODELS as ENGINES

# From the boards' documentation: FPGA, MHz of the oscillator, pins of the UART.
EXPECTED = {
    "icebreaker": ("iCE40UP5K SG48", "up5k", 12, ("6", "9")),
    "ulx3s-12f": ("LFE5U-12F BG381", "ecp5-25k", 25, ("M1", "L4")),
    "ulx3s-25f": ("LFE5U-25F BG381", "ecp5-25k", 25, ("M1", "L4")),
    "ulx3s-45f": ("LFE5U-45F BG381", "ecp5-45k", 25, ("M1", "L4")),
    "ulx3s-85f": ("LFE5U-85F BG381", "ecp5-85k", 25, ("M1", "L4")),
    "orangecrab-25f": ("LFE5U-25F MG285", "ecp5-25k", 48, ("N17", "M18")),
    "orangecrab-85f": ("LFE5U-85F MG285", "ecp5-85k", 48, ("N17", "M18")),
    "colorlight-i5": ("LFE5U-25F BG381", "ecp5-25k", 25, ("H18", "J17")),
    "colorlight-5a75b": ("LFE5U-25F BG256", "ecp5-25k", 25, ("M13", "P11")),
    "ecpix5-45f": ("LFE5UM5G-45F BG554", "ecp5-45k", 100, ("R26", "R24")),
    "ecpix5-85f": ("LFE5UM5G-85F BG554", "ecp5-85k", 100, ("R26", "R24")),
    "icepi-zero": ("LFE5U-25F BG256", "ecp5-25k", 50, ("K16", "K15")),
    "tang-nano-9k": ("GW1NR-LV9QN88PC6/I5", "gw1nr-9c", 27, ("18", "17")),
}
# Word width of a block RAM by depth; iCE40 has no parity bits.
WIDTHS = {
    "ecp5": {512: 36, 1024: 18, 2048: 9, 4096: 4, 8192: 2, 16384: 1},
    "ice40": {256: 16, 512: 8, 1024: 4},
    "gowin": {512: 36, 1024: 18, 2048: 9, 4096: 4, 8192: 2, 16384: 1},
}


def test_all_are_there():
    assert set(BOARDS) == set(EXPECTED)


@pytest.mark.parametrize("name", BOARDS)
def test_board(name):
    found = board(name)
    assert (found.part, found.device.name, found.clock_hz / 1e6, found.uart) == EXPECTED[name]
    assert found.name == name
    assert found.link == "USB" or "adapter" in found.link
    assert found.programmer.arguments or found.programmer.cable
    assert found.nextpnr in ("nextpnr-ecp5", "nextpnr-ice40", "nextpnr-himbaechel")


def test_memory():
    assert board("icebreaker").memory_bytes == 30 * 512 + 4 * 32768
    assert board("ulx3s-85f").memory_bytes == 208 * 2304
    assert board("tang-nano-9k").memory_bytes == 26 * 2304


PRESETS = [(name, engine) for name in BOARDS for engine in board(name).presets]


@pytest.mark.parametrize(("name", "engine"), PRESETS, ids=["-".join(each) for each in PRESETS])
def test_presets(name, engine):
    """Each preset is a complete SoC with the family's blocks, and its buffers leave room for the rest."""
    found, preset = board(name), board(name).presets[engine]
    soc = soc_config(name, engine)
    assert (soc.board, soc.engine, soc.clock_hz) == (name, engine, preset.clock_hz)
    assert dict(soc.depths) == preset.depths
    assert soc.baud <= 3_000_000
    assert soc.frame_bytes == (2048 if found.device.family == "ecp5" else 512)
    assert soc.family == (found.device.family if found.device.family != "gowin" else "any")
    # On iCE40, buffers of more than 1024 words use large RAMs of 16384 by 16 bits.
    large = 1024 if found.device.family == "ice40" else 2**24
    blocks = spram = 0
    for port in ENGINES[engine].streams(soc.config):
        words = preset.depths[port.name]
        if words > large:
            spram += -(-words // 16384) * -(-port.width // 16)
        else:
            width = next(bits for depth, bits in WIDTHS[found.device.family].items() if words <= depth)
            blocks += -(-port.width // width)
    assert blocks < 0.75 * found.device.capacity["bram"]
    assert spram <= found.device.capacity["spram"]


def test_every_engine_is_somewhere():
    for engine in ENGINES:
        assert sum(engine in board(name).presets for name in BOARDS) > 10


def test_overrides():
    soc = soc_config(
        "ulx3s-25f", "systolic", rows=2, clock_hz=61_000_000, baud=1000, depths={"acts": 64}, frame_bytes=256
    )
    assert (soc.config.rows, soc.config.cols, soc.config.mac) == (2, 4, "ecp5")
    assert (soc.clock_hz, soc.baud, soc.frame_bytes) == (60_714_286, 1000, 256)
    assert dict(soc.depths)["acts"] == 64
    assert dict(soc.depths)["outs"] == board("ulx3s-25f").presets["systolic"].depths["outs"]
    config = EieConfig(n_pe=1, family="ecp5")
    assert soc_config("icepi-zero", "eie", config=config).config is config


def test_streams_follow_the_config():
    assert "outs" not in dict(soc_config("ulx3s-25f", "systolic", requant_lanes=0).depths)
    preset = board("icebreaker").presets["systolic"]
    assert list(dict(soc_config("icebreaker", "systolic").depths)) == list(preset.depths)
    assert dict(soc_config("icebreaker", "systolic", requant_lanes=1).depths)["outs"] == 256


@pytest.mark.parametrize(
    ("name", "engine", "options", "message"),
    [
        ("basys3", "eie", {}, "Board 'basys3' is unknown; use one of icebreaker, ulx3s-12f"),
        ("icebreaker", "tpu", {}, "Engine 'tpu' is unknown"),
        ("icebreaker", "eie", {"depths": {"x": 4}}, "Engine eie has no stream 'x'; it has frames, acts, outs"),
        ("icebreaker", "eie", {"depths": {"acts": 1}}, "Buffer of acts has 1 words"),
        ("icebreaker", "eie", {"clock_hz": 300_000_000}, "not 300 MHz; the nearest is 270 MHz"),
        ("icebreaker", "eie", {"baud": 9_000_000}, "Baud 9000000 at a clock of 33000000 Hz; use at most 8250000"),
        ("icebreaker", "eie", {"n_pe": 0}, "n_pe 0 is outside"),
    ],
)
def test_refuses(name, engine, options, message):
    with pytest.raises(ValueError, match=message):
        soc_config(name, engine, **options)


def test_an_engine_that_does_not_fit(monkeypatch):
    monkeypatch.setattr(type(ENGINES["tensorcore"]), "board_presets", {})
    found = board("tang-nano-9k")
    with pytest.raises(ValueError, match="tensorcore does not fit tang-nano-9k; use systolic or eie, or"):
        found.preset("tensorcore")


def test_clock_of_the_link():
    """Only ECP5 has one of its own, beside an engine faster than a link needs to be; its PLL makes both."""
    for name in BOARDS:
        found = board(name)
        for engine, preset in found.presets.items():
            soc = soc_config(name, engine)
            two = found.device.family == "ecp5" and preset.clock_hz > LINK_HZ[1]
            assert soc.two_clocks == two
            if two:
                settings = found.pll(soc.clock_hz, link=True)
                assert settings is not None
                assert settings.second_hz is not None
                assert soc.link_hz is not None
                assert LINK_HZ[0] <= soc.link_hz <= LINK_HZ[1]
                assert 0 <= soc.link_hz - settings.second_hz < 1
                assert 0 <= soc.clock_hz - settings.output_hz < 1
    assert soc_config("ulx3s-25f", "systolic", clock_hz=60_000_000).link_hz is None
    # The oscillator's own frequency takes a PLL, too, if the link needs it.
    assert board("ecpix5-45f").clock_hz == 100_000_000
    assert board("ecpix5-45f").pll(100_000_000) is None
    assert board("ecpix5-45f").link_hz(100_000_000) == 60_000_000
