"""Floating-point formats: field widths and limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ..checks import integer, show

__all__ = ["FORMATS", "Format"]


@dataclass(frozen=True)
class Format:
    """A floating-point format of sign, exponent and fraction, from the MSB down; any bits below are spare::

        s eeee fff.. 000..

    Spare bits are ignored on input and zero on output.

    Parameters
    ----------
    exponent_bits : int
        Width of the exponent, 2..8.
    fraction_bits : int
        Width of the fraction, without the leading 1, 1..23.
    width : int
        Width of a bit pattern: 8, 16 or 32.
    infinities : bool
        Whether the top exponent is reserved for infinities and NaNs. If not, it is an ordinary exponent and only the
        all-ones pattern is a NaN.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer or out of range, or the parts do not fit the width.
    """

    exponent_bits: int
    fraction_bits: int
    width: int
    infinities: bool = True

    def __post_init__(self):
        for name, bounds in (("exponent_bits", (2, 8)), ("fraction_bits", (1, 23)), ("width", (8, 32))):
            object.__setattr__(self, name, integer(name, getattr(self, name), bounds))
        if not isinstance(self.infinities, bool):
            raise TypeError(f"infinities {show(self.infinities)} is not a bool; use True or False")
        if self.width not in (8, 16, 32):
            raise ValueError(f"width {self.width} is not the size of a NumPy integer; use 8, 16 or 32")
        if self.spare_bits < 0:
            raise ValueError(
                f"width {self.width} is too small for a sign, {self.exponent_bits} exponent bits and "
                f"{self.fraction_bits} fraction bits; use at least {self.width - self.spare_bits}"
            )

    @property
    def bias(self) -> int:
        """Exponent bias: the exponent field of 1.0."""
        return 2 ** (self.exponent_bits - 1) - 1

    @property
    def min_exponent(self) -> int:
        """Exponent of the smallest normal number and of all subnormals."""
        return 1 - self.bias

    @property
    def smallest_exponent(self) -> int:
        """Exponent of the smallest subnormal."""
        return self.min_exponent - self.fraction_bits

    @property
    def spare_bits(self) -> int:
        """Number of unused bits below the fraction."""
        return self.width - 1 - self.exponent_bits - self.fraction_bits

    @property
    def dtype(self) -> np.dtype:
        """NumPy type of a bit pattern."""
        return np.dtype(f"uint{self.width}")

    @property
    def nan(self) -> int:
        """Canonical NaN pattern: positive, all ones."""
        return (2 ** (self.exponent_bits + self.fraction_bits) - 1) << self.spare_bits

    @property
    def overflow(self) -> int:
        """Unsigned pattern of an overflow: infinity, or NaN in a format without infinities."""
        return (2**self.exponent_bits - 1) << (self.width - 1 - self.exponent_bits) if self.infinities else self.nan

    @property
    def largest(self) -> int:
        """Pattern of the largest finite number, the one below `overflow`."""
        return self.overflow - (1 << self.spare_bits)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "fp32": Format(8, 23, 32),
        "tf32": Format(8, 10, 32),
        "fp16": Format(5, 10, 16),
        "bf16": Format(8, 7, 16),
        "e4m3": Format(4, 3, 8, infinities=False),
        "e5m2": Format(5, 2, 8),
    }
)
"""Formats by name. TF32 is FP32 with its low 13 bits ignored; E4M3 has no infinities (Micikevicius et al.,
arXiv 2209.05433)."""
