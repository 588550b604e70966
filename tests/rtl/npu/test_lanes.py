"""Lanes against the golden requantisation: biases, scales and settings change from tile to tile and layer to layer."""

import itertools

import numpy as np
import pytest
from tercet.golden.npu.config import NpuConfig
from tercet.golden.npu.latencies import LANE_CLOCKS
from tercet.golden.numerics.requantization import ROUNDINGS, requantize
from tercet.rtl.npu.lanes import Lanes

from .feed_forward import simulate_verilog, split
from .unit_bench import joined

CASES = {
    "infer, three chunks": {"rows": 4, "cols": 5, "requant_lanes": 2},
    "infer, one chunk": {"rows": 4, "cols": 3, "requant_lanes": 3},
    "ecp5, two chunks": {"rows": 4, "cols": 4, "requant_lanes": 2, "mac": "ecp5"},
    "ice40, two chunks": {"rows": 4, "cols": 2, "requant_lanes": 1, "mac": "ice40"},
}
ROWS, TILES, LAYERS = 40, 4, 12
STORED = 2  # clocks from a write to the first row that may use it
READ = 5  # clocks from the last row of a slot to the first write that may replace its parameters


def random_sums(rng, bits, product):
    """Return sums of up to `bits` per column and their values before the bias, or of two factors and their products."""
    if product:
        shape = ROWS, len(bits)
        factors = rng.integers(-256, 256, (2, *shape))
        corners = rng.choice([-256, 255, 0, -1], (2, *shape))
        factors = np.where(rng.random((2, *shape)) < 0.2, corners, factors)
        return (factors[1] << 9) + factors[0] % 512, factors[0] * factors[1]
    sums = rng.integers(-(2**31), 2**31, (ROWS, len(bits))) >> 32 - bits
    return sums, sums


def random_tile(rng, config, *, product, common, settings):
    """Return parameter entries of the columns, rows of sums, and the expected codes."""
    shape = 1 if common else config.cols
    bits = np.full(shape, 17) if product else rng.integers(8, 33, shape)
    bias = rng.integers(-(2**31), 2**31, shape) >> 32 - bits
    # Most results lie within the range of a code, or not far beyond.
    multiplier, shift = rng.integers(2**30, 2**31, shape), 8 - bits + rng.integers(-2, 2, shape)
    sums, values = random_sums(rng, np.broadcast_to(bits, config.cols), product)
    totals = (values + bias + 2**31) % 2**32 - 2**31
    codes = requantize(
        totals, np.broadcast_to(multiplier, config.cols), np.broadcast_to(shift, config.cols), **settings
    )
    entries = [
        int(b) % 2**32 | int(m) << 32 | int(s) % 64 << 63 for b, m, s in zip(bias, multiplier, shift, strict=True)
    ]
    return entries, sums, codes


def layer_steps(rng, config, number):
    """Return the steps of a layer and, by step, the columns of its chunk and their codes."""
    product, common = number % 2, number // 2 % 2
    qmin, qmax = int(rng.integers(-128, -40)), int(rng.integers(40, 128))
    settings = {"zero_point": int(rng.integers(-60, 60)), "qmin": qmin, "qmax": qmax}
    rounding = int(rng.integers(3))
    golden = {**settings, "rounding": ROUNDINGS[rounding]}
    stable = {**settings, "rounding": rounding, "product": product, "common": common}
    tiles = [random_tile(rng, config, product=product, common=common, settings=golden) for _ in range(TILES)]
    steps, expected = [], {}
    # The parameters of a tile are written in any order while the rows of the one before are read.
    for slot, (tile, before) in enumerate(zip([*tiles, None], [None, *tiles], strict=True)):
        reads = [(row, chunk) for row in range(ROWS) for chunk in range(config.chunks)] if before else []
        _, read_sums, read_codes = before or (None, np.zeros((1, config.cols), int), np.zeros(0))
        writes = [*enumerate(tile[0])] if tile else []
        rng.shuffle(writes)
        for n in range(max(len(reads), len(writes)) + max(STORED, READ)):
            column, entry = writes[n] if n < len(writes) else (int(rng.integers(config.cols)), 0)
            row, chunk = reads[n] if n < len(reads) else (0, 0)
            if n < len(reads):
                columns = range(chunk * config.lanes, min(config.cols, (chunk + 1) * config.lanes))
                expected[len(steps)] = read_codes[row, columns].tolist()
            steps.append(
                {
                    "params": entry,
                    "params_write": n < len(writes),
                    "params_slot": slot % 2,
                    "params_column": column,
                    "params_all": common,
                    "row": joined(read_sums[row], 32),
                    "chunk": chunk,
                    "slot": (slot - 1) % 2,
                    **stable,
                }
            )
    idle = {**steps[-1], "params_write": 0}
    return steps + [idle] * LANE_CLOCKS[config.mac], expected


def run(config, edit=None):
    rng = np.random.default_rng(config.cols)
    steps, expected = [], {}
    for number in range(LAYERS):
        more, codes = layer_steps(rng, config, number)
        expected |= {len(steps) + clock: row for clock, row in codes.items()}
        steps += more
    # Chunk and slot come a clock before the row.
    early = [{**step, "chunk": after["chunk"], "slot": after["slot"]} for step, after in itertools.pairwise(steps)]
    lanes = Lanes(config=config)
    assert lanes.latency == LANE_CLOCKS[config.mac]
    found = simulate_verilog(lanes, [*early, steps[-1]], "o", lanes.latency, edit)
    return {clock: split(found[clock], 8, len(codes)) for clock, codes in expected.items()}, expected


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_lanes(case):
    found, expected = run(NpuConfig(**case))
    assert np.unique(np.concatenate(list(expected.values()))).size > 200
    assert found == expected


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"s2_sign <= ", "s2_sign <= 1 + "),
        (r"\bacc <= ", "acc <= 256 + "),
        (r"params_write \?", "params_write & ~params_all ?"),
        (r"scales\[read_port__addr__\d+\]", "scales[0]"),
    ],
)
def test_broken_rtl_is_caught(pattern, replacement):
    found, expected = run(NpuConfig(**CASES["ecp5, two chunks"]), (pattern, replacement))
    assert found != expected
