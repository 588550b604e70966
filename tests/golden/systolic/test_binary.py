"""Words of signs: packing, and products by the definition."""

import numpy as np
import pytest
from tercet.golden.systolic.binary import pack_signs, unpack_signs
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.model import matmul

CONFIG = SystolicConfig(rows=8, mac="binary")


def test_packing_by_hand():
    words = pack_signs(np.array([[1, -1, 1, 1, -1, -1], [-1] * 6]), 4, 0b0101)
    # The last two bits of a row are those of the padding.
    assert words.tolist() == [[0b1101 - 16, 0b0100], [0b0000, 0b0100]]
    assert words.dtype == np.int8
    assert unpack_signs(words, 4)[0].tolist() == [1, -1, 1, 1, -1, -1, 1, -1]
    assert pack_signs(np.ones((1, 12), int), 12).tolist() == [[-1]]
    assert pack_signs(np.ones((1, 12), int), 12).dtype == np.int16


@pytest.mark.parametrize("width", [2, 4, 8, 14, 16])
def test_packing_is_exact(width):
    signs = np.random.default_rng(0).choice([-1, 1], (3, 2, 4 * width))
    np.testing.assert_array_equal(unpack_signs(pack_signs(signs, width), width), signs)


def test_all_words_of_four_signs():
    """Every product is twice the equal bits less all of them."""
    config = SystolicConfig(mac="binary", act_width=4, weight_width=4)
    words = np.arange(-8, 8, dtype=np.int8)
    found = matmul(words[:, None], words[None], None, config)
    want = [[2 * (~(a ^ w) & 15).bit_count() - 4 for w in words.tolist()] for a in words.tolist()]
    assert found.tolist() == want


def test_padding_adds_nothing():
    acts, pad = np.zeros((1, 5), np.int8), np.full((5, 1), CONFIG.pad_weight, np.int8)
    assert matmul(acts, pad, None, CONFIG).tolist() == [[0]]
    assert SystolicConfig().pad_weight == 0


def test_sizes_and_proof():
    assert (CONFIG.product_width, CONFIG.sum_width, CONFIG.edge_latency, CONFIG.multiplier_latency) == (5, 8, 1, 3)
    narrow = SystolicConfig(rows=2, mac="binary", acc_width=9)
    equal = np.full((1, 31), -1, np.int8)
    assert matmul(equal, equal.T, np.array([7]), narrow) == 255
    with pytest.raises(ValueError, match=r"Column 0 can reach \[-240, 256\], beyond acc_width 9"):
        matmul(equal, equal.T, np.array([8]), narrow)


def test_refuses():
    with pytest.raises(ValueError, match="A sign is 0; use -1 and 1"):
        pack_signs(np.array([1, 0]), 8)
    with pytest.raises(ValueError, match=r"Signs 2 at index \(0,\) is outside \[-1, 1\]"):
        pack_signs(np.array([2]), 8)
    for fields, match in {
        ("act_width", 10): "act_width is 10 and weight_width 8, but mac 'binary' compares words",
        ("dataflow", "os"): "mac 'binary' is weight stationary",
    }.items():
        with pytest.raises(ValueError, match=match):
            SystolicConfig(mac="binary", **dict([fields]))
    with pytest.raises(ValueError, match="act_width is 5 and weight_width 5"):
        SystolicConfig(mac="binary", act_width=5, weight_width=5)
