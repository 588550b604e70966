"""The cycle model against queues stepped cycle by cycle; its equality with the RTL is tested in tests/sim."""

import itertools
from collections import deque

import numpy as np
import pytest
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.cycle_model import EieCycles
from tercet.golden.eie.encoding import cycles, encode, network_cycles
from tercet.golden.eie.product import spmv

CODEBOOK = np.arange(16, dtype=np.int16)


def random_layer(rng: np.random.Generator, config: EieConfig, n_out: int, n_in: int, density: float):
    codes = rng.integers(1, 16, (n_out, n_in)) * (rng.random((n_out, n_in)) < density)
    return encode(codes.astype(np.uint8), CODEBOOK, config)


def random_acts(rng: np.random.Generator, n_in: int, density: float) -> np.ndarray:
    return (rng.integers(-100, 0, n_in) * (rng.random(n_in) < density)).astype(np.int16)


def stepped(config: EieConfig, counts: np.ndarray, acts: np.ndarray) -> tuple[int, int]:
    """Cycle in which the last PE is done, and stall cycles, by stepping tokens, slice, broadcast and queues."""
    n_pe, hops, timing = config.n_pe, config.tree_clocks, config.timing
    tokens: deque = deque()
    for start in range(0, len(acts), n_pe):
        columns = [j for j in range(start, min(start + n_pe, len(acts))) if acts[j]]
        last = start + n_pe >= len(acts)
        tokens += [(j, last and j == columns[-1]) for j in columns] or [(None, last)]
    held: deque = deque()  # in the register slice
    cast: dict[int, tuple] = {}  # by cycle of arrival
    full = deque([False] * hops)  # in flight to the root
    queues: list[deque] = [deque() for _ in range(n_pe)]
    level = [0] * n_pe
    leaving = [deque([0]) for _ in range(n_pe)]
    free, done = [0] * n_pe, [0] * n_pe
    stall = 0
    for clock in itertools.count():
        full.append(any(one > config.fifo_depth + (not config.shallow) for one in level))
        # The root sends a column, and a token enters the slice if there was room in the previous cycle.
        room = len(held) < 2
        wait = full.popleft()
        if held and wait:
            stall += 1
        elif held:
            cast[clock + hops] = held.popleft()
        if room and tokens and clock >= hops + config.tree_levels * timing.node + timing.scan:
            j, end = tokens.popleft()
            if j is not None or end:
                held.append((j, end))
        # Arrivals count in the next cycle, departures one cycle later.
        arrived = cast.pop(clock, None)
        for k in range(n_pe):
            left = 0
            if arrived:
                queues[k].append((clock + timing.pointers, *arrived))
            for item in [i for i in queues[k] if i[0] == clock and not i[2] and not counts[i[1], k]]:
                queues[k].remove(item)
                left += 1
            if queues[k] and queues[k][0][0] + timing.queue <= clock and free[k] <= clock:
                _, j, end = queues[k].popleft()
                left += 1
                free[k] = clock + max(1, counts[j, k] if j is not None else 0)
                done[k] = free[k] + 1 if end else 0
            leaving[k].append(left)
        level = [one + bool(arrived) - gone.popleft() for one, gone in zip(level, leaving, strict=True)]
        if all(done):
            return max(done), stall
    raise AssertionError


@pytest.mark.parametrize("density", [0.0, 0.05, 0.3, 1.0])
@pytest.mark.parametrize(
    "config",
    [
        EieConfig(n_pe=1, fifo_depth=1),
        EieConfig(n_pe=3, fifo_depth=2),
        EieConfig(n_pe=5, fifo_depth=3),
        EieConfig(n_pe=21, fifo_depth=1),
        EieConfig(n_pe=4, fifo_depth=20, matrix_depth=4096),
        EieConfig(n_pe=4, fifo_depth=1, family="ice40"),
        EieConfig(n_pe=6, fifo_depth=9, family="ice40"),
    ],
    ids=lambda config: f"{config.n_pe}-{config.fifo_depth}-{config.family}",
)
def test_queues_by_the_clock(config, density):
    rng = np.random.default_rng(int(100 * density))
    for n_in in (1, config.n_pe, 60, 150):
        layer = random_layer(rng, config, 40, n_in, density)
        counts = np.stack([np.diff(p) for p in layer.pointers], axis=1)
        for used in (0.0, 0.1, 0.6, 1.0):
            acts = random_acts(rng, n_in, used)
            done, stall = stepped(config, counts, acts)
            model = cycles(layer, acts)
            after = config.tree_clocks + 1 + config.drain_clocks + max(r.size for r in layer.rows)
            assert (model.total, model.stall) == (1 + config.timing.step + done + after + config.settle_clocks, stall)
            busy = int(counts[acts != 0].sum())
            assert (model.busy, model.starve) == (busy, config.n_pe * model.total - busy)


def test_fillers_are_counted_where_they_are_used():
    config = EieConfig(n_pe=1, index_bits=2)
    codes = np.zeros((20, 3), np.uint8)
    codes[19] = 1
    layer = encode(codes, CODEBOOK, config)
    model = cycles(layer, np.array([5, 0, -5], np.int16))
    assert (layer.fillers, model.filler, model.busy) == (12, 8, 10)
    assert model.efficiency == 10 / model.total


def test_sums():
    """A batch, and a chain of layers: sweeping a layer also loads the next one's biases."""
    config = EieConfig(n_pe=2)
    rng = np.random.default_rng(0)
    layers = [random_layer(rng, config, n_out, n_in, 0.5) for n_in, n_out in ((9, 4), (4, 30))]
    acts = np.stack([random_acts(rng, 9, 0.5) for _ in range(3)])
    one = [cycles(layers[0], vector) for vector in acts]
    total = cycles(layers[0], acts)
    assert total == sum(one, EieCycles(0, 0, 0, 0, 0))
    network = network_cycles(layers, acts)
    alone = network_cycles(layers[1:], np.stack([spmv(layers[0], vector) for vector in acts]))
    # 15 rows of the second layer instead of 2 of the first.
    assert network.total == total.total + alone.total + 3 * 13
    assert network.busy == total.busy + alone.busy


@pytest.mark.parametrize("family", ["any", "ice40"])
def test_long_vectors_are_steps(family):
    """Long vectors are split to fit the source buffers; parts after the first start sooner, after their loads."""
    config = EieConfig(n_pe=2, act_depth=10, family=family)
    timing = config.timing
    layer = random_layer(np.random.default_rng(0), config, 20, 25, 0.0)
    settle = 10 + config.settle_clocks
    # Token; slice and broadcast tree; PE queue; return tree.
    part = timing.hop + timing.node + timing.scan + 1 + timing.hop + timing.pointers + timing.queue + 1 + 1
    part += timing.hop + 1 + config.drain_clocks
    begin = 1 + timing.step
    assert cycles(layer, np.zeros(25, np.int16)).total == (begin + part + 9) + (1 + part + 2) + settle
    assert config.settle_clocks == timing.hop + timing.sweep + timing.writeback
