"""Network files: recognition of the kind, and rejection of others, without a board."""

import numpy as np
import pytest
from tercet.boards.host.networks import Int8, TileProduct, read_network
from tercet.golden.networks.int8_network import quantize_mlp
from tercet.golden.networks.mlp import Mlp

B, C = np.ones((4, 3), np.float16), np.ones(3, np.float32)


def test_kinds(tmp_path):
    path = tmp_path / "net.npz"
    for arrays in ({"b": B}, {"b": B, "c": C}, {"b": B.astype(">f2"), "c": C.astype(">f4")}):
        np.savez(path, allow_pickle=False, **arrays)
        tile = read_network(path)
        assert isinstance(tile, TileProduct)
        np.testing.assert_array_equal(tile.b, B)
        assert ("c" in arrays) == (tile.c is not None)
    quantize_mlp(Mlp.random((4, 3)), np.ones((5, 4))).save(path)
    assert isinstance(read_network(path), Int8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"b": B, "bias": C}, "has unknown name 'bias'; use b, and optionally the addend c$"),
        ({"b": B, "C": C}, r"has unknown name 'C' \(did you mean 'c'\?\); use b"),
        ({"b": B, "a": B}, "has unknown name 'a'; use b"),
        (
            {"B": B, "c": C},
            "is not a network file; use a .tflite or .onnx, the output of tercet compress, the .npz of an Int8Network",
        ),
        ({"W0": B, "b0": C}, "is not an INT8 network: it lacks input_scale, input_zero_point; use input_scale, "),
        (
            {"w0": B},
            r"is not an INT8 network: it has unknown name 'w0' \(did you mean 'W0'\?\) and lacks input_scale, ",
        ),
        ({}, "is not a network file"),
    ],
)
def test_rejects_unknown_names(tmp_path, arrays, message):
    np.savez(tmp_path / "net.npz", allow_pickle=False, **arrays)
    with pytest.raises(ValueError, match=rf"^'.*net\.npz' {message}"):
        read_network(tmp_path / "net.npz")
