"""Parameters of a dot-product unit: widths, a common scale of exponents, placement of the pipeline registers."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

from amaranth import *
from tercet.golden.numerics.floats import FORMATS, Format
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.common.pipeline import register

__all__ = ["Plan"]

# Delay of a step on an ECP5 in ns, without that of a register; numbered steps have this delay each.
_DELAYS = {
    "exponent": 3.4,
    "compare": 2.8,
    "select": 1.8,
    "maximum": 3.8,
    "distance": 2.8,
    "coarse": 2.4,
    "fine": 2.8,
    "add": 3.2,
    "negate": 3.8,
    "leading": 2.6,
    "normalise": 2.6,
    "pack": 4.0,
}
_MULTIPLIER = 3  # registers inside the multiplier, which significands pass before the coarse shift


@dataclass(frozen=True)
class Plan:
    """Widths, exponents and pipeline of a dot-product unit.

    All exponents are on one scale that is never negative. A product's is the sum of its factors' biased exponents with
    a constant bit above; the addend's has a constant added. `origin` stands for 2**0.

    A term is a magnitude of ``fraction_bits`` fraction bits and two integer bits, which hold any product, in [0, 4)::

        term   i i . f f f ... f          sum   s i i i i i . f f f ... f
                     `fraction_bits`            top ^

    Parameters
    ----------
    config : TensorCoreConfig
        Configuration of the engine.

    Raises
    ------
    ValueError
        If only the golden model supports `config`, or ``l`` is not a power of two of at least 2; in `registers`, if
        ``pipeline`` is out of range for ``l``.
    """

    config: TensorCoreConfig

    def __post_init__(self):
        config = self.config
        if config.unlimited:
            raise ValueError("fraction_bits 0 (keep all) is for the golden model only; use 13 to 25 for example")
        if config.emulated:
            raise ValueError("fp8 'mma_sync' is for the golden model only; use native, as in presets ada and hopper")
        if config.l < 2 or config.l & (config.l - 1):
            raise ValueError(f"l {config.l} is not a size of an adder tree; use 2, 4, 8, 16 or 32")

    @property
    def a_width(self) -> int:
        """Bits of a pattern of A."""
        return 8 if self.config.integers else self.a.width

    @property
    def b_width(self) -> int:
        """Bits of a pattern of B."""
        return 8 if self.config.integers else self.b.width

    @property
    def c_width(self) -> int:
        """Bits of a pattern of C or D."""
        return 32 if self.config.integers else self.c.width

    @cached_property
    def a(self) -> Format:
        return FORMATS[self.config.a_format]

    @cached_property
    def b(self) -> Format:
        return FORMATS[self.config.b_format]

    @cached_property
    def c(self) -> Format:
        """Format of the addend and of the result."""
        return FORMATS[self.config.out_format]

    @property
    def product_width(self) -> int:
        """Bits of a product of significands."""
        return self.a.fraction_bits + self.b.fraction_bits + 2

    @property
    def product_fraction(self) -> int:
        """Fraction bits of a product."""
        return self.a.fraction_bits + self.b.fraction_bits

    @cached_property
    def product_exponents(self) -> range:
        """Exponents that a product can have, on the common scale."""
        low, high = self._product_base + 2, self._product_base + 2**self.a.exponent_bits + 2**self.b.exponent_bits - 2
        return range(low, high + 1)

    @cached_property
    def addend_exponents(self) -> range:
        """Exponents that the addend can have, on the common scale."""
        return range(self.addend_offset + 1, self.addend_offset + 2**self.c.exponent_bits)

    @cached_property
    def _product_base(self) -> int:
        """Power of two above the sum of two biased exponents; 0 if the addend's cannot be negative without it."""
        lacking = self.c.bias - self.a.bias - self.b.bias
        if lacking <= 0:
            return 0
        return 1 << max(self.product_exponent_width, (lacking - 1).bit_length())

    @cached_property
    def origin(self) -> int:
        """Exponent of 1 on the common scale."""
        return self._product_base + self.a.bias + self.b.bias

    @cached_property
    def addend_offset(self) -> int:
        """Offset from the addend's biased exponent to the common scale."""
        return self.origin - self.c.bias

    @cached_property
    def floor(self) -> int | None:
        """Lower bound of the largest exponent, on the common scale; None if it has no effect."""
        low = self.config.min_exponent
        return self.origin + low if low is not None and self.config.reaches_floor else None

    @cached_property
    def exponent_width(self) -> int:
        """Bits of an exponent on the common scale."""
        return max(self.product_exponents[-1], self.addend_exponents[-1]).bit_length()

    @property
    def product_exponent_width(self) -> int:
        """Bits of the sum of two biased exponents."""
        return 1 + max(self.a.exponent_bits, self.b.exponent_bits)

    def common(self, exponent: Value) -> Value:
        """A product's exponent on the common scale."""
        base = Const(self._product_base >> len(exponent), self.exponent_width - len(exponent))
        return Cat(exponent, base)

    @property
    def term_width(self) -> int:
        """Bits of an aligned magnitude."""
        return self.config.fraction_bits + 2

    @cached_property
    def sum_width(self) -> int:
        """Bits of the magnitude of a sum."""
        return self.config.fraction_bits + (4 * self.config.l + 1).bit_length()

    @property
    def kept(self) -> int:
        """Bits of a result's significand."""
        return self.config.out_fraction_bits + 1

    @property
    def rounds(self) -> bool:
        """Whether results are rounded to nearest even, not truncated."""
        return self.config.out_format == "fp16"

    @cached_property
    def _room(self) -> int:
        """Bits above a sum, for its right shift where the exponent would be below 1.

        At most the bits kept and one for half an LSB: nothing is left of a sum that is shifted further.
        """
        lowest = self._least(self.product_exponents) - self.addend_offset + self._sum_top
        return min(max(0, 1 - lowest), self.kept + 1)

    def _least(self, exponents: range) -> int:
        """Smallest of these exponents, no lower than the floor."""
        return max(exponents[0], exponents[0] if self.floor is None else self.floor)

    @property
    def _sum_top(self) -> int:
        """Exponent of a sum's MSB, relative to that of its terms."""
        return self.sum_width - 1 - self.config.fraction_bits

    @property
    def field_width(self) -> int:
        """Bits to normalise: a sum and the room above it."""
        return self.sum_width + self._room

    @property
    def top_offset(self) -> int:
        """Offset from the terms' exponent on the common scale to the biased exponent of the field's MSB."""
        return self._sum_top + self._room - self.addend_offset

    @property
    def lowest_top(self) -> int:
        """Smallest exponent of the field's MSB if a product is not zero."""
        return self._least(self.product_exponents) + self.top_offset

    @property
    def addend_top(self) -> int:
        """Exponent of the field's MSB if the only non-zero term is an addend that is subnormal or below the floor."""
        return self._least(self.addend_exponents) + self.top_offset

    @cached_property
    def top_shape(self) -> Shape:
        """Shape of the exponent of the field's MSB before the shift."""
        least = min(self._least(self.product_exponents), self._least(self.addend_exponents))
        most = max(self.product_exponents[-1], self.addend_exponents[-1])
        return Shape.cast(range(least + self.top_offset, most + self.top_offset + 1))

    @property
    def result_width(self) -> int:
        """Bits of a result's exponent before the overflow check; it is positive if there is a leading 1."""
        return (max(self.product_exponents[-1], self.addend_exponents[-1]) + self.top_offset).bit_length()

    @property
    def levels(self) -> int:
        """Levels of a tree over the products."""
        return (self.config.l - 1).bit_length()

    @cached_property
    def steps(self) -> tuple[str, ...]:
        """Steps from operands to result, in order; a register can follow each."""
        if self.config.integers:
            adders = (f"add_{n}" for n in range(1, self.levels + 1))
            return ("multiply_1", "multiply_2", "multiply_3", *adders, "add_c", "pack")
        levels = range(2, self.levels + 1)
        front = ("exponent", "compare", "select", *(f"maximum_{n}" for n in levels), "distance")
        adders = (f"add_{n}" for n in range(1, self.levels + 1))
        return (*front, "coarse", "fine", *adders, "add_c", "negate", "leading", "normalise", "pack")

    @cached_property
    def registers(self) -> frozenset[str]:
        """Steps followed by a register: ``pipeline`` of them, so as to balance the delays of the stages."""
        if self.config.integers:
            inside, rest = self.steps[:_MULTIPLIER], self.steps[_MULTIPLIER:]
            ends = _cut(rest, self.config.pipeline - _MULTIPLIER, _MULTIPLIER)
            ends = ends and inside + ends
        else:
            ends = _cut(self.steps, self.config.pipeline)
        if ends is None:
            raise ValueError(
                f"pipeline {self.config.pipeline} is out of range for l {self.config.l}; use {_MULTIPLIER + 1} to "
                f"{len(self.steps)}"
            )
        return frozenset(ends)

    def clocks(self, *steps: str) -> int:
        """Registers after the steps from the first to the last of these, inclusive."""
        first, last = self.steps.index(steps[0]), self.steps.index(steps[-1])
        return sum(step in self.registers for step in self.steps[first : last + 1])

    def behind(self, m: Module, step: str, name: str, value: Value) -> Value:
        """The value after a step, registered if a register follows the step."""
        return register(m, name, value) if step in self.registers else value


@lru_cache
def _cut(steps: tuple[str, ...], parts: int, passed: int = 0) -> tuple[str, ...] | None:
    """Last step of each of `parts` stages, with the longest stage as short as possible; None if there is no such cut.

    `passed` registers precede these steps.
    """
    if parts < 1 or len(steps) < parts:
        return None
    best = None
    for count in range(1, len(steps) - parts + 2):
        if passed < _MULTIPLIER and "coarse" in steps[:count]:
            break
        rest = _cut(steps[count:], parts - 1, passed + 1) if parts > 1 else () if count == len(steps) else None
        if rest is not None:
            ends = (steps[count - 1], *rest)
            if best is None or _lengths(steps, ends) < _lengths(steps, best):
                best = ends
    return best


def _lengths(steps: tuple[str, ...], ends: tuple[str, ...]) -> list[float]:
    """Delays of the stages in ns, longest first."""
    lengths, start = [], 0
    for end in ends:
        stop = steps.index(end) + 1
        lengths.append(sum(_DELAYS[step.split("_")[0]] for step in steps[start:stop]))
        start = stop
    return sorted(lengths, reverse=True)
