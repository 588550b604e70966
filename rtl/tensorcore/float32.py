"""FP32 number as passed between rounded operators."""

from amaranth import *
from amaranth.lib import data

__all__ = ["Float32"]


class Float32(data.Struct):
    """FP32 bit pattern with flags that are known before the pattern.

    An operator that overflows or yields a NaN thus leaves its pattern unchanged, and the next one need not look for the
    leading 1. Only the last operator of a tree encodes infinities and NaNs.
    """

    fraction: 23  # pyright: ignore
    exponent: 8  # pyright: ignore
    """Biased. All ones is infinity, whatever the fraction."""
    sign: 1  # pyright: ignore
    normal: 1  # pyright: ignore
    """The exponent of a finite number is not 0: the significand has a leading 1."""
    infinite: 1  # pyright: ignore
    """Infinity with this sign, whatever the exponent."""
    nan: 1  # pyright: ignore
    """Not a number, whatever the other fields."""

    @property
    def magnitude(self) -> Value:
        """Magnitude of a finite number; compares as an unsigned integer."""
        return Cat(self.fraction, self.exponent)

    @property
    def scale(self) -> Value:
        """Biased exponent of a finite number; 1 for subnormal numbers and zero."""
        return Cat(self.exponent[0] | ~self.normal, self.exponent[1:])

    @property
    def unbounded(self) -> Value:
        """Infinite in either encoding."""
        return self.infinite | self.exponent.all()
