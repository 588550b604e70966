"""Register layouts against NVIDIA's PTX documentation, element by element."""

import numpy as np
import pytest
from tercet.gpu.fragments import fragments
from tercet.gpu.instructions import instructions

ALL = [*instructions((7, 0)), *instructions((7, 5)), *instructions((9, 0))]


def find(kind, width, k):
    return next(one for one in ALL if (one.kind, one.operand_width, one.k) == (kind, width, k))


@pytest.mark.parametrize("instruction", ALL, ids=lambda one: one.ptx)
def test_unpacking_undoes_packing_and_every_slot_is_used_once(instruction):
    rng = np.random.default_rng(0)
    m, n, k = instruction.m, instruction.n, instruction.k
    layout = fragments(instruction)
    shapes = (("a", (m, k), instruction.operand_width), ("b", (k, n), instruction.operand_width))
    for role, shape, width in (*shapes, ("d", (m, n), instruction.out_width)):
        index = getattr(layout, role)
        assert sorted(index.reshape(-1)) == list(range(shape[0] * shape[1]))
        assert index.shape[2] == 32 // width
        tiles = rng.integers(0, 2**width, (3, *shape), dtype=np.uint64).astype(f"u{width // 8}")
        registers = layout.pack(role, tiles)
        assert (registers.dtype, registers.shape) == (np.uint32, (3, *index.shape[:2]))
        assert (layout.unpack(role, registers, shape) == tiles).all()


# Row and column of element i of A and B (m16n8) in thread `lane`, as written in the documentation.
def halves(lane, i):
    g, t = lane >> 2, lane % 4
    a = (g if i < 2 or 4 <= i < 6 else g + 8, t * 2 + (i & 1) + (8 if i >= 4 else 0))
    b = (t * 2 + (i & 1) + (8 if i >= 2 else 0), g)
    return a, b


def halves_k8(lane, i):
    g, t = lane >> 2, lane % 4
    return (g if i < 2 else g + 8, t * 2 + (i & 1)), (t * 2 + i, g)


def tf32(lane, i):
    g, t = lane >> 2, lane % 4
    return (g if i in (0, 2) else g + 8, t if i in (0, 1) else t + 4), (t if i == 0 else t + 4, g)


def bytes_k16(lane, i):
    g, t = lane >> 2, lane % 4
    return (g, t * 4 + i), (t * 4 + i, g)


def bytes_k32(lane, i):
    g, t = lane >> 2, lane % 4
    a = (g if 0 <= i < 4 or 8 <= i < 12 else g + 8, t * 4 + (i & 3) + (16 if i >= 8 else 0))
    b = (t * 4 + (i & 3) + (16 if i >= 4 else 0), g)
    return a, b


@pytest.mark.parametrize(
    ("instruction", "documented"),
    [
        (find("mma", 16, 16), halves),
        (find("mma", 16, 8), halves_k8),
        (find("mma", 32, 8), tf32),
        (find("mma", 8, 16), bytes_k16),
        (find("mma", 8, 32), bytes_k32),
    ],
    ids=lambda value: getattr(value, "ptx", ""),
)
def test_mma_operands_lie_as_documented(instruction, documented):
    layout = fragments(instruction)
    for role, side, columns in (("a", 0, instruction.k), ("b", 1, instruction.n)):
        index = getattr(layout, role).reshape(32, -1)
        for lane in range(32):
            for i in range(index.shape[1]):
                assert divmod(index[lane, i], columns) == documented(lane, i)[side], (role, lane, i)


@pytest.mark.parametrize("out_format", ["fp32", "fp16"])
def test_results_lie_as_documented(out_format):
    """c0 and c1 are adjacent in row g, c2 and c3 in row g + 8; warps of wgmma are 16 rows apart."""
    for kind in ("mma", "wgmma"):
        instruction = next(one for one in ALL if (one.kind, one.out_format, one.m > 8) == (kind, out_format, True))
        index = fragments(instruction).d.reshape(instruction.threads, -1)
        for thread in range(instruction.threads):
            warp, lane = divmod(thread, 32)
            for i in range(4):
                row = warp * 16 + (lane >> 2) + (8 if i >= 2 else 0)
                assert divmod(index[thread, i], 8) == (row, lane % 4 * 2 + (i & 1))


def test_wgmma_operands_lie_as_documented():
    """A has the layout of m16n8k32 in each warp; B is two core matrices of 8 columns x 16 bytes, k along the bytes."""
    instruction = find("wgmma", 8, 32)
    layout = fragments(instruction)
    a = layout.a.reshape(128, -1)
    for thread in range(128):
        for i in range(16):
            row, column = bytes_k32(thread % 32, i)[0]
            assert divmod(a[thread, i], 32) == (thread // 32 * 16 + row, column)
    for address, index in enumerate(layout.b.reshape(-1)):
        k, n = divmod(index, 8)
        assert address == (k // 16) * 128 + n * 16 + k % 16


def test_a_register_holds_its_first_element_low():
    instruction = find("mma", 16, 16)
    tile = np.arange(256, dtype=np.uint16).reshape(1, 16, 16)
    # Thread 5 is g = 1, t = 1: row 1, columns 2 and 3.
    assert fragments(instruction).pack("a", tile)[0, 5, 0] == 19 << 16 | 18


def test_wmma_matrices_lie_as_memory():
    """A and D are stored by rows, B by columns, as the kernel loads them."""
    layout = fragments(ALL[0])
    assert (layout.a.reshape(-1) == np.arange(256)).all()
    assert (layout.d.reshape(-1) == np.arange(256)).all()
    assert (layout.b.reshape(-1) == np.arange(256).reshape(16, 16).T.reshape(-1)).all()
