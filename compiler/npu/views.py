"""Strided views of the unified buffer, so reshapes and slices need only address arithmetic."""

import math
from dataclasses import dataclass, replace

from tercet.golden.networks.operators.base import Shape

__all__ = ["Storage", "View", "picture"]


def picture(shape: Shape) -> tuple[int, int, int]:
    """Return (rows, columns, channels) of a tensor with a leading batch; further leading axes merge into rows."""
    sample = (1, 1, *shape[1:])
    return math.prod(sample[:-2]), sample[-2], sample[-1]


@dataclass(eq=False)
class Storage:
    """Allocation in the unified buffer.

    Attributes
    ----------
    size : int
        Size in bytes.
    first, last : int
        First and last operator of its lifetime.
    address : int
        Address of its first byte; -1 before allocation.
    name : str
        Name of its tensor.
    """

    size: int
    first: int
    last: int
    address: int = -1
    name: str = ""


@dataclass(frozen=True, eq=False)
class View:
    """Strided feature map within a storage.

    Attributes
    ----------
    storage : Storage
        Underlying storage.
    offset : int
        Offset of its first byte in the storage.
    row, pixel : int
        Row pitch and pixel pitch in bytes.
    rows, cols, channels : int
        Dimensions.
    """

    storage: Storage
    offset: int
    row: int
    pixel: int
    rows: int
    cols: int
    channels: int

    @classmethod
    def dense(cls, storage: Storage, rows: int, cols: int, channels: int, offset: int = 0) -> "View":
        """Return a view without gaps."""
        return cls(storage, offset, cols * channels, channels, rows, cols, channels)

    @property
    def is_dense(self) -> bool:
        """Whether it has no gaps; the pitch of an axis of length 1 is irrelevant."""
        pixels = self.cols == 1 or self.pixel == self.channels
        return pixels and (self.rows == 1 or self.row == self.cols * self.channels)

    @property
    def address(self) -> int:
        """Address of its first byte in the buffer."""
        return self.storage.address + self.offset

    @property
    def size(self) -> int:
        """Size in bytes, without gaps."""
        return self.rows * self.cols * self.channels

    def part(self, rows: slice, cols: slice, channels: slice) -> "View":
        """Return a sub-view; slices need start and stop, steps are at least 1, and exactly 1 for channels."""
        count = [len(range(*each.indices(1 << 30))) for each in (rows, cols, channels)]
        return replace(
            self,
            offset=self.offset + rows.start * self.row + cols.start * self.pixel + channels.start,
            row=self.row * (rows.step or 1),
            pixel=self.pixel * (cols.step or 1),
            rows=count[0],
            cols=count[1],
            channels=count[2],
        )

    def reshaped(self, rows: int, cols: int, channels: int) -> "View":
        """Return a dense view of the same bytes with other dimensions."""
        return View.dense(self.storage, rows, cols, channels, self.offset)

    def flat(self, start: int, rows: int, cols: int, channels: int) -> "View":
        """Return a dense view of a part of a dense view, from byte `start` on."""
        return View.dense(self.storage, rows, cols, channels, self.offset + start)

    def broadcast(self, rows: int, cols: int) -> "View":
        """Return a view with more rows or columns, which repeat an axis of length 1."""
        return replace(
            self,
            row=self.row if self.rows == rows else 0,
            pixel=self.pixel if self.cols == cols else 0,
            rows=rows,
            cols=cols,
        )
