"""Depthwise unit: passes over random pixels, with weights loaded as early as permitted."""

import random

import pytest
from tercet.golden.npu.config import NpuConfig
from tercet.golden.npu.latencies import depthwise_clocks
from tercet.rtl.npu.depthwise import DepthwiseUnit

from .unit_bench import joined, run_unit

SIZES = {
    # Two rows of lanes side by side.
    "1 tap": {"rows": 4, "cols": 18, "depthwise_taps": 1, "weight_rows": 1},
    "2 taps in 2 words": {"rows": 4, "cols": 3, "depthwise_taps": 2, "weight_rows": 1},
    "3 taps in a word of 4": {"rows": 4, "cols": 5, "depthwise_taps": 3, "weight_rows": 4},
    "4 taps in 2 words of 3": {"rows": 3, "cols": 4, "depthwise_taps": 4, "weight_rows": 3},
    "5 taps in 3 words of 2": {"rows": 2, "cols": 2, "depthwise_taps": 5, "weight_rows": 2},
}
EXTREME = (-128, -127, -1, 0, 1, 126, 127)


def codes(generator, count):
    return [generator.choice((generator.choice(EXTREME), generator.randrange(-128, 128))) for _ in range(count)]


def schedule(config, passes, seed, gaps):
    """Return the inputs of each clock.

    The loads of a pass begin in the clock of the previous pass's swap, and its first step follows the last load or the
    previous pass's last step, whichever is later; all plus random gaps.
    """
    generator = random.Random(seed)
    steps, loads, swaps = set(), {}, set()
    swap = clock = -1
    for _ in range(passes):
        load = max(swap, 0)
        for word in generator.sample(range(config.tap_words), config.tap_words):
            load += generator.choice(gaps)
            loads[load] = 1 << word
            load += 1
        swap = clock = max(load, clock + 1) + generator.choice(gaps)
        swaps.add(swap)
        for n in range(generator.randint(1, 7)):
            clock += generator.choice(gaps) + 1 if n else 0
            steps.add(clock)
    return [
        {
            "bytes": joined(codes(generator, config.cols), 8),
            "step": clock in steps,
            "swap": clock in swaps,
            "load": loads.get(clock, 0),
            "weights": joined(codes(generator, config.cols * config.weight_rows), 8),
        }
        for clock in range(clock + 1)
    ]


def signed_byte(word, index):
    return int.from_bytes(bytes([word >> 8 * index & 0xFF]), signed=True)


def ref_depthwise(config, clocks):
    """Return the sums of each step, None for other clocks."""
    taps, cols, rows = config.depthwise_taps, config.cols, config.weight_rows
    window, shadow, active = ([[0] * cols for _ in range(taps)] for _ in range(3))
    sums = []
    for inputs in clocks:
        if inputs["swap"]:
            active = list(shadow)
        for slot in range(taps):
            if inputs["load"] >> slot // rows & 1:
                shadow[slot] = [signed_byte(inputs["weights"], slot % rows * cols + col) for col in range(cols)]
        if inputs["step"]:
            window = [[signed_byte(inputs["bytes"], col) for col in range(cols)], *window][:taps]
            found = [sum(active[slot][col] * window[slot][col] for slot in range(taps)) for col in range(cols)]
            sums.append(joined(found, 16 + (taps - 1).bit_length()))
        else:
            sums.append(None)
    return sums


def check(through, config, clocks):
    unit = DepthwiseUnit(config=config)
    assert unit.latency == depthwise_clocks(config.depthwise_taps)
    sums = run_unit(through, unit, clocks, events=("step", "swap", "load"), output="sums", family=config.family)
    assert sums == ref_depthwise(config, clocks)


@pytest.mark.parametrize("gaps", [(0,), (0, 0, 0, 1, 5)], ids=["dense", "gaps"])
@pytest.mark.parametrize("mac", ["infer", "ecp5"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_passes(through, size, mac, gaps):
    """Inputs are random in clocks in which they must be ignored."""
    config = NpuConfig(**size, mac=mac)
    check(through, config, schedule(config, 100, seed=1, gaps=gaps))


@pytest.mark.parametrize("mac", ["infer", "ice40", "ecp5"])
def test_extremes(through, mac):
    """All pairs of an extreme code and an extreme weight, in all slots at once: the largest sums fit."""
    config = NpuConfig(rows=4, cols=2, depthwise_taps=4, weight_rows=4, mac=mac)
    idle = {"bytes": 0, "step": 0, "swap": 0, "load": 0, "weights": 0}
    clocks = []
    for weight in EXTREME:
        clocks.append({**idle, "load": 1, "weights": joined([weight] * 8, 8)})
        for code in EXTREME:
            step = {**idle, "bytes": joined([code, -1 - code], 8), "step": 1}
            clocks += [{**step, "swap": code == EXTREME[0] and n == 0} for n in range(4)]
    check(through, config, clocks)


def test_every_product(through):
    """All 65 536 products of the ECP5's carry cells."""
    config = NpuConfig(rows=2, cols=2, depthwise_taps=1, weight_rows=1, mac="ecp5")
    clocks = []
    for weight in range(-128, 128):
        # The weights of the next steps come with the last step of those before.
        inputs = {"load": 0, "swap": 0, "step": 1, "weights": joined([weight, -1 - weight], 8)}
        clocks.append({**inputs, "load": 1, "bytes": 0})
        clocks += [{**inputs, "swap": code == -128, "bytes": joined([code, -code], 8)} for code in range(-128, 128)]
    check(through, config, clocks)


def test_needs_taps():
    with pytest.raises(ValueError, match="depthwise_taps 0 omits the depthwise unit; use at least 1"):
        DepthwiseUnit(config=NpuConfig(rows=4, cols=4, depthwise_taps=0))
