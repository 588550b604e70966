"""Shifts by up to 7 bits, in two choices, of four and of two; and by groups of 8, which leave the rest to these."""

from amaranth import *

from .choice import choose

__all__ = ["shift_groups_left", "shift_groups_right", "shift_left", "shift_right"]

_MOST = 7
_GROUP = 8


def shift_right(m: Module, name: str, family: str, value: Value, amount: Value, invert: Value | None = None) -> Signal:
    """``value >> amount``, of the same width; combinational, three tables a bit where the FPGA has choices of four.

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
    amount : Value
        3 bits.
    invert : Value or None
        Invert the result.
    """
    width = len(value)
    evens = Signal(width, name=f"{name}_evens")
    # Above, zeros come in: these bits have fewer than four sources.
    low = max(0, width - _MOST + 1)
    if low:
        values = [value[by : by + low] for by in (0, 2, 4, 6)]
        m.d.comb += evens[:low].eq(choose(m, f"{name}_of_four", family, values, amount[1:]))
    m.d.comb += evens[low:].eq(value[low:] >> (amount[1:] << 1))
    result = Signal(width, name=name)
    moved = Mux(amount[0], evens[1:], evens)
    m.d.comb += result.eq(moved if invert is None else moved ^ invert.replicate(width))
    return result


def shift_left(m: Module, name: str, family: str, value: Value, amount: Value) -> Value:
    """``value << amount``, cut to the same width; see `shift_right`."""
    return shift_right(m, name, family, value[::-1], amount)[::-1]


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
