"""From a bit pattern to sign, exponent and significand."""

from typing import Any

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.numerics.floats import FORMATS
from tercet.rtl.emit import shared

__all__ = ["Kind", "Unpack", "number_layout", "take_apart"]


class Kind(data.Struct):
    """What a number is, in a form that is cheap to register: a gate behind it says the rest."""

    normal: 1  # pyright: ignore
    """The exponent is not 0."""
    some: 1  # pyright: ignore
    """The fraction is not 0."""
    special: 1  # pyright: ignore
    """Infinite, or not a number."""

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
    """A number taken apart, or an int8 as it is.

    The exponent is biased, and 1 for subnormal numbers and zero; the significand has its leading 1 unless the number is
    one of these. Both mean nothing if it is infinite or none.
    """
    if format == "int8":
        return signed(8)
    form = FORMATS[format]
    return data.StructLayout(
        {"sign": 1, "exponent": form.exponent_bits, "significand": form.fraction_bits + 1, "kind": Kind}
    )


class Unpack(wiring.Component):
    """Take a floating-point number apart, without a register.

    Parameters
    ----------
    format : str
        Its format, a name of `tercet.golden.numerics.floats.FORMATS`.

    Members
    -------
    pattern : In(format.width)
        Bit pattern.
    number : Out(number_layout(format))
        Its parts.
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
    """An array of patterns as one of numbers."""
    if format == "int8":
        return Value.cast(patterns)
    numbers = []
    for n in range(len(patterns)):
        m.submodules[f"unpack_{name}{n}"] = unpack = shared(Unpack, format=format)
        m.d.comb += unpack.pattern.eq(patterns[n])
        numbers.append(Value.cast(unpack.number))
    return Cat(numbers)
