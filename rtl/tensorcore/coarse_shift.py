"""Shifts by whole groups of 8 bits, which leave the rest to the shifts by up to 7."""

from amaranth import *
from tercet.rtl.common.choice import choose

__all__ = ["shift_groups_left", "shift_groups_right"]

_GROUP = 8


def shift_groups_right(m: Module, name: str, family: str, value: Value, groups: Value) -> Signal:
    """``value >> 8 * groups``, of the same width; combinational.

    Parameters
    ----------
    m : Module
        Where.
    name : str
        Of the result, and of what is in between.
    family : "any", "ecp5" or "ice40"
        FPGA family.
    value : Value
        What to shift.
    groups : Value
        2 bits.
    """
    width = len(value)
    result = Signal(width, name=name)
    # Above, zeros come in: these bits have one source or two, and fit a table.
    low = max(0, width - 2 * _GROUP)
    if low:
        values = [value[by * _GROUP :][:low] for by in range(4)]
        m.d.comb += result[:low].eq(choose(m, f"{name}_of_four", family, values, groups))
    m.d.comb += result[low:].eq(Mux(groups[1], 0, Mux(groups[0], value[low + _GROUP :], value[low:])))
    return result


def shift_groups_left(m: Module, name: str, family: str, value: Value, groups: Value) -> Value:
    """``value << 8 * groups``, cut to the same width; see `shift_groups_right`."""
    return shift_groups_right(m, name, family, value[::-1], groups)[::-1]
