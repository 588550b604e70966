"""Barrel shifts: by 0 to 7 bits as a 4:1 and a 2:1 multiplexer, and by 0 to 3 groups of 8 bits as a 4:1 multiplexer."""

from amaranth import *

from .choice import choose

__all__ = ["shift_groups_left", "shift_groups_right", "shift_left", "shift_right"]

_MOST = 7
_GROUP = 8


def shift_right(m: Module, name: str, family: str, value: Value, amount: Value, invert: Value | None = None) -> Signal:
    """Compute ``value >> amount`` at the width of `value`; combinational.

    Takes three lookup tables per bit where the FPGA has 4:1 multiplexers.

    Parameters
    ----------
    m : Module
        Module to add to.
    name : str
        Name of the result and prefix of the intermediate signals' names.
    family : "any", "ecp5" or "ice40"
        FPGA family.
    value : Value
        Value to shift.
    amount : Value
        Bits to shift by; 3 bits wide.
    invert : Value or None
        Invert the result.
    """
    width = len(value)
    evens = Signal(width, name=f"{name}_evens")
    # Zeros are shifted in at the top, so the bits above `low` have fewer than four sources.
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
    """Compute ``value << amount``, truncated to the width of `value`; see `shift_right`."""
    return shift_right(m, name, family, value[::-1], amount)[::-1]


def shift_groups_right(m: Module, name: str, family: str, value: Value, groups: Value) -> Signal:
    """Compute ``value >> 8 * groups`` at the width of `value`; combinational.

    Parameters
    ----------
    m : Module
        Module to add to.
    name : str
        Name of the result and prefix of the multiplexer's name.
    family : "any", "ecp5" or "ice40"
        FPGA family.
    value : Value
        Value to shift.
    groups : Value
        Groups of 8 bits to shift by; 2 bits wide.
    """
    width = len(value)
    result = Signal(width, name=name)
    # Zeros are shifted in at the top: the bits above `low` have one source or two, and fit one lookup table.
    low = max(0, width - 2 * _GROUP)
    if low:
        values = [value[by * _GROUP :][:low] for by in range(4)]
        m.d.comb += result[:low].eq(choose(m, f"{name}_of_four", family, values, groups))
    m.d.comb += result[low:].eq(Mux(groups[1], 0, Mux(groups[0], value[low + _GROUP :], value[low:])))
    return result


def shift_groups_left(m: Module, name: str, family: str, value: Value, groups: Value) -> Value:
    """Compute ``value << 8 * groups``, truncated to the width of `value`; see `shift_groups_right`."""
    return shift_groups_right(m, name, family, value[::-1], groups)[::-1]
