"""Register layout of tiles: maps each element to a thread's register, so that kernels only load, issue and store.

A warp is eight groups g of four threads t. In ``mma.sync`` a 32-bit register r holds e neighbours along a row of A (a
column of B). Registers first advance by 8 rows, then by 4 e columns::

    A   row g + 8 (r % 2), columns e t + 4 e (r // 2) ..      r0 r2
    B   rows e t + 4 e r .., column g                         r1 r3
    D   row g + 8 (r // 2), column 2 t + r % 2                e = 2: row g + 8 r, columns 2 t ..

``wgmma`` stacks four such A and D, one per warp; its B lies in shared memory as blocks of 8 columns x 16 bytes of k,
with each column's bytes contiguous. ``wmma`` loads and stores by itself, A and D by rows and B by columns.

Source: NVIDIA, PTX ISA 8.5, "Matrix fragments for mma", "Register fragments and shared memory matrix layouts" of wgmma.
"""

from dataclasses import dataclass

import numpy as np

from .instructions import Instruction

__all__ = ["Fragments", "fragments"]


@dataclass(frozen=True)
class Fragments:
    """Register layout of A, B and D; C has the layout of D.

    Attributes
    ----------
    a, b, d : (threads, registers, e) int64 arrays
        Index into the flattened (m, k), (k, n) or (m, n) tile of each element of a thread's register: e elements in 32
        bits, the first in the LSBs. For wgmma's B and for wmma, a "thread" is merely the one that copies the word.
    """

    a: np.ndarray
    b: np.ndarray
    d: np.ndarray

    def pack(self, role: str, tiles: np.ndarray) -> np.ndarray:
        """Pack tiles into registers.

        Parameters
        ----------
        role : "a", "b" or "d"
            Matrix; use "d" for C.
        tiles : (count, rows, columns) array
            Elements of 8, 16 or 32 bits.

        Returns
        -------
        (count, threads, registers) uint32 array
        """
        index = getattr(self, role)
        flat = tiles.reshape(len(tiles), -1)[:, index.reshape(-1)]
        little = np.ascontiguousarray(flat, flat.dtype.newbyteorder("<")).view("<u4")
        return little.astype(np.uint32).reshape(len(tiles), *index.shape[:2])

    def unpack(self, role: str, registers: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Unpack registers into tiles, as bit patterns.

        Parameters
        ----------
        role : "a", "b" or "d"
            Matrix.
        registers : (count, threads, registers) uint32 array
            As returned by `pack`.
        shape : (int, int)
            Rows and columns of a tile.

        Returns
        -------
        (count, rows, columns) uint8, uint16 or uint32 array
        """
        index = getattr(self, role)
        width = 4 // index.shape[2]
        flat = np.ascontiguousarray(registers, "<u4").reshape(len(registers), -1).view(f"<u{width}")
        tiles = np.empty(flat.shape, f"u{width}")
        tiles[:, index.reshape(-1)] = flat
        return tiles.reshape(len(registers), *shape)


def fragments(instruction: Instruction) -> Fragments:
    """Return the register layout of an instruction."""
    m, n, k = instruction.m, instruction.n, instruction.k
    in_word, out_word = 32 // instruction.operand_width, 32 // instruction.out_width
    if instruction.kind == "wmma":
        columns = np.arange(k * n).reshape(k, n).T
        return Fragments(*(
            np.reshape(order, (32, -1, word))
            for order, word in ((np.arange(m * k), in_word), (columns, in_word), (np.arange(m * n), out_word))
        ))  # fmt: skip
    return Fragments(
        _a(m, k, in_word, instruction.threads),
        _shared_b(k, n, in_word) if instruction.kind == "wgmma" else _b(k, n, in_word),
        _d(m, n, out_word, instruction.threads),
    )


def _axes(threads: int, registers: int, word: int) -> tuple[np.ndarray, ...]:
    """Warp, group, thread in the group, register and element index, as broadcastable arrays."""
    thread, register, element = np.ogrid[:threads, :registers, :word]
    return thread // 32, thread % 32 // 4, thread % 4, register, element


def _a(m: int, k: int, word: int, threads: int) -> np.ndarray:
    warp, group, thread, register, element = _axes(threads, m * k // (threads * word), word)
    # A tile of 8 rows has only one half.
    halves = m * 32 // (8 * threads)
    row = 16 * warp + group + 8 * (register % halves)
    return row * k + word * thread + 4 * word * (register // halves) + element


def _b(k: int, n: int, word: int) -> np.ndarray:
    _, group, thread, register, element = _axes(32, k * n // (32 * word), word)
    return (word * thread + 4 * word * register + element) * n + group


def _shared_b(k: int, n: int, word: int) -> np.ndarray:
    index = np.arange(k * n)
    # 4 words of a column are 16 bytes; 8 such columns are a block.
    block, column, depth = index // (4 * word * 8), index // (4 * word) % 8, index % (4 * word)
    return ((4 * word * block + depth) * n + column).reshape(-1, 1, word)


def _d(m: int, n: int, word: int, threads: int) -> np.ndarray:
    warp, group, thread, register, element = _axes(threads, m * n // (threads * word), word)
    # Two neighbours share one register, or take two.
    pair, side = (register, element) if word == 2 else (register // 2, register % 2)
    return (16 * warp + group + 8 * pair) * n + 2 * thread + side
