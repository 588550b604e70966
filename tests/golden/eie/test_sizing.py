"""Depths of an EIE engine sized to a network: they hold it, are minimal, and shortages are reported all at once."""

import dataclasses
import functools
import itertools
from typing import Any

import numpy as np
import pytest
from tercet.golden.compress.eie import eie_layers, sized_layers
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import encode, network_cycles
from tercet.golden.eie.layer import EieLayer
from tercet.golden.eie.program import link
from tercet.golden.eie.sizing import DEPTHS, DepthsExceeded, check_depths, required_depths, size_engine, unbounded

from ...compressed_networks import AUTOENCODER, compressed


def random_network(rng: np.random.Generator, config: EieConfig) -> list[EieLayer]:
    """Layers of any size, with and without bias, some of which share a codebook."""
    sizes = rng.integers(1, 60, rng.integers(2, 6))
    books = [np.append(0, rng.integers(-99, 99, 2**config.code_bits - 1)).astype(np.int16) for _ in range(2)]
    layers = []
    for n_in, n_out in itertools.pairwise(sizes.tolist()):
        kept = rng.random((n_out, n_in)) < rng.choice([0, 0.05, 0.3, 1])
        codes = (rng.integers(1, 2**config.code_bits, (n_out, n_in)) * kept).astype(np.uint8)
        bias = rng.integers(-(10**6), 10**6, n_out) if rng.random() < 0.5 else None
        permute: Any = (None, "balance", "spread")[rng.integers(3)]
        layers.append(encode(codes, books[rng.integers(2)], config, bias=bias, permute=permute))
    return layers


def sized(seed: int, fields: dict[str, Any], least=None) -> list[EieLayer]:
    make = functools.partial(random_network, np.random.default_rng(seed))
    return size_engine(make, fields, least=least)


FIELDS = [
    {"n_pe": 4},
    {"n_pe": 1, "code_bits": 2, "index_bits": 2},
    {"n_pe": 7, "code_bits": 8, "index_bits": 8, "word_width": 16},
    {"n_pe": 64, "code_bits": 3, "index_bits": 4},
]


@pytest.mark.parametrize("fields", FIELDS, ids=str)
def test_chosen_depths_hold_the_network_and_none_could_be_less(fields):
    bounds = {field.name: field.metadata["bounds"] for field in dataclasses.fields(EieConfig)}
    for seed in range(12 if fields["n_pe"] < 64 else 4):
        layers = sized(seed, fields)
        config = layers[0].config
        assert {name: getattr(config, name) for name in fields} == fields
        assert {layer.config for layer in layers} == {config}
        # Run a few vectors through the golden model and the cycle model, which read the depths.
        acts = np.random.default_rng(seed).integers(-9, 9, (2, layers[0].shape[1])).astype(np.int16)
        assert network_cycles(layers, acts).total > 0
        for name in DEPTHS:
            less = getattr(config, name) - 1
            if less < bounds[name][0]:
                continue
            with pytest.raises(DepthsExceeded):
                link(dataclasses.replace(config, **{name: less}), layers)
            # Likewise as a given depth, with the others chosen: only inputs can fit in another way.
            if name != "act_depth":
                with pytest.raises(DepthsExceeded, match=f"but {name} is {less}; use {name}={less + 1}"):
                    sized(seed, {**fields, name: less})


@pytest.mark.parametrize("fields", FIELDS, ids=str)
def test_what_is_counted_is_what_is_built(fields):
    """The memory contents that `link` builds have the computed sizes, for an engine of any depths."""
    for seed in range(12 if fields["n_pe"] < 64 else 4):
        config = unbounded(fields)
        layers = random_network(np.random.default_rng(seed), config)
        for acts in (1, 2, 7, 2**16):
            most = max(rows.size for layer in layers for rows in layer.rows)
            config = dataclasses.replace(config, act_depth=max(acts, most))
            program = link(config, layers)
            counted = required_depths(config, layers)
            assert counted["matrix_depth"] == max(1, *(words.size for words in program.matrix))
            assert {counted["pointer_depth"]} == {words.size for words in program.pointers}
            assert {counted["constant_depth"]} == {words.size for words in program.constants}
            assert counted["program_depth"] == len(program.steps)
            assert counted["act_depth"] == max(linked.rows for linked in program.layers)


def test_autoencoder_in_one_go():
    network = compressed(AUTOENCODER)
    layers = sized_layers(network, {"n_pe": 16}, permute="balance")
    config = layers[0].config
    # The 8 activations in the middle occupy the positions of 16 PEs.
    assert (config.pointer_depth, config.act_depth, config.program_depth) == (640 + 8 * 128 + 16 + 10, 40, 11)
    # Ten codebooks, and the biases of 8, 1 and 40 rows.
    assert config.constant_depth == 10 * 16 + 8 * 8 + 1 + 40
    words = [sum(layer.values[k].size for layer in layers) for k in range(16)]
    assert config.matrix_depth == -(-max(words) // 8)
    link(config, layers)
    # The same engine, given explicitly.
    assert eie_layers(network, config, permute="balance") == layers


def test_all_that_is_short_is_told_at_once():
    network = compressed(AUTOENCODER)
    config = sized_layers(network, {"n_pe": 4})[0].config
    message = (
        rf"^10 layers need {config.matrix_depth} words of entries in PE \d but matrix_depth is 900, 1682 pointers in "
        "each PE but pointer_depth is 1024, 160 rows in a PE but act_depth is 100, 578 constants in each PE but "
        rf"constant_depth is 512; use matrix_depth={config.matrix_depth}, pointer_depth=1682, act_depth=160, "
        "constant_depth=578 or more PEs$"
    )
    with pytest.raises(DepthsExceeded, match=message) as caught:
        eie_layers(network, EieConfig(matrix_depth=900, act_depth=100))
    wanted: Any = caught.value.needs
    assert wanted == {name: getattr(config, name) for name in wanted}
    # The advice works, and given depths that are too small are reported by the same message.
    eie_layers(network, EieConfig(**wanted))
    given = {"matrix_depth": 900, "pointer_depth": 1024, "act_depth": 100, "constant_depth": 512}
    with pytest.raises(DepthsExceeded, match=message):
        sized_layers(network, given)
    # Depths that were not given are never short.
    with pytest.raises(DepthsExceeded) as caught:
        sized_layers(network, {"matrix_depth": 1, "program_depth": 2})
    assert set(caught.value.needs) == {"matrix_depth", "program_depth"}


def test_depths_that_are_given_stay():
    given = {"matrix_depth": 3000, "act_depth": 16, "program_depth": 99}
    network = compressed((100, 20, 30))
    config = sized_layers(network, {"n_pe": 2, **given})[0].config
    assert {name: getattr(config, name) for name in given} == given
    assert config.pointer_depth == 100 + 20 + 2
    # The input, 50 activations per PE, is loaded in four parts if the buffers are given, and at once if not.
    for acts, parts in ((16, 4), (25, 2), (50, 1), (77, 1)):
        config = sized_layers(network, {"n_pe": 2, "act_depth": acts})[0].config
        assert (config.act_depth, config.program_depth) == (acts, parts + 2)
    config = sized_layers(network, {"n_pe": 2})[0].config
    assert (config.act_depth, config.program_depth) == (50, 3)


def test_least_depths_are_raised_where_they_must():
    least = {"matrix_depth": 4, "pointer_depth": 900, "act_depth": 12, "constant_depth": 512, "program_depth": 3}
    network = compressed((100, 20, 30))
    plain = sized_layers(network, {"n_pe": 2})[0].config
    config = sized_layers(network, {"n_pe": 2}, least=least)[0].config
    assert config.matrix_depth == plain.matrix_depth > 4
    # 15 rows, so 50 activations are loaded in four parts.
    assert (config.pointer_depth, config.act_depth, config.constant_depth) == (900, 15, 512)
    assert config.program_depth == 2 + 4
    with pytest.raises(DepthsExceeded, match="15 rows in a PE but act_depth is 14"):
        sized_layers(network, {"n_pe": 2, "act_depth": 14}, least=least)


def test_bits_of_an_entry_are_those_of_the_network():
    network = compressed((30, 20, 10), density=0.9, code_bits=8, index_bits=3)
    config = sized_layers(network)[0].config
    assert (config.code_bits, config.index_bits) == (8, 3)
    with pytest.raises(ValueError, match="Layer 0: its codes have 8 bits but code_bits is 6; use code_bits=8"):
        sized_layers(network, {"code_bits": 6})
    assert sized_layers(network, {"index_bits": 5})[0].config.index_bits == 5
    # An engine does not support one-bit codes.
    assert sized_layers(compressed((9, 9), code_bits=1))[0].config.code_bits == 2
    # A codebook too large for the given depth is reported as one more shortage, not by another message.
    with pytest.raises(DepthsExceeded, match=r"matrix_depth is 1, .* constants in each PE but constant_depth is 9; "):
        sized_layers(network, {"constant_depth": 9, "matrix_depth": 1})


def test_what_no_engine_holds():
    codes = np.ones((2, 2**20), np.uint8)
    make = functools.partial(_encoded, codes)
    message = (
        "^1 layer needs 1048577 pointers in each PE but pointer_depth is 1048576; the maximum is "
        "pointer_depth=1048576; use more PEs, or fewer or sparser layers$"
    )
    with pytest.raises(DepthsExceeded, match=message):
        size_engine(make, {"n_pe": 2})


def _encoded(codes, config):
    return [encode(codes, np.arange(16, dtype=np.int16), config, act_max=1)]


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"matrix_depth": 0}, ValueError, r"matrix_depth 0 is outside \[1, 1048576\]"),
        ({"matrix_depth": "9"}, TypeError, "matrix_depth '9' is not an integer"),
        ({"pointer_depth": 2**21}, ValueError, r"pointer_depth 2097152 is outside \[2, 1048576\]"),
        ({"n_pe": 0}, ValueError, r"n_pe 0 is outside \[1, 256\]"),
    ],
)
def test_fields_are_checked(fields, error, message):
    with pytest.raises(error, match=message):
        sized_layers(compressed((4, 4)), fields)


def test_networks_are_checked():
    with pytest.raises(ValueError, match="There is no layer"):
        sized_layers([])
    with pytest.raises(TypeError, match="Layer 3 is not a CompressedLayer"):
        sized_layers(3)  # pyright: ignore[reportArgumentType]
    layers = sized(0, {"n_pe": 4})
    check_depths(layers[0].config, layers)
