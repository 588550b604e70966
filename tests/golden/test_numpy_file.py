"""NumPy's files, whole and damaged."""

import io

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


def test_what_is_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_numpy(tmp_path / "no.npy")
    path = tmp_path / "a.npy"
    np.save(path, np.array([{}]))
    for content in (b"", b"text", b"\x93NUMPY", path.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.npy' is no NumPy file: "):
            read_numpy(path)


@pytest.mark.parametrize("save", [np.save, np.savez, np.savez_compressed], ids=lambda save: save.__name__)
def test_any_byte_may_be_damaged(tmp_path, save):
    """It is read, or refused in one line; NumPy has an error of its own for nearly every place."""
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
            assert not error or error.startswith(f"{str(path)!r} is no NumPy file: ")
            refused += bool(error)
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="is no NumPy file"):
            read_numpy(path)
    assert refused > len(whole) // 4
