"""NumPy files: intact, damaged, and with unusable content."""

import io
import pickle
import zipfile

import ml_dtypes
import numpy as np
import pytest
from tercet.golden.numpy_file import read_numpy


def test_arrays_and_archives(tmp_path):
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read_numpy(tmp_path / "a.npy"), array)
    np.savez(tmp_path / "a.npz", a=array, b=np.float32(2))
    found = read_numpy(tmp_path / "a.npz")
    assert isinstance(found, dict)
    assert sorted(found) == ["a", "b"]
    np.testing.assert_array_equal(found["a"], array)


def test_other_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_numpy(tmp_path / "no.npy")
    path = tmp_path / "a.npy"
    for content, reason in (
        (b"", ""),
        (b"text", "it is neither .npy nor .npz"),
        (b"\x93NUMPY", ""),
        (pickle.dumps([1]), "it is a pickle; save arrays of numbers"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"a\.npy' is not a NumPy file: {reason}"):
            read_numpy(path)


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, allow_pickle=True, **arrays)
    return file.getvalue()


def archive(*members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as whole:
        for name, content in members:
            whole.writestr(name, content)
    return file.getvalue()


BF16, E4M3 = (np.ones(3, kind) for kind in (ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (npy(np.array([{}])), "it contains Python objects; save arrays of numbers, with allow_pickle=False"),
        (npz(a=np.array([{}])), "it contains Python objects; save arrays"),
        (
            npy(BF16),
            r"it has dtype \|V2, which is how NumPy stores bfloat16; .*\.view\(np\.uint16\) before saving",
        ),
        (npy(E4M3), r"it has dtype \|V1, which is how NumPy stores FP8; .* with \.view\(np\.uint8\) before saving"),
        (npz(b=np.ones(2), a=BF16), r"'a' has dtype \|V2"),
        (npy(np.zeros(2, [("a", "i4")])), r"it has dtype .*; save an array of numbers"),
        (npy(np.zeros(2, "M8[s]")), r"it has dtype .*M8.*; save an array of numbers"),
        (archive(("a.npy", npy(np.ones(2))), ("README", b"text")), "'README' is not an array"),
        (archive(("a.npy", npy(np.ones(2))), ("a", npy(np.zeros(2)))), "it has 'a' twice"),
    ],
)
def test_unusable_content(tmp_path, content, reason):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match=rf"a' cannot be used: {reason}"):
        read_numpy(tmp_path / "a")


def test_patterns_come_back(tmp_path):
    """The fix advised by the message works."""
    for array, kind in ((BF16, np.uint16), (E4M3, np.uint8)):
        np.save(tmp_path / "a.npy", array.view(kind))
        np.testing.assert_array_equal(read_numpy(tmp_path / "a.npy"), array.view(kind))


@pytest.mark.parametrize("kind", [">i2", ">i4", ">f2", ">f8", ">u2", "<i2", "|i1"])
def test_byte_order_is_converted(tmp_path, kind):
    array = np.array([[1, 2, 3]], kind)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", a=array)
    archived = read_numpy(tmp_path / "a.npz")
    assert isinstance(archived, dict)
    for found in (read_numpy(tmp_path / "a.npy"), archived["a"]):
        assert isinstance(found, np.ndarray)
        assert found.dtype == np.dtype(kind).newbyteorder("=")
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("save", [np.save, np.savez, np.savez_compressed], ids=lambda save: save.__name__)
def test_any_byte_may_be_damaged(tmp_path, save):
    """A damaged file is read or rejected in one line, although NumPy raises many kinds of error."""
    file = io.BytesIO()
    save(file, np.arange(40, dtype=np.int32))
    whole, path = file.getvalue(), tmp_path / "a"
    refused = 0
    for at in range(len(whole)):
        for change in (0x01, 0x80, 0xFF):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1 :])
            error = ""
            try:
                read_numpy(path)
            except ValueError as caught:
                error = str(caught)
            message = error.removeprefix(repr(str(path)))
            assert not message or message.startswith((" is not a NumPy file: ", " cannot be used: "))
            refused += bool(error)
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="is not a NumPy file"):
            read_numpy(path)
    assert refused > len(whole) // 4
