"""Checks of names against a closed set, and the hints appended to messages."""

import numpy as np
import pytest
from tercet.golden.checks import check_names, native, transposed, unsigned_codes


def test_names_of_a_closed_set():
    check_names([], [])
    check_names(["a"], ["a"], ["b"])
    check_names(["b", "a"], ["a"], ["b"])


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], "it lacks weights; use weights, bias"),
        (["weights", "x"], "it has unknown name 'x'; use weights, bias"),
        (["Weights"], "it has unknown name 'Weights' (did you mean 'weights'?) and lacks weights; use weights"),
        (["weight"], "it has unknown name 'weight' (did you mean 'weights'?) and lacks weights; use weights"),
        (["weights", "bia"], "it has unknown name 'bia' (did you mean 'bias'?); use weights, bias"),
        # A name already present is not suggested.
        (["weights", "weight"], "it has unknown name 'weight'; use weights, bias"),
        (["weights", "a\nb"], "it has unknown name 'a\\nb'; use weights, bias"),
        (["weights", *"abcdefgh"], "it has unknown names 'a', 'b', 'c', 'd', 'e', 'f' and 2 more; use"),
    ],
)
def test_names_that_are_wrong(found, message):
    with pytest.raises(ValueError, match="^it ") as caught:
        check_names(found, ["weights"], ["bias"])
    assert str(caught.value).startswith(message)


def test_names_in_other_words():
    with pytest.raises(ValueError, match="^the file lacks a; use one letter$"):
        check_names([], ["a"], what="the file", expected="one letter")


@pytest.mark.parametrize("kind", [">i2", "<i2", "i1", ">f4", ">c8", "U3", "?"])
def test_native(kind):
    array = np.array([1, 0, 1]).astype(kind)
    assert native(array).dtype.isnative
    np.testing.assert_array_equal(native(array), array)
    assert native(array.astype(array.dtype.newbyteorder("="))).dtype.isnative


def test_hints():
    assert transposed("B is", False, "(K, N)") == unsigned_codes(np.zeros(1, np.int8)) == ""
    assert transposed("B is", True, "(K, N)") == "; B is (K, N): if yours is (N, K), use .T"
    assert unsigned_codes(np.zeros(1, np.uint8)).startswith("; for uint8 codes subtract 128")
