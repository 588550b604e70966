"""An FP32 number on its way between rounded operators."""

from amaranth import *
from amaranth.lib import data

__all__ = ["Float32"]


class Float32(data.Struct):
    """A pattern, and beside it what is known of it before the pattern is.

    An operator that overflows or has no result then changes no bit of its pattern, and the next one need not look for
    its leading 1: only the last one of a tree writes infinities and NaNs as the format has them.
    """

    fraction: 23  # pyright: ignore
    exponent: 8  # pyright: ignore
    """Biased. All ones is infinity, whatever the fraction."""
    sign: 1  # pyright: ignore
    normal: 1  # pyright: ignore
    """A finite number's exponent is not 0: it has a leading 1."""
    infinite: 1  # pyright: ignore
    """Infinity of that sign, whatever the exponent."""
    nan: 1  # pyright: ignore
    """Not a number, whatever all the rest."""

    @property
    def magnitude(self) -> Value:
        """Orders finite numbers as they are without their signs."""
        return Cat(self.fraction, self.exponent)

    @property
    def scale(self) -> Value:
        """The biased exponent of a finite number, 1 for subnormal ones and zero."""
        return Cat(self.exponent[0] | ~self.normal, self.exponent[1:])

    @property
    def unbounded(self) -> Value:
        """Infinite in either form."""
        return self.infinite | self.exponent.all()
