"""Unpacking of a bit pattern into sign, exponent and significand."""

from typing import Any

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.numerics.floats import FORMATS
from tercet.rtl.emit import shared

__all__ = ["Kind", "Unpack", "number_layout", "take_apart"]


class Kind(data.Struct):
    """Class of a number, encoded to be cheap to register: one gate derives each property."""

    normal: 1  # pyright: ignore
    """The exponent is not 0."""
    some: 1  # pyright: ignore
    """The fraction is not 0."""
    special: 1  # pyright: ignore
    """Infinite or a NaN."""

    @property
    def nonzero(self) -> Value:
        return self.normal | self.some

    @property
    def infinite(self) -> Value:
        return self.special & ~self.some

    @property
    def nan(self) -> Value:
        return self.special & self.some


def number_layout(format: str) -> Any:
    """Layout of an unpacked number; an int8 stays as it is.

    The exponent is biased, and 1 for subnormal numbers and zero; the significand has a leading 1 except for these. Both
    are meaningless for infinities and NaNs.
    """
    if format == "int8":
        return signed(8)
    form = FORMATS[format]
    return data.StructLayout(
        {"sign": 1, "exponent": form.exponent_bits, "significand": form.fraction_bits + 1, "kind": Kind}
    )


class Unpack(wiring.Component):
    """Unpack a floating-point number. Combinational.

    Parameters
    ----------
    format : str
        Format of the number, a key of `tercet.golden.numerics.floats.FORMATS`.

    Members
    -------
    pattern : In(format.width)
        Bit pattern.
    number : Out(number_layout(format))
        Unpacked number.
    """

    def __init__(self, *, format: str):
        self.format = FORMATS[format]
        super().__init__({"pattern": In(self.format.width), "number": Out(number_layout(format))})

    def elaborate(self, platform) -> Module:
        m = Module()
        form, number = self.format, self.number
        # TF32 has spare bits below.
        pattern = self.pattern[form.width - 1 - form.exponent_bits - form.fraction_bits :]
        fraction = pattern[: form.fraction_bits]
        exponent = pattern[form.fraction_bits : -1]
        kind = number.kind
        m.d.comb += [
            number.sign.eq(pattern[-1]),
            number.exponent.eq(Cat(exponent[0] | ~kind.normal, exponent[1:])),
            number.significand.eq(Cat(fraction, kind.normal)),
            kind.normal.eq(exponent.any()),
            kind.some.eq(fraction.any()),
            kind.special.eq(exponent.all() if form.infinities else pattern[:-1].all()),
        ]
        return m


def take_apart(m: Module, name: str, format: str, patterns: Any) -> Value:
    """Unpack an array of patterns into an array of numbers, the first in the least significant bits."""
    if format == "int8":
        return Value.cast(patterns)
    numbers = []
    for n in range(len(patterns)):
        m.submodules[f"unpack_{name}{n}"] = unpack = shared(Unpack, format=format)
        m.d.comb += unpack.pattern.eq(patterns[n])
        numbers.append(Value.cast(unpack.number))
    return Cat(numbers)
