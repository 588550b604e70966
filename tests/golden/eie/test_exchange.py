"""Rows exchanged between PEs: the sum that exchanges lower, by plain loops, and the clocks that this saves."""

import numpy as np
import pytest
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.cycle_model import step_cycles
from tercet.golden.eie.exchange import exchange
from tercet.golden.eie.spread import deal

N_PE = 4


def random_codes(rng, shape, density):
    return (rng.integers(1, 16, shape) * (rng.random(shape) < density)).astype(np.uint8)


def cost_of(group, codes, often):
    """Expected square of one PE's work over stretches of 16 and 32 columns, and its work over all, in plain loops."""
    share, n_in = 0.43, codes.shape[1]
    held = [[int(codes[row, j] != 0) * round(256 * often[j]) for j in range(n_in)] for row in group if row >= 0]
    entries = [[int(codes[row, j] != 0) for j in range(n_in)] for row in group if row >= 0]
    work = [sum(row[j] for row in held) for j in range(n_in)]
    alike = [sum(row[j] for row in entries) for j in range(n_in)]
    cost = 0.0
    for length in (16, 32):
        step = length // 8
        for first in range(0, n_in - length + 1, step):
            cost += share * step / length * sum(work[first : first + length]) ** 2
        cost += 256 * (1 - share) * sum(w * a for w, a in zip(work, alike, strict=True))
    return cost + 300 / n_in * sum(work) ** 2


@pytest.mark.parametrize("weighted", [False, True])
def test_no_further_exchange_would_pay(weighted):
    """Exchanges end where no exchange of two rows lowers the sum, which is below that of the deal."""
    rng = np.random.default_rng(weighted)
    codes = random_codes(rng, (6 * N_PE - 1, 48), 0.3)
    often = rng.random(48) if weighted else np.ones(48)
    often = often / often.max()
    dealt = deal(codes, N_PE, 4, often)
    after = exchange(dealt, codes, often)
    before_costs, costs = ([cost_of(rows, codes, often) for rows in held.T] for held in (dealt, after))
    assert sum(costs) < sum(before_costs)
    for a in range(N_PE):
        for b in range(a):
            for i in range(len(after)):
                for j in range(len(after)):
                    one, other = after[:, a].copy(), after[:, b].copy()
                    one[i], other[j] = other[j], one[i]
                    # Costs of pairs are rounded to integers; at most 4 * 6 of them change.
                    change = cost_of(one, codes, often) + cost_of(other, codes, often) - costs[a] - costs[b]
                    assert change > -24


def test_an_exchange_swaps_the_turns_of_two_rows():
    """Two PEs have both rows of a half of the columns: one row of each half must change places."""
    codes = np.zeros((4, 64), np.uint8)
    codes[:2, :32] = codes[2:, 32:] = 1
    after = exchange(np.array([[0, 2], [1, 3]]), codes, np.ones(64))
    assert sorted(after.ravel()) == [0, 1, 2, 3]
    assert all(np.count_nonzero(rows < 2) == 1 for rows in after.T)
    assert np.count_nonzero(after == np.array([[0, 2], [1, 3]])) == 2


def test_pairs_of_too_many_rows_are_not_compared():
    dealt = np.arange(2**12).reshape(-1, 2)
    codes = np.zeros((2**12, 2**10), np.uint8)
    assert exchange(dealt, codes, np.ones(2**10)) is dealt


@pytest.mark.parametrize("seed", range(2))
def test_fewer_clocks_are_lost(seed):
    """A queue runs dry, or fills and stalls the others, less often than with the rows as dealt."""
    rng = np.random.default_rng(seed)
    codes = random_codes(rng, (250, 1024), 0.25)
    config = EieConfig(n_pe=16, pointer_depth=2048)
    acts = (rng.random((4, 1024)) < 0.43).astype(np.int16)
    dealt = deal(codes, 16, 4, np.ones(1024))

    def lost(held):
        counts = np.stack([(codes[rows[rows >= 0]] != 0).sum(axis=0) for rows in held.T], axis=1)
        found = [step_cycles(config, counts, np.zeros_like(counts), vector, 16, False) for vector in acts]
        return sum(one.total - one.busy / 16 for one in found)

    assert lost(exchange(dealt, codes, np.ones(1024))) < 0.85 * lost(dealt)
