"""Memories: the same contents, latency and enables on every family, in the intended blocks."""

import json
import subprocess
from typing import NamedTuple

import numpy as np
import pytest
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl import primitives
from tercet.rtl.common.ram import Ram, ram_blocks
from tercet.rtl.emit import shared, verilog, yosys_command
from tercet.sim import simulators
from tercet.sim.bench import Job, StreamPort, run


class Case(NamedTuple):
    family: str
    width: int
    depth: int
    exclusive: bool = False
    latency: int = 2


CELLS = ("DP16KD", "TRELLIS_DPR16X4", "TRELLIS_FF", "SB_SPRAM256KA", "SB_RAM40_4K", "SB_DFF")
# Cells after synthesis, by type.
RAMS = {
    Case("any", 64, 512): {},
    Case("any", 1, 1): {},
    Case("ecp5", 64, 512): {"DP16KD": 2},
    Case("ecp5", 36, 33): {"DP16KD": 1},
    Case("ecp5", 40, 600): {"DP16KD": 3},
    Case("ecp5", 20, 2000): {"DP16KD": 3},
    Case("ecp5", 14, 4096): {"DP16KD": 4},
    Case("ecp5", 3, 8192): {"DP16KD": 2},
    Case("ecp5", 2, 16384, exclusive=True): {"DP16KD": 2},
    Case("ecp5", 6, 16384 + 4000): {"DP16KD": 6 + 2, "TRELLIS_FF": 2},
    Case("ecp5", 3, 2 * 16384 + 20): {"DP16KD": 2 * 3, "TRELLIS_DPR16X4": 2, "TRELLIS_FF": 2 * 2 + 2 * 3},
    Case("ecp5", 20, 16): {"TRELLIS_DPR16X4": 5, "TRELLIS_FF": 2 * 20},
    Case("ecp5", 5, 32): {"TRELLIS_DPR16X4": 4, "TRELLIS_FF": 2 * 5},
    Case("ice40", 16, 16384, exclusive=True): {"SB_SPRAM256KA": 1, "SB_DFF": 16},
    Case("ice40", 24, 2000, exclusive=True): {"SB_SPRAM256KA": 2, "SB_DFF": 24},
    Case("ice40", 8, 16384 + 512, exclusive=True): {"SB_SPRAM256KA": 1, "SB_RAM40_4K": 1, "SB_DFF": 2 * 8 + 2},
    Case("ice40", 20, 1024, exclusive=True): {"SB_RAM40_4K": 5, "SB_DFF": 20},
    Case("ice40", 16, 2048): {"SB_RAM40_4K": 8, "SB_DFF": 16},
    Case("any", 12, 30, latency=1): {},
    Case("ecp5", 12, 32, latency=1): {"TRELLIS_DPR16X4": 6, "TRELLIS_FF": 12},
    Case("ice40", 24, 256, latency=1): {"SB_RAM40_4K": 2},
    Case("ice40", 16, 16383, exclusive=True, latency=1): {"SB_SPRAM256KA": 1},
    Case("ice40", 8, 16384 + 512, exclusive=True, latency=1): {"SB_SPRAM256KA": 1, "SB_RAM40_4K": 1, "SB_DFF": 1},
}


@pytest.mark.parametrize("case", RAMS, ids=str)
def test_blocks_are_known_before_synthesis(case):
    """Instantiated blocks are counted; all other memories are listed as left to synthesis."""
    blocks, rest = ram_blocks(width=case.width, depth=case.depth, family=case.family, exclusive=case.exclusive)
    cells = RAMS[case]
    assert blocks["bram"] == cells.get("DP16KD", 0)
    assert blocks["spram"] == cells.get("SB_SPRAM256KA", 0)
    assert bool(rest) == bool(case.family == "any" or {"SB_RAM40_4K", "TRELLIS_DPR16X4"} & set(cells))
    assert all(width == case.width for width, _ in rest)


ENABLES = ("read_enable", "out_enable", "write")


def inputs_of(shape):
    """Map members to their widths, in payload order."""
    address = max(1, (shape.depth - 1).bit_length())
    enables = dict.fromkeys(ENABLES, 1)
    return {**enables, "read_address": address, "write_address": address, "write_data": shape.width}


class Side(wiring.Component):
    """Memories side by side on one stream: `i` carries their inputs of a clock, `o` their read data in that clock."""

    def __init__(self, shapes):
        self.shapes = shapes
        self.i_width = sum(sum(inputs_of(shape).values()) for shape in shapes)
        self.o_width = sum(shape.width for shape in shapes)
        super().__init__({"i": In(stream.Signature(self.i_width)), "o": Out(stream.Signature(self.o_width))})

    def elaborate(self, platform):
        m = Module()
        first, outputs = 0, []
        for n, shape in enumerate(self.shapes):
            m.submodules[f"ram_{n}"] = ram = shared(Ram, **shape._asdict())
            for name, width in inputs_of(shape).items():
                value = self.i.payload[first : first + width]
                m.d.comb += getattr(ram, name).eq(value & self.i.valid if name in ENABLES else value)
                first += width
            # The latch is undefined until the first read.
            known = Signal(name=f"known_{n}")
            m.d.sync += known.eq(known | ram.read_enable)
            outputs.append(Mux(known, ram.read_data, 0))
        shown = Signal(self.o_width)
        valid = Signal()
        m.d.sync += [shown.eq(Cat(outputs)), valid.eq(self.i.valid)]
        m.d.comb += [self.i.ready.eq(1), self.o.valid.eq(valid), self.o.payload.eq(shown)]
        return m


def steps_of(rng, shape, count):
    """Random steps over a few addresses, both ends included, that never show undefined data except after a write."""
    depth = shape.depth
    addresses = sorted(
        {0, depth - 1, *(1 << n for n in range((depth - 1).bit_length())), *rng.integers(0, depth, 4).tolist()}
    )
    steps = {
        "read_enable": rng.random(count) < 0.6,
        "out_enable": rng.random(count) < 0.6,
        "write": rng.random(count) < 0.4,
        "read_address": rng.choice(addresses, count),
        "write_address": rng.choice(addresses, count),
        "write_data": np.array([rng.bytes(16) for _ in range(count)]),
    }
    if shape.exclusive:  # fill it first: its words may be undefined
        steps["write"][: len(addresses)], steps["write_address"][: len(addresses)] = True, addresses
        steps["read_enable"] &= ~steps["write"]
    steps["read_enable"] &= ~steps["write"] | (steps["read_address"] != steps["write_address"])
    steps["out_enable"][: steps["read_enable"].argmax() + 1] = False  # the latch is still empty
    steps = {name: values.tolist() for name, values in steps.items()}
    steps["write_data"] = [int.from_bytes(b, "little") % (1 << shape.width) for b in steps["write_data"]]
    return steps


def ref_ram(shape, steps):
    """Return the read data of each step, None where it is undefined."""
    words, latch, out, shown = {}, None, None, []
    for read_enable, out_enable, write, read_address, write_address, write_data in zip(*steps.values(), strict=True):
        shown.append(latch if shape.latency == 1 else out)
        if out_enable:
            out = latch
        if read_enable:
            latch = words.get(read_address, 0)
        if write:
            words[write_address] = write_data
            latch = None if shape.exclusive else latch
    return shown


def join(fields):
    """Join fields ``(value, width)`` to an integer, the first in the least significant bits."""
    word, first = 0, 0
    for value, width in fields:
        word |= int(value) << first
        first += width
    return word


def test_reads_what_was_written():
    rng = np.random.default_rng(0)
    count = 3000
    shapes = list(RAMS)
    side = Side(shapes)
    steps = [steps_of(rng, shape, count) for shape in shapes]
    text = verilog(side, name="side")
    sources = {"side.v": text, **{path.name: path.read_text() for path in primitives.used(text)}}
    assert {"DP16KD.v", "SB_SPRAM256KA.v"} < set(sources)
    i, o = StreamPort("i", side.i_width, "in"), StreamPort("o", side.o_width, "out")
    columns = [
        (s[name], width) for shape, s in zip(shapes, steps, strict=True) for name, width in inputs_of(shape).items()
    ]
    beats = [join((values[n], width) for values, width in columns).to_bytes(i.bytes, "little") for n in range(count)]
    job = Job({"i": np.frombuffer(b"".join(beats), np.uint8).reshape(count, -1)}, {"o": count})
    for simulator in (found.name for found in simulators.available() if found.simulator):
        (result,) = run(sources, "side", [i, o], [job], simulator=simulator)
        found = [int.from_bytes(beat.tobytes(), "little") for beat in result.outputs["o"]]
        first = 0
        for shape, step in zip(shapes, steps, strict=True):
            shown = ref_ram(shape, step)
            assert sum(word is not None for word in shown) > count // 3
            words = [word >> first & (1 << shape.width) - 1 for word in found]
            known = [None if word is None else mine for word, mine in zip(shown, words, strict=True)]
            assert known == shown, (simulator, shape)
            first += shape.width


@pytest.mark.parametrize(("family", "command"), [("ecp5", "synth_ecp5"), ("ice40", "synth_ice40 -device u")])
def test_synthesis_uses_the_blocks(tmp_path, family, command):
    shapes = [shape for shape in RAMS if shape.family == family]
    (tmp_path / "side.v").write_text(verilog(Side(shapes), name="side"))
    script = f"read_verilog side.v; {command} -top side -json side.json"
    subprocess.run([*yosys_command(), "-q", "-p", script], cwd=tmp_path, check=True)
    cells = json.loads((tmp_path / "side.json").read_text())["modules"]["side"]["cells"]
    for n, shape in enumerate(shapes):
        inside = [cell["type"] for name, cell in cells.items() if name.startswith(f"ram_{n}.")]
        counts = {kind: sum(name.startswith(kind) for name in inside) for kind in CELLS}
        assert {kind: count for kind, count in counts.items() if count} == RAMS[shape], shape


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"width": 0, "depth": 4}, "Memory width is 0; use at least 1"),
        ({"width": 4, "depth": 0}, "Memory depth is 0; use at least 1"),
        (
            {"width": 4, "depth": 4, "latency": 3},
            "Memory latency is 3 for 4 words on family 'any'; use 2, or 1 on any, on ice40",
        ),
        (
            {"width": 4, "depth": 33, "latency": 1, "family": "ecp5"},
            "latency is 1 for 33 words on family 'ecp5'; use 2, or .* up to 32 words on ecp5",
        ),
        (
            {"width": 4, "depth": 4000, "family": "ice40", "exclusive": True, "read_domain": "engine"},
            "Single-port memories have one clock",
        ),
        ({"width": 4, "depth": 4, "family": "ecp6"}, "Memory family 'ecp6' is unknown; use any, ecp5, ice40"),
    ],
)
def test_refuses(parameters, message):
    with pytest.raises(ValueError, match=message):
        Ram(**parameters)
