"""Where tensors lie in the unified buffer: views of storages, so that reshapes and slices are addresses only."""

import math
from dataclasses import dataclass, replace

from tercet.golden.networks.operators.base import Shape

__all__ = ["Storage", "View", "picture"]


def picture(shape: Shape) -> tuple[int, int, int]:
    """Rows, pixels and channels of a tensor with a batch in front: leading axes are thrown together into rows."""
    sample = (1, 1, *shape[1:])
    return math.prod(sample[:-2]), sample[-2], sample[-1]


@dataclass(eq=False)
class Storage:
    """Bytes of the unified buffer.

    Attributes
    ----------
    size : int
        Bytes.
    first, last : int
        Instructions between which its content counts.
    address : int
        Its first byte, once it is allocated.
    name : str
        Tensor it was made for.
    """

    size: int
    first: int
    last: int
    address: int = -1
    name: str = ""


@dataclass(frozen=True, eq=False)
class View:
    """A picture inside a storage.

    Attributes
    ----------
    storage : Storage
        Where it lies.
    offset : int
        Of its first byte.
    row, pixel : int
        Bytes from a row to the next, from a pixel to the next.
    rows, cols, channels : int
        Its size.
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
        """One without gaps."""
        return cls(storage, offset, cols * channels, channels, rows, cols, channels)

    @property
    def is_dense(self) -> bool:
        """Whether it has no gaps: pitches of lengths of 1 do not count."""
        pixels = self.cols == 1 or self.pixel == self.channels
        return pixels and (self.rows == 1 or self.row == self.cols * self.channels)

    @property
    def address(self) -> int:
        """Its first byte in the buffer."""
        return self.storage.address + self.offset

    def part(self, rows: slice, cols: slice, channels: slice) -> "View":
        """Some rows, pixels and channels; slices with start, stop and a step of at least 1, for channels of 1."""
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
        """A dense one as a picture of another size."""
        return View.dense(self.storage, rows, cols, channels, self.offset)
