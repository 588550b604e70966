"""SoC configurations: validation, and round trips of the description."""

import dataclasses
import json
import zlib

import pytest
from tercet.boards.host.protocol import IDENTIFY_BYTES
from tercet.boards.host.soc_config import SocConfig, describe, description_bytes, read_description
from tercet.golden.tensorcore.config import TensorCoreConfig

from ..socs import CONFIGS, TWO_CLOCKS, soc_of

# Protocol, bytes of the text, hash of the build.
HEAD = 1 + 2 + 8


@pytest.mark.parametrize("name", CONFIGS)
def test_describes_itself(name):
    soc = soc_of(name, board="ulx3s-85f")
    text = describe(soc, "module engine; endmodule")
    assert len(text) % IDENTIFY_BYTES == 0
    assert description_bytes(text[:IDENTIFY_BYTES]) <= len(text)
    found = read_description(text)
    assert found.soc == soc
    assert len(bytes.fromhex(found.build)) == 8


def test_describes_two_clocks():
    """A board with one clock is described as before there were two."""
    assert read_description(describe(TWO_CLOCKS, "")).soc == TWO_CLOCKS
    assert (TWO_CLOCKS.uart_hz, TWO_CLOCKS.clock_hz) == (50_000_000, 140_000_000)
    texts = (zlib.decompress(describe(soc, "")[HEAD:]) for soc in (TWO_CLOCKS, soc_of("systolic")))
    assert [b"link_hz" in text for text in texts] == [True, False]


def floored(**fields):
    """Return a configuration with an output format that has an exponent floor by default."""
    config = TensorCoreConfig(m=2, n=2, l=2, fold=4, pipeline=5, out_format="fp16", **fields)
    return dataclasses.replace(soc_of("tensorcore"), config=config)


@pytest.mark.parametrize("fields", [{}, {"min_exponent": None}, {"min_exponent": -21}])
def test_describes_the_floor(fields):
    soc = floored(**fields)
    assert read_description(describe(soc, "")).soc == soc


def test_descriptions_that_predate_the_floor(monkeypatch):
    """They do not name it, and their engines have none, whatever the current default."""
    soc = floored()
    assert soc.config.min_exponent == -19
    older = {name: value for name, value in soc.params.items() if name != "min_exponent"}
    monkeypatch.setattr(SocConfig, "params", older)
    assert read_description(describe(soc, "")).soc == floored(min_exponent=None)
    # A config without a floor is still described as before.
    monkeypatch.undo()
    assert "min_exponent" not in floored(min_exponent=None).params
    assert "min_exponent" not in soc_of("tensorcore").params


def test_the_build_is_of_the_gateware():
    """Different Verilog gives a different build; a different description of the same Verilog does not."""
    soc = soc_of("systolic")
    renamed = dataclasses.replace(soc, board="another")
    builds = [read_description(describe(*each)).build for each in ((soc, "a"), (soc, "b"), (renamed, "a"))]
    assert builds[0] != builds[1]
    assert builds[0] == builds[2]
    assert read_description(describe(renamed, "a")).soc == renamed


def test_other_protocols():
    text = describe(soc_of("systolic"), "")
    with pytest.raises(ValueError, match="The board speaks protocol 9, this host 2; build its bitstream again"):
        read_description(b"\x09" + text[1:])
    with pytest.raises(ValueError, match="description cannot be read"):
        read_description(text[:20] + b"\xff" * 8 + text[28:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda fields: fields.update(clock=fields.pop("clock_hz")),
            "has unknown name 'clock' .* lacks clock_hz; use engine, ",
        ),
        (lambda fields: fields.pop("board"), "lacks board; use engine, config, depths, "),
        (lambda fields: fields.update(clock_hz=24e6), "clock_hz 24000000.0 is not an integer"),
        (lambda fields: fields["depths"].update(acts=64.5), "buffer of acts 64.5 is not an integer"),
        (lambda fields: fields.update(depths=[1, 2]), "cannot convert dictionary"),
        (lambda fields: fields["config"].update(size=3), "unexpected keyword argument 'size'"),
        (lambda fields: fields["config"].update(rows="4"), "rows '4' is not an integer"),
    ],
)
def test_descriptions_of_something_else(change, message):
    """Unknown or missing names and non-integers are rejected."""
    text = describe(soc_of("systolic"), "")
    size = description_bytes(text)
    fields = json.loads(zlib.decompress(text[HEAD:size]))
    change(fields)
    packed = zlib.compress(json.dumps(fields).encode())
    changed = text[:1] + len(packed).to_bytes(2, "little") + text[3:HEAD] + packed
    with pytest.raises(ValueError, match=rf"description cannot be read \(.*{message}.*\); build its bitstream again$"):
        read_description(changed)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"engine": "gpu"}, ValueError, "Engine 'gpu' is unknown; use one of systolic, eie, tensorcore"),
        ({"config": CONFIGS["eie"]}, TypeError, "use a SystolicConfig"),
        ({"depths": (("acts", 3),)}, ValueError, "give those of commands, acts, weights, params, sums, outs"),
        ({"depths": tuple((name, 1) for name, _ in soc_of("systolic").depths)}, ValueError, "commands has 1 words"),
        ({"baud": 6_000_001}, ValueError, "use at most 6000000"),
        ({"baud": 0}, ValueError, "Baud 0"),
        ({"baud": 9600.0}, TypeError, "baud 9600.0 is not an integer"),
        ({"link_hz": 8_000_000}, ValueError, "Baud 3000000 at a clock of 8000000 Hz; use at most 2000000"),
        ({"link_hz": 5e7}, TypeError, "link_hz 50000000.0 is not an integer"),
        (
            {"link_hz": 50_000_000, "config": dataclasses.replace(CONFIGS["systolic"], mac="ice40")},
            ValueError,
            "RAMs of family 'ice40' have one clock",
        ),
        ({"frame_bytes": 500}, ValueError, "Frames have 500 bytes; use a power of 2 from 128 to 32768"),
    ],
)
def test_rejects(fields, error, message):
    with pytest.raises(error, match=message):
        dataclasses.replace(soc_of("systolic"), **fields)
