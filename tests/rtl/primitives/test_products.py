"""The multiplier wrappers are exact, keep a loaded operand, and have the latency that they state."""

import functools
import json
import re
import subprocess

import numpy as np
import pytest
from tercet.rtl import emit
from tercet.rtl.primitives import used
from tercet.rtl.primitives.mult18x18d import Mult18x18D
from tercet.rtl.primitives.sb_mac16 import SbMac16, SbMac16Dual
from tercet.sim import bench
from tercet.sim.bench import Job, StreamPort
from tercet.sim.simulators import SimulatorNotFound, find

# Operands, least significant first, in addition to b_load; products; operand width.
PRODUCTS = {
    "mult18": (Mult18x18D, ["a", "b"], ["p"], 18),
    "mac16": (SbMac16, ["a", "b"], ["p"], 16),
    "mac16_2": (functools.partial(SbMac16, latency=2), ["a", "b"], ["p"], 16),
    "dual": (SbMac16Dual, ["a0", "a1", "b0", "b1"], ["p0", "p1"], 8),
}


@pytest.fixture(params=["verilator", "icarus"])
def simulator(request):
    try:
        return find(request.param)
    except SimulatorNotFound as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=list(PRODUCTS))
def product(request):
    """Name, operands, products, width and sources of a component between an input and an output stream."""
    name = request.param
    component, operands, products, width = PRODUCTS[name]
    dut = component()
    text = emit.verilog(dut, name=name)
    ports = [f".{clock}({clock})" for clock in ("clk", "rst") if re.search(rf"^  input {clock};", text, re.M)]
    ports += [f".{x}(i__payload[{n * width} +: {width}])" for n, x in enumerate(operands)]
    ports += [f".{x}(o__payload[{2 * n * width} +: {2 * width}])" for n, x in enumerate(products)]
    i_width, o_width, latency = len(operands) * width + 1, 2 * len(products) * width, dut.latency
    # Each beat leaves `latency` clocks after it enters.
    harness = f"""
module harness (input clk, input rst, input [{i_width - 1}:0] i__payload, input i__valid, output i__ready,
                output [{o_width - 1}:0] o__payload, output o__valid, input o__ready);
    reg [{latency - 1}:0] valid;
    always @(posedge clk) valid <= rst ? 0 : {{valid, i__valid}};
    assign i__ready = 1, o__valid = valid[{latency - 1}];
    {name} dut ({", ".join(ports)}, .b_load(i__payload[{i_width - 1}] & i__valid));
endmodule
"""
    sources = {"harness.v": harness, f"{name}.v": text, **{path.name: path.read_text() for path in used(text)}}
    return name, operands, products, width, sources


def simulate(product, simulator, operands, load):
    """Return the products as an int64 array (beats, products)."""
    _, names, products, width, sources = product
    words = np.stack([operands[name] for name in names], axis=1).astype(object) & (1 << width) - 1
    rows = [[*word, flag] for word, flag in zip(words, load, strict=True)]
    beats = [sum(int(x) << n * width for n, x in enumerate(row)) for row in rows]
    i_port = StreamPort("i", len(names) * width + 1, "in")
    o_port = StreamPort("o", 2 * width * len(products), "out")
    data = np.frombuffer(b"".join(beat.to_bytes(i_port.bytes, "little") for beat in beats), np.uint8)
    job = Job({"i": data.reshape(-1, i_port.bytes)}, {"o": len(beats)})
    (result,) = bench.run(sources, "harness", [i_port, o_port], [job], simulator=simulator)
    found = [int.from_bytes(beat.tobytes(), "little") for beat in result.outputs["o"]]
    raw = np.array([[beat >> 2 * width * n & (1 << 2 * width) - 1 for n in range(len(products))] for beat in found])
    return raw - (raw >> 2 * width - 1 << 2 * width)


def expected(product, operands, load):
    """Return each a times the b of the latest load, including the beat's own; 0 before the first."""
    _, names, products, *_ = product
    latest = np.maximum.accumulate(np.where(load, np.arange(len(load)), -1))
    columns = []
    for n in range(len(products)):
        a, b = operands[names[n]], operands[names[len(products) + n]]
        columns.append(a * np.where(latest >= 0, b[latest], 0))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("loads", ["every", "some"])
def test_products(product, simulator, loads):
    _, names, _, width, _ = product
    rng = np.random.default_rng(width)
    low, high = -(1 << width - 1), (1 << width - 1) - 1
    if width == 8:  # all pairs, the two products in different orders
        pairs = np.stack(np.meshgrid(np.arange(low, high + 1), np.arange(low, high + 1)), axis=-1).reshape(-1, 2)
        other = rng.permutation(pairs)
        operands = {"a0": pairs[:, 0], "b0": pairs[:, 1], "a1": other[:, 0], "b1": other[:, 1]}
    else:
        corners = [low, low + 1, -1, 0, 1, high - 1, high]
        pairs = np.array([(a, b) for a in corners for b in corners])
        pairs = np.concatenate([pairs, rng.integers(low, high + 1, (10_000, 2))])
        operands = {"a": pairs[:, 0], "b": pairs[:, 1]}
    load = np.ones(len(pairs), bool) if loads == "every" else rng.random(len(pairs)) < 0.2
    if loads == "some":
        load[:5] = False
    found = simulate(product, simulator, operands, load)
    np.testing.assert_array_equal(found, expected(product, operands, load))


@pytest.mark.parametrize(
    ("component", "cell", "command"),
    [
        (Mult18x18D, "MULT18X18D", "synth_ecp5"),
        (SbMac16, "SB_MAC16", "synth_ice40"),
        (functools.partial(SbMac16, latency=2), "SB_MAC16", "synth_ice40"),
        (SbMac16Dual, "SB_MAC16", "synth_ice40"),
    ],
)
def test_synthesis_takes_one_block(tmp_path, component, cell, command):
    (tmp_path / "dut.v").write_text(emit.verilog(component(), name="dut"))
    script = f"read_verilog dut.v; {command} -top dut -json dut.json"
    done = subprocess.run([*emit.yosys_command(), "-q", "-p", script], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    cells = json.loads((tmp_path / "dut.json").read_text())["modules"]["dut"]["cells"].values()
    types = [re.sub(r"^\$paramod.*\\\\", "", c["type"]) for c in cells if c["type"] != "$scopeinfo"]
    assert types.count(cell) == 1
    # The only other cell is the inverter of BHOLD.
    assert [t for t in types if t not in (cell, "SB_LUT4")] == []
    assert types.count("SB_LUT4") <= 1


def test_refuses():
    with pytest.raises(ValueError, match="Multiplier latency is 1; use 2 or 3"):
        SbMac16(latency=1)
