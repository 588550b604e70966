"""Memories of wide words: beats of 32 bits are written, whole words are read."""

import random

import pytest
from tercet.rtl.npu.memories import WordMemory

from .feed_forward import simulate_verilog

SHAPES = [(32, 40), (69, 16), (200, 600), (96, 1), (40, 1600), (64, 1060)]


def random_steps(memory, seed):
    """Write beats and read words at random; return the inputs of each clock and the words, None where undefined."""
    generator = random.Random(seed)
    words = [0] * memory.depth
    addresses = [0, memory.depth - 1, *(generator.randrange(memory.depth) for _ in range(4))]
    steps, shown, first, second = [], [], (None, 0), (None, 0)
    for _ in range(1500):
        read, write = generator.choice(addresses), generator.choice(addresses)
        beat, data = generator.randrange(memory.beats), generator.getrandbits(32)
        enable = generator.random() < 0.4
        # A write takes effect two clocks later.
        shown.append(None if read in (first[0], second[0]) else words[read])
        if first[0] is not None:
            address, mask, bits = first
            words[address] = words[address] & ~mask | bits
        if enable:
            mask = (0xFFFFFFFF << 32 * beat) & (1 << memory.width) - 1
            first, second = second, (write, mask, data << 32 * beat & mask)
        else:
            first, second = second, (None, 0)
        steps.append({"address": read, "write": enable, "write_address": write, "write_beat": beat, "write_data": data})
    return steps, shown


@pytest.mark.parametrize(("width", "depth"), SHAPES)
@pytest.mark.parametrize("family", ["any", "ecp5"])
def test_reads_what_was_written(width, depth, family):
    memory = WordMemory(width=width, depth=depth, family=family)
    assert memory.beats == -(-width // 32)
    steps, shown = random_steps(memory, width)
    found = simulate_verilog(memory, steps, "data", memory.latency)
    assert sum(word is not None and word != 0 for word in shown) > 300
    assert [None if word is None else mine for word, mine in zip(shown, found, strict=True)] == shown


def test_a_lost_write_enable_is_caught():
    memory = WordMemory(width=64, depth=40)
    steps, shown = random_steps(memory, 1)
    found = simulate_verilog(memory, steps, "data", memory.latency, (r"s1_write <= ", "s1_write <= 2'b01 & "))
    assert any(word is not None and word != mine for word, mine in zip(shown, found, strict=True))


@pytest.mark.parametrize(("width", "depth"), [(0, 4), (4, 0)])
def test_refuses(width, depth):
    with pytest.raises(ValueError, match="Memory (width|depth) is 0; use at least 1"):
        WordMemory(width=width, depth=depth)
