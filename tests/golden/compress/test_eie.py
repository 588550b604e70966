"""A compressed network as layers of the EIE engine."""

import numpy as np
import pytest
from tercet.golden.compress.eie import eie_acts, eie_layers
from tercet.golden.compress.model import CompressedLayer, to_mlp
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import decode
from tercet.golden.eie.product import spmv
from tercet.golden.eie.program import link

CONFIG = EieConfig(n_pe=4)


def network(seed=0, shapes=((24, 30), (17, 24), (5, 17)), code_bits=4):
    """Layers with about a third of their weights."""
    rng = np.random.default_rng(seed)
    layers = []
    for shape in shapes:
        codes = np.where(rng.random(shape) < 0.3, rng.integers(1, 2**code_bits, shape), 0).astype(np.uint8)
        centroids = np.concatenate(([0], np.sort(rng.normal(0, 0.5, 2**code_bits - 1))))
        layers.append(CompressedLayer(codes, centroids, rng.normal(0, 0.3, shape[0])))
    return layers


@pytest.mark.parametrize("permute", [None, "balance", "spread"])
@pytest.mark.parametrize("config", [CONFIG, EieConfig(n_pe=3, code_bits=6, index_bits=3, act_frac=10, weight_frac=13)])
def test_equals_the_network_in_real_numbers(config, permute):
    """Fixed point loses a few LSBs; a wrong shift, scale, ReLU or order loses far more."""
    layers = network()
    encoded = eie_layers(layers, config, permute=permute)
    link(config, encoded)
    x = np.random.default_rng(1).uniform(-1, 1, (20, 30))
    acts = eie_acts(x, config)
    for layer in encoded:
        acts = spmv(layer, acts)
    want = to_mlp(layers).activations(x)[-1]
    np.testing.assert_allclose(acts / 2**config.act_frac, want, atol=20 / 2**config.act_frac)
    assert (acts < 0).any()


def test_layers_are_as_the_engine_needs_them():
    last = CompressedLayer(np.eye(4, 17, dtype=np.uint8), np.array([0.0, -0.5]), np.zeros(4))
    layers = [*network(code_bits=3)[:2], last]
    encoded = eie_layers(layers, CONFIG)
    assert [layer.relu for layer in encoded] == [True, True, False]
    assert [layer.act_max for layer in encoded] == [32768, 32767, 32767]
    assert [layer.shift for layer in encoded] == [12, 12, 12]
    for layer, one in zip(encoded, layers, strict=True):
        np.testing.assert_array_equal(decode(layer), one.codes)
    assert encoded[2].codebook.tolist() == [0, -2048, *[0] * 14]
    assert encoded[2].bias is None
    np.testing.assert_array_equal(encoded[0].bias, np.rint(layers[0].bias.astype(float) * 2**20))


def test_frequencies_deal_the_rows():
    """Rows whose weights never meet a non-zero activation count as no work."""
    codes = np.array([[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1]], np.uint8)
    layers = [CompressedLayer(codes, np.array([0.0, 1.0]), np.zeros(4))]
    config = EieConfig(n_pe=2)
    plain = eie_layers(layers, config, permute="balance")
    (dealt,) = eie_layers(layers, config, permute="balance", frequencies=[[0.0, 0.0, 0.0, 1.0]])
    assert [rows.tolist() for rows in plain[0].rows] == [[0, 2], [1, 3]]
    assert [rows.tolist() for rows in dealt.rows] == [[2, 0], [3, 1]]
    (dealt,) = eie_layers(layers, config, permute="spread", frequencies=[[0.0, 0.0, 0.0, 1.0]])
    assert [sorted(rows) for rows in zip(*dealt.rows, strict=True)] == [[2, 3], [0, 1]]


def layer(centroids=(0.0, 1.0), bias=0.0):
    return CompressedLayer(np.ones((1, 2), np.uint8), np.array(centroids), np.full(1, bias))


@pytest.mark.parametrize(
    ("layers", "options", "message"),
    [
        ([], {}, "There is no layer"),
        ([layer(), layer([0.0, 8.0])], {}, r"Layer 1: centroids reach \[0, 8\], .* use weight_frac=11 or less"),
        ([layer([0.0, 1e9])], {}, "Layer 0: centroids .*; scale the network down"),
        ([layer([0.0, *[1.0] * 31])], {}, "Layer 0: its codes have 5 bits but code_bits is 4; use code_bits=5"),
        ([layer(bias=40000.0)], {}, r"Layer 0: bias 40000.0 at index .* act_frac \+ weight_frac = 20 fraction bits"),
        ([layer()], {"frequencies": []}, "There are 0 frequencies for 1 layers"),
        ([layer()], {"permute": "sort"}, "Layer 0: permute 'sort'"),
        ([layer(bias=32767.9)], {}, "Layer 0: Row 0 can reach .* beyond acc_width 36"),
    ],
)
def test_refusals(layers, options, message):
    with pytest.raises(ValueError, match=message):
        eie_layers(layers, CONFIG, **options)


def test_minus_the_limit_fits():
    assert eie_layers([layer([0.0, -8.0])], EieConfig(acc_width=40))[0].codebook[1] == -(2**15)


def test_acts():
    want = [0, 128, -256, 2, -(2**15)]
    assert eie_acts(np.array([0.001, 0.5, -1.0, 2.5 / 256, -128.0]), CONFIG).tolist() == want
    with pytest.raises(ValueError, match=r"Activations reach \[-1, 128\], beyond .* act_frac 8; use act_frac=7"):
        eie_acts(np.array([[-1.0, 128.0]]), CONFIG)
    with pytest.raises(TypeError, match="Activations has dtype int64"):
        eie_acts(np.array([1]), CONFIG)


def test_kinds():
    with pytest.raises(TypeError, match="Layer 3 is not a CompressedLayer"):
        eie_layers([3], CONFIG)  # pyright: ignore[reportArgumentType]
