"""Normalisation for IEEE 754: shifts the leading 1 to the top, but not below the minimum exponent."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.pipeline import register
from tercet.rtl.common.shift import shift_groups_left, shift_left

__all__ = ["FloatNormalise"]

_FINE = 3  # bits of a shift within a group
_GROUP = 2**_FINE


class FloatNormalise(wiring.Component):
    """Shift left by the number of leading zeros, or until the exponent reaches 0::

        leading   per group of 8 bits: it has a 1, or the exponent ends in it; its leading zeros
        coarse    shift by the groups before the first of these
        fine      shift by 0 to 7: by the leading zeros of that group, or by the rest of the exponent

    Parameters
    ----------
    width : int
        Width of the significand in bits, up to 32.
    limited : bool
        Whether the exponent can be less than the number of leading zeros. If not, the check is left out.
    family : "any", "ecp5" or "ice40"
        FPGA family.

    Members
    -------
    value : In(width)
        Significand to shift.
    exponent : In(8)
        Its exponent; each bit shifted takes 1 from it, down to 0.
    significand : Out(width)
        `value`, shifted; `latency` clocks later, like the other outputs.
    lowered : Out(8)
        `exponent` less the shift; 0 if `value` is zero.
    zero : Out(1)
        `value` is zero.
    """

    def __init__(self, *, width: int, limited: bool = True, family: str = "any"):
        if not 1 <= width <= 32:
            raise ValueError(f"Significand width {width} is out of range; use 1 to 32")
        self.limited, self.family = limited, family
        super().__init__(
            {
                "value": In(width),
                "exponent": In(8),
                "significand": Out(width),
                "lowered": Out(8),
                "zero": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from `value` to the outputs."""
        return 3

    def elaborate(self, platform) -> Module:
        m = Module()
        width = len(self.value)
        groups = -(-width // _GROUP)
        # Most significant group first; the last one is padded with zeros.
        filled = Cat(Const(0, groups * _GROUP - width), self.value)
        parts = [filled[n * _GROUP :][:_GROUP] for n in reversed(range(groups))]
        ends = [(self.exponent[_FINE:] == n) & self.limited for n in range(groups)]
        # A group counts if it has a 1, or if the exponent ends in it.
        s1_counts = [register(m, f"s1_counts_{n}", part.any() | ends[n]) for n, part in enumerate(parts[:-1])]
        s1_zeros = [register(m, f"s1_zeros_{n}", _zeros(m, n, part)) for n, part in enumerate(parts)]
        s1_ends = [register(m, f"s1_end_{n}", end) for n, end in enumerate(ends)]
        s1_value, s1_exponent = register(m, "s1_value", self.value), register(m, "s1_exponent", self.exponent)
        s2_some = register(m, "s2_some", self.value.any(), 2)

        group, zeros, end = Signal(2, name="group"), Signal(_FINE, name="zeros"), Signal(name="end")
        m.d.comb += [group.eq(groups - 1), zeros.eq(s1_zeros[-1]), end.eq(s1_ends[-1])]
        for n in reversed(range(groups - 1)):
            with m.If(s1_counts[n]):
                m.d.comb += [group.eq(n), zeros.eq(s1_zeros[n]), end.eq(s1_ends[n])]
        s2_value = register(m, "s2_value", shift_groups_left(m, "whole", self.family, s1_value, group))
        s2_exponent, s2_group = register(m, "s2_exponent", s1_exponent), register(m, "s2_group", group)
        s2_zeros, s2_end = register(m, "s2_zeros", zeros), register(m, "s2_end", end)

        left = s2_exponent[:_FINE]
        short, by = Signal(name="short"), Signal(_FINE, name="by")
        m.d.comb += [short.eq(s2_end & (left < s2_zeros)), by.eq(Mux(short, left, s2_zeros))]
        lowered = Signal(8, reset_less=True)
        m.d.sync += lowered.eq(s2_exponent - Cat(s2_zeros, s2_group))
        with m.If(short | ~s2_some):
            m.d.sync += lowered.eq(0)
        m.d.comb += [
            self.significand.eq(register(m, "s3_value", shift_left(m, "shifted", self.family, s2_value, by))),
            self.lowered.eq(lowered),
            self.zero.eq(register(m, "s3_zero", ~s2_some)),
        ]
        return m


def _zeros(m: Module, n: int, part: Value) -> Signal:
    """Leading zeros of a group; 7 if it has no 1."""
    zeros = Signal(_FINE, name=f"zeros_{n}", init=_GROUP - 1)
    for index in range(1, _GROUP):
        with m.If(part[index]):
            m.d.comb += zeros.eq(_GROUP - 1 - index)
    return zeros
