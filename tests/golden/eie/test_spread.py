"""Rows assigned for equal work in every stretch of columns: each round of the deal against all deals, with costs by
plain loops; exchanges in `test_exchange`."""

import itertools

import numpy as np
import pytest
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.cycle_model import EieCycles
from tercet.golden.eie.encoding import cycles, encode
from tercet.golden.eie.spread import deal

CODEBOOK = np.arange(16, dtype=np.int16)


def random_codes(rng, shape, density):
    return (rng.integers(1, 16, shape) * (rng.random(shape) < density)).astype(np.uint8)


def ref_work(codes, held, index_bits):
    """Entries of one PE, including fillers, and zero rows since the last entry, per column."""
    work, run = [0] * codes.shape[1], [0] * codes.shape[1]
    for j in range(codes.shape[1]):
        for i in held:
            run[j] += 1
            if codes[i, j]:
                work[j] += (run[j] - 1) // 2**index_bits + 1
                run[j] = 0
    return work, run


def ref_costs(codes, held, rows, index_bits, often):
    """Cost of each row on each PE when the PEs hold `held`, in steps of 1 / 256."""
    n_in = codes.shape[1]
    works, runs = zip(*(ref_work(codes, one, index_bits) for one in held), strict=True)
    height = []
    for work in works:
        used = [w * f for w, f in zip(work, often, strict=True)]
        near = [sum(used[max(0, j - 16) : j + 17]) / 33 for j in range(n_in)]
        height.append([near[j] + 10 * sum(used) / n_in for j in range(n_in)])
    mean = [sum(column) / len(held) for column in zip(*height, strict=True)]
    return [
        [
            sum(
                round(256 * often[j] * (runs[k][j] // 2**index_bits + 1) * (height[k][j] - mean[j]))
                for j in range(n_in)
                if codes[row, j]
            )
            for k in range(len(held))
        ]
        for row in rows
    ]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("index_bits", [2, 4])
@pytest.mark.parametrize("n_pe", [2, 3, 4])
def test_every_round_is_dealt_as_costs_least(n_pe, index_bits, weighted):
    rng = np.random.default_rng(10 * n_pe + index_bits)
    n_out, n_in = 13 * n_pe - 1, 60
    codes = random_codes(rng, (n_out, n_in), np.where(np.arange(n_in) % 3, 0.12, 0.5))
    codes[rng.integers(n_out, size=2)] = 0
    codes[:, 7] = 0
    often = rng.random(n_in) * (np.arange(n_in) % 5 > 0) if weighted else np.ones(n_in)
    often = often / often.max()
    rounds = deal(codes, n_pe, index_bits, often)
    held = [[] for _ in range(n_pe)]
    loads = [sum(often[j] for j in range(n_in) if row[j]) for row in codes]
    left = sorted(range(n_out), key=lambda i: (-loads[i], i))
    decided = 0
    for dealt in rounds:
        rows, left = left[:n_pe], left[n_pe:]
        places = {int(row): k for k, row in enumerate(dealt) if row >= 0}
        assert sorted(places) == sorted(rows)
        costs = ref_costs(codes, held, rows, index_bits, often)
        deals = [
            sum(costs[n][k] for n, k in enumerate(deal)) for deal in itertools.permutations(range(n_pe), len(rows))
        ]
        # float32 may round a few entries to the next step.
        assert sum(costs[n][places[row]] for n, row in enumerate(rows)) <= min(deals) + 2
        decided += max(deals) > min(deals) + 10
        for row, k in places.items():
            held[k].append(row)
    assert not left
    works = [sum(ref_work(codes, rows, index_bits)[0]) for rows in held]
    assert (sum(works) > np.count_nonzero(codes)) == (index_bits == 2)
    # The choice mattered in most rounds.
    assert decided >= 8


def beyond(found: EieCycles, n_pe: int) -> float:
    """Clock cycles beyond the ideal of all PEs always busy."""
    return found.total - found.busy / n_pe


@pytest.mark.parametrize("seed", range(3))
def test_queues_run_dry_less_often(seed):
    """Rows with equal total work lose cycles where a PE's columns are short for a while."""
    rng = np.random.default_rng(seed)
    codes = random_codes(rng, (1024, 512), 0.05)
    config = EieConfig(n_pe=16, fifo_depth=8)
    acts = np.ones(512, np.int16)
    balanced, spread = (
        beyond(cycles(encode(codes, CODEBOOK, config, permute=how), acts), 16) for how in ("balance", "spread")
    )
    assert spread < 0.85 * balanced


def test_frequencies_make_more_of_columns_that_are_used():
    """Inputs are active in stretches; weighting by that, the PEs lose fewer cycles than by the codes alone."""
    rng = np.random.default_rng(4)
    codes = random_codes(rng, (1024, 512), 0.1)
    often = np.where(np.arange(512) // 64 % 2, 0.9, 0.02)
    acts = (rng.random((4, 512)) < often).astype(np.int16)
    config = EieConfig(n_pe=16)
    alike, weighted = (
        beyond(cycles(encode(codes, CODEBOOK, config, permute="spread", frequencies=f), acts), 16)
        for f in (None, often)
    )
    assert weighted < alike


def test_only_ratios_of_frequencies_count():
    rng = np.random.default_rng(5)
    codes, often = random_codes(rng, (50, 40), 0.3), rng.random(40)

    def dealt(frequencies):
        return encode(codes, CODEBOOK, EieConfig(n_pe=6), permute="spread", frequencies=frequencies)

    assert dealt(often) == dealt(often) == dealt(often / 1024)
    assert dealt(None) == dealt(np.full(40, 0.25)) == dealt(np.zeros(40))
    assert dealt(None) != dealt(often)


@pytest.mark.parametrize("n_out", [1, 5, 8, 9, 23])
@pytest.mark.parametrize("density", [0.0, 0.2, 1.0])
def test_few_rows(n_out, density):
    """Fewer rows than PEs, exactly as many, and an incomplete last round."""
    codes = random_codes(np.random.default_rng(n_out), (n_out, 30), density)
    rows = encode(codes, CODEBOOK, EieConfig(n_pe=8), permute="spread").rows
    assert sorted(np.concatenate(rows).tolist()) == list(range(n_out))
    full, rest = divmod(n_out, 8)
    assert sorted(r.size for r in rows) == [full] * (8 - rest) + [full + 1] * rest


def test_one_pe_has_the_heaviest_rows_first():
    codes = np.array([[0, 0, 0], [1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 0, 2]], np.uint8)
    config = EieConfig(n_pe=1)
    assert encode(codes, CODEBOOK, config, permute="spread").rows[0].tolist() == [3, 1, 2, 4, 0]
    often = np.array([0.0, 1.0, 0.1])
    assert encode(codes, CODEBOOK, config, permute="spread", frequencies=often).rows[0].tolist() == [3, 2, 1, 4, 0]


def test_rows_of_one_stretch_are_separated():
    """Eight rows in each half of the columns, all of equal work: each of two PEs gets four from each half."""
    codes = np.zeros((16, 100), np.uint8)
    codes[:8, :50] = codes[8:, 50:] = 1
    for rows in encode(codes, CODEBOOK, EieConfig(n_pe=2), permute="spread").rows:
        assert np.count_nonzero(rows < 8) == 4
