"""The EIE golden model against plain Python: format, row assignment, arithmetic, proof, and errors."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import decode, encode
from tercet.golden.eie.layer import EieLayer
from tercet.golden.eie.product import network_spmv, spmv

DENSITIES = (0.0, 0.02, 0.1, 0.3, 0.7, 1.0)


def random_codes(rng, shape, density, code_bits=4):
    codes = rng.integers(1, 2**code_bits, shape, dtype=np.uint8)
    return np.where(rng.random(shape) < density, codes, 0).astype(np.uint8)


def random_codebook(rng, code_bits=4, limit=2**15):
    codebook = rng.integers(-limit, limit, 2**code_bits).astype(np.int16)
    codebook[0] = 0
    return codebook


def ref_rows(codes, n_pe):
    return [[i for i in range(len(codes)) if i % n_pe == k] for k in range(n_pe)]


def ref_balance(loads, n_pe):
    rows, sums = [[] for _ in range(n_pe)], [0] * n_pe
    for i in sorted(range(len(loads)), key=lambda i: (-loads[i], i)):
        room = [k for k in range(n_pe) if len(rows[k]) < (len(loads) + n_pe - 1) // n_pe]
        k = min(room, key=lambda k: (sums[k], k))
        rows[k].append(i)
        sums[k] += loads[i]
    return rows


def ref_encode(codes, rows, index_bits):
    """Values, zeros and pointers of every PE, entry by entry."""
    packed = []
    for held in rows:
        values, zeros, pointers = [], [], [0]
        for j in range(codes.shape[1]):
            run = 0
            for i in held:
                if codes[i, j] == 0:
                    run += 1
                    continue
                while run >= 2**index_bits:
                    values.append(0)
                    zeros.append(2**index_bits - 1)
                    run -= 2**index_bits
                values.append(int(codes[i, j]))
                zeros.append(run)
                run = 0
            pointers.append(len(values))
        packed.append((values, zeros, pointers))
    return packed


def ref_spmv(codes, codebook, acts, bias, relu, shift):
    """Outputs and the number of saturated ones."""
    out, saturated = [], 0
    for i, row in enumerate(codes):
        acc = int(bias[i]) + sum(int(codebook[v]) * int(a) for v, a in zip(row, acts, strict=True))
        exact = Fraction(acc, 2**shift)
        saturated += exact >= Fraction(2**16 - 1, 2) or (exact < -(2**15) and not relu)
        value = min(max(round(exact), -(2**15)), 2**15 - 1)
        out.append(max(value, 0) if relu else value)
    return out, saturated


def check_layer(layer, codes, rows):
    assert [r.tolist() for r in layer.rows] == rows
    packed = ref_encode(codes, rows, layer.config.index_bits)
    for k, (values, zeros, pointers) in enumerate(packed):
        assert layer.values[k].tolist() == values
        assert layer.zeros[k].tolist() == zeros
        assert layer.pointers[k].tolist() == pointers
    assert layer.entries == sum(len(values) for values, _, _ in packed)
    assert layer.fillers == layer.entries - np.count_nonzero(codes)


def column(*codes):
    return np.array(codes, np.uint8)[:, None]


CODEBOOK = np.arange(16, dtype=np.int16)


def test_column_of_the_paper():
    codes = column(0, 0, 1, 2, *[0] * 18, 3)
    layer = encode(codes, CODEBOOK, EieConfig(n_pe=1))
    assert layer.values[0].tolist() == [1, 2, 0, 3]
    assert layer.zeros[0].tolist() == [2, 0, 15, 2]
    assert layer.pointers[0].tolist() == [0, 4]
    assert (layer.entries, layer.fillers, layer.shape) == (4, 1, (23, 1))
    assert (decode(layer) == codes).all()


def test_figure_of_the_paper():
    """16x8 on 4 PEs: the columns of PE0 hold these local rows; the other PEs are full, for contrast."""
    held = [(0, 2, 3), (1,), (0, 3), (), (0, 1), (0, 3), (0,), (2, 3)]
    codes = np.ones((16, 8), np.uint8)
    codes[0::4] = 0
    for j, rows in enumerate(held):
        for r in rows:
            codes[4 * r, j] = 1 + j
    layer = encode(codes, CODEBOOK, EieConfig(n_pe=4))
    assert layer.zeros[0].tolist() == [0, 1, 0, 1, 0, 2, 0, 0, 0, 2, 0, 2, 0]
    assert layer.pointers[0].tolist() == [0, 3, 4, 6, 6, 8, 10, 11, 13]
    assert layer.values[0].tolist() == [1, 1, 1, 2, 3, 3, 5, 5, 6, 6, 7, 8, 8]
    assert layer.rows[0].tolist() == [0, 4, 8, 12]
    assert layer.pointers[1].tolist() == list(range(0, 33, 4))
    assert (decode(layer) == codes).all()


@pytest.mark.parametrize(
    ("run", "zeros"), [(15, [15]), (16, [15, 0]), (31, [15, 15]), (32, [15, 15, 0]), (47, [15, 15, 15])]
)
def test_fillers_begin_beyond_fifteen_zeros(run, zeros):
    codes = column(*[0] * run, 9, *[0] * 40)
    layer = encode(codes, CODEBOOK, EieConfig(n_pe=1))
    assert layer.zeros[0].tolist() == zeros
    assert layer.values[0].tolist() == [0] * (len(zeros) - 1) + [9]


@pytest.mark.parametrize(("code_bits", "index_bits"), list(itertools.product((2, 4, 5, 8), (2, 3, 4, 8))))
def test_format_equals_the_slow_encoder(code_bits, index_bits):
    rng = np.random.default_rng(16 * code_bits + index_bits)
    codebook = random_codebook(rng, code_bits, 100)
    for n_pe, density in itertools.product((1, 2, 3, 4, 7, 16), DENSITIES):
        config = EieConfig(n_pe=n_pe, code_bits=code_bits, index_bits=index_bits, matrix_depth=4096)
        codes = random_codes(rng, (int(rng.integers(1, 70)), int(rng.integers(1, 12))), density, code_bits)
        codes[rng.integers(len(codes))] = 0
        codes[:, rng.integers(codes.shape[1])] = 0
        layer = encode(codes, codebook, config)
        check_layer(layer, codes, ref_rows(codes, n_pe))
        assert decode(layer).dtype == np.uint8
        assert (decode(layer) == codes).all()
        loads = [sum(1 for v in row if v) for row in codes]
        layer = encode(codes, codebook, config, permute="balance")
        check_layer(layer, codes, ref_balance(loads, n_pe))
        assert (decode(layer) == codes).all()
        # The assignment of these rows is tested elsewhere.
        layer = encode(codes, codebook, config, permute="spread")
        check_layer(layer, codes, [r.tolist() for r in layer.rows])
        assert (decode(layer) == codes).all()


@pytest.mark.parametrize(
    ("shape", "n_pe", "index_bits"),
    [((1, 1), 4, 4), ((1, 50), 1, 2), ((1, 50), 256, 4), ((300, 1), 256, 2), ((257, 3), 256, 8), ((600, 40), 5, 8)],
)
@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("permute", [None, "balance", "spread"])
def test_round_trip_of_odd_shapes(shape, n_pe, index_bits, density, permute):
    rng = np.random.default_rng(7)
    codes = random_codes(rng, shape, density)
    layer = encode(codes, CODEBOOK, EieConfig(n_pe=n_pe, index_bits=index_bits), permute=permute)
    assert (decode(layer) == codes).all()
    assert layer.entries - layer.fillers == np.count_nonzero(codes)
    assert sorted(np.concatenate(layer.rows).tolist()) == list(range(shape[0]))
    assert max(r.size for r in layer.rows) == -(-shape[0] // n_pe)
    assert len(layer.rows) == len(layer.values) == n_pe


def test_weights_of_a_layer_are_its_nonzeros():
    """Fillers are not weights; each PE's entries are listed column by column, at their original rows."""
    codes = np.zeros((50, 2), np.uint8)
    codes[[49, 8, 1], [0, 1, 1]] = 5, 6, 7
    layer = encode(codes, CODEBOOK, EieConfig(n_pe=2, index_bits=2))
    assert layer.fillers == 7
    assert [array.tolist() for array in layer.weights()] == [[8, 49, 1], [1, 0, 1], [6, 5, 7]]


def test_eight_bits_of_each_reach_their_ends():
    codes = column(*[0] * 255, 255, *[0] * 256, 255)
    config = EieConfig(n_pe=1, code_bits=8, index_bits=8, act_depth=1024, constant_depth=1024)
    layer = encode(codes, np.arange(256, dtype=np.int16), config)
    assert layer.zeros[0].tolist() == [255, 255, 0]
    assert layer.values[0].tolist() == [255, 0, 255]
    assert (decode(layer) == codes).all()


def test_balance_evens_the_load():
    """Rows of very unequal density with every fourth one dense: the worst case for interleaving."""
    rng = np.random.default_rng(3)
    density = np.where(np.arange(201) % 4 == 0, 0.9, rng.random(201) * 0.3)
    codes = (rng.random((201, 100)) < density[:, None]).astype(np.uint8)
    config = EieConfig(n_pe=4)
    work = {}
    for permute in (None, "balance"):
        layer = encode(codes, CODEBOOK, config, permute=permute)
        assert max(r.size for r in layer.rows) <= 51
        work[permute] = [np.count_nonzero(codes[r]) for r in layer.rows]
    assert max(work[None]) > 2 * np.mean(work[None])
    assert max(work["balance"]) < 1.01 * np.mean(work["balance"])


def test_balance_with_ties_and_empty_rows():
    codes = np.zeros((5, 2), np.uint8)
    config = EieConfig(n_pe=4)
    assert [r.tolist() for r in encode(codes, CODEBOOK, config, permute="balance").rows] == [[0, 1], [2, 3], [4], []]
    codes[1:4, 0] = 1
    assert [r.tolist() for r in encode(codes, CODEBOOK, config, permute="balance").rows] == [[1], [2], [3], [0, 4]]
    codes = np.eye(5, dtype=np.uint8)
    assert [r.tolist() for r in encode(codes, CODEBOOK, config, permute="balance").rows] == [[0, 4], [1], [2], [3]]


def test_balance_weighted_by_frequencies():
    rng = np.random.default_rng(11)
    codes = random_codes(rng, (37, 60), 0.3)
    frequencies = np.where(np.arange(60) < 30, 0.01, rng.random(60))
    config = EieConfig(n_pe=5)
    loads = [sum(float(frequencies[j]) for j in range(60) if codes[i, j]) for i in range(37)]
    layer = encode(codes, CODEBOOK, config, permute="balance", frequencies=frequencies)
    check_layer(layer, codes, ref_balance(loads, 5))
    assert layer != encode(codes, CODEBOOK, config, permute="balance")

    def spread(rows):
        work = [sum(loads[i] for i in r) for r in rows]
        return max(work) / (sum(work) / 5)

    assert spread(layer.rows) < spread(encode(codes, CODEBOOK, config, permute="balance").rows)
    # A row whose inputs are never active is the lightest, regardless of its number of weights.
    codes = np.array([[1, 1, 1, 0], [0, 0, 0, 1]], np.uint8)
    rows = encode(
        codes, CODEBOOK, EieConfig(n_pe=2), permute="balance", frequencies=np.array([0, 0, 0, 1], np.float32)
    ).rows
    assert [r.tolist() for r in rows] == [[1], [0]]


@pytest.mark.parametrize("permute", [None, "balance", "spread"])
@pytest.mark.parametrize(
    ("n_pe", "code_bits", "index_bits"), [(1, 4, 4), (3, 2, 2), (4, 4, 4), (8, 3, 5), (16, 8, 8), (64, 4, 3)]
)
def test_spmv_is_the_dense_product(n_pe, code_bits, index_bits, permute):
    rng = np.random.default_rng(n_pe)
    config = EieConfig(n_pe=n_pe, code_bits=code_bits, index_bits=index_bits, acc_width=48)
    seen = np.zeros(0, np.int16)
    for density, active, relu, shift in itertools.product(DENSITIES, (0.0, 0.3, 1.0), (False, True), (None, 0, 17)):
        shape = (int(rng.integers(1, 40)), int(rng.integers(1, 30)))
        codes = random_codes(rng, shape, density, code_bits)
        codebook = random_codebook(rng, code_bits)
        acts = np.where(rng.random(shape[1]) < active, rng.integers(-(2**15), 2**15, shape[1]), 0).astype(np.int16)
        bias = rng.integers(-(2**30), 2**30, shape[0])
        layer = encode(codes, codebook, config, bias=bias, relu=relu, shift=shift, permute=permute)
        result = network_spmv([layer], acts)
        out = result.out
        assert out.dtype == np.int16
        want, saturated = ref_spmv(codes, codebook, acts, bias, relu, 12 if shift is None else shift)
        assert (out.tolist(), result.saturated) == (want, (saturated,))
        seen = np.concatenate([seen, out])
    # The comparison above covers both ends and values between.
    assert (seen.min(), seen.max()) == (-(2**15), 2**15 - 1)
    assert np.unique(seen).size > 100


@pytest.mark.parametrize("shift", [0, 1, 2, 3, 5])
def test_rounding_is_half_to_even(shift):
    """Without weights only the bias is rounded; 128 accumulators of each sign cover every remainder."""
    bias = np.arange(-128, 129)
    codes = np.zeros((257, 1), np.uint8)
    layer = encode(codes, CODEBOOK, EieConfig(n_pe=3), bias=bias, shift=shift)
    assert spmv(layer, np.ones(1, np.int16)).tolist() == [round(Fraction(int(b), 2**shift)) for b in bias]


def test_largest_shift_and_accumulators():
    half = 2**34
    bias = np.array([-2 * half, -half - 1, -half, -1, 0, half, half + 1, 2 * half - 1])
    layer = encode(np.zeros((8, 1), np.uint8), CODEBOOK, EieConfig(n_pe=2), bias=bias, shift=35)
    assert spmv(layer, np.ones(1, np.int16)).tolist() == [-1, -1, 0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("relu", [False, True])
def test_saturation_begins_beyond_int16(relu):
    """Biases around both ends, which a shift of 1 rounds to the last int16 value and one beyond."""
    bias = np.array([65534, 65535, 65536, 2**34, -65536, -65537, -65538, -(2**34)])
    layer = encode(np.zeros((8, 1), np.uint8), CODEBOOK, EieConfig(n_pe=2), bias=bias, shift=1, relu=relu)
    low = 0 if relu else -32768
    assert spmv(layer, np.zeros(1, np.int16)).tolist() == [32767] * 4 + [low] * 4


def test_negative_activations_count():
    layer = encode(np.array([[1, 2]], np.uint8), CODEBOOK, EieConfig(), shift=0)
    assert spmv(layer, np.array([-5, 0], np.int16)).tolist() == [-5]
    assert spmv(layer, np.array([-5, -7], np.int16)).tolist() == [-19]


def test_batch():
    rng = np.random.default_rng(5)
    codes, codebook = random_codes(rng, (30, 20), 0.3), random_codebook(rng, limit=1000)
    layer = encode(codes, codebook, EieConfig(), bias=rng.integers(-(2**20), 2**20, 30))
    acts = rng.integers(-3000, 3000, (6, 20)).astype(np.int16)
    out = spmv(layer, acts)
    assert out.shape == (6, 30)
    assert (out == np.stack([spmv(layer, a) for a in acts])).all()
    assert len(np.unique(out)) > 20
    assert spmv(layer, acts[:1]).shape == (1, 30)


@pytest.mark.parametrize("acc_width", [24, 36, 48])
@pytest.mark.parametrize("act_max", [1, 1000, 32768])
@pytest.mark.parametrize("permute", [None, "balance", "spread"])
def test_proof_is_exact(acc_width, act_max, permute):
    """Row 2 reaches bias - sum to bias + sum; its weights cancel for equal activations, but not on the way."""
    codes = np.zeros((5, 40), np.uint8)
    codes[2, 7], codes[2, 30], codes[2, 31] = 1, 2, 2
    codes[4, 3] = 1
    codebook = np.zeros(16, np.int16)
    codebook[1:3] = 100, -50
    config = EieConfig(n_pe=2, acc_width=acc_width)
    limit, reach = 2 ** (acc_width - 1), 200 * act_max
    for sign, end in ((1, limit - 1), (-1, limit)):
        bias = np.zeros(5, np.int64)
        bias[2] = sign * (end - reach)
        layer = encode(codes, codebook, config, bias=bias, permute=permute, act_max=act_max, shift=acc_width - 1)
        acts = np.zeros(40, np.int16)
        largest = min(act_max, 2**15 - 1)
        acts[[7, 30, 31]] = sign * largest, -sign * largest, -sign * largest
        assert spmv(layer, acts)[2] == round(Fraction(int(bias[2]) + sign * 200 * largest, limit))
        bias[2] += sign
        low, high = bias[2] - reach, bias[2] + reach
        match = rf"Row 2 can reach \[{low}, {high}\], 1 beyond acc_width {acc_width}; use smaller weights"
        with pytest.raises(ValueError, match=match):
            encode(codes, codebook, config, bias=bias, permute=permute, act_max=act_max)


def test_proof_names_the_worst_row_and_the_excess():
    codes = np.ones((3, 300), np.uint8)
    codes[1, 0] = 2
    codebook = np.array([0, 1, -32768] + [0] * 13, np.int16)
    config = EieConfig(acc_width=24)
    sums = [300 * 32768, (299 + 32768) * 32768]
    with pytest.raises(ValueError, match=rf"Row 1 can reach \[-{sums[1]}, {sums[1]}\], {sums[1] - 2**23 + 1} beyond"):
        encode(codes, codebook, config)
    with pytest.raises(ValueError, match=rf"Row 0 can reach \[-{sums[0]}, {sums[0]}\], {sums[0] - 2**23 + 1} beyond"):
        encode(np.ones((3, 300), np.uint8), codebook, config)
    assert encode(np.ones((3, 300), np.uint8), codebook, config, act_max=(2**23 - 1) // 300).act_max == 27962


def test_layer_is_compared_by_value_and_read_only():
    rng = np.random.default_rng(9)
    codes, codebook, bias = random_codes(rng, (9, 7), 0.5), CODEBOOK.copy(), np.arange(9)
    layer = encode(codes, codebook, EieConfig(), bias=bias)
    same = encode(codes.copy(), codebook.copy(), EieConfig(), bias=bias.astype(np.int32))
    assert layer == same
    assert hash(layer) == hash(same)
    assert isinstance(layer, EieLayer)
    other = codes.copy()
    other[3, 3] = 1 + other[3, 3] % 15
    for changed in (
        encode(other, codebook, EieConfig(), bias=bias),
        encode(codes, codebook, EieConfig()),
        encode(codes, codebook, EieConfig(fifo_depth=4), bias=bias),
        encode(codes, codebook, EieConfig(), bias=bias, shift=3),
        encode(codes, codebook, EieConfig(), bias=bias, relu=True),
        encode(codes, codebook, EieConfig(), bias=bias, act_max=3),
    ):
        assert layer != changed
    codebook[1] = bias[1] = 77
    assert layer == same
    for array in (*layer.values, *layer.zeros, *layer.pointers, *layer.rows, layer.codebook, layer.bias):
        assert array is not None
        assert not array.flags.writeable
    assert [a.dtype for a in (layer.values[0], layer.zeros[0], layer.pointers[0], layer.rows[0])] == [
        np.uint8,
        np.uint8,
        np.int64,
        np.int64,
    ]


@pytest.mark.parametrize("permute", [None, "balance", "spread"])
def test_encode_takes_any_memory_order(permute):
    codes = random_codes(np.random.default_rng(2), (40, 30), 0.2)
    layer = encode(codes, CODEBOOK, EieConfig(), permute=permute)
    assert encode(np.asfortranarray(codes), CODEBOOK, EieConfig(), permute=permute) == layer
    wide = np.zeros((80, 60), np.uint8)
    wide[::2, ::2] = codes
    assert encode(wide[::2, ::2], CODEBOOK, EieConfig(), permute=permute) == layer


@pytest.mark.parametrize("permute", ["balance", "spread"])
def test_large_layer(permute):
    """The paper's Alex-6."""
    codes = random_codes(np.random.default_rng(0), (4096, 9216), 0.09)
    layer = encode(codes, CODEBOOK, EieConfig.paper(), permute=permute)
    assert (decode(layer) == codes).all()
