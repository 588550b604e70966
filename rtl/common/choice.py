"""Multiplexers, alone or in front of an adder, in the smallest form that the FPGA family offers."""

from collections.abc import Sequence

from amaranth import *
from tercet.rtl.emit import shared
from tercet.rtl.primitives.ccu2c import AddChosen, AddInverted, AddTernary
from tercet.rtl.primitives.pfumx import ChooseOfFour

__all__ = ["add_chosen", "add_inverted", "add_ternary", "choose"]


def add_chosen(
    m: Module, name: str, family: str, term: Value, choice: Value, chosen: Value, otherwise: Value, width: int
) -> Signal:
    """Compute ``term + (choice ? chosen : otherwise)``, truncated to `width` bits; combinational.

    Parameters
    ----------
    m : Module
        Module to add to.
    name : str
        Name of the sum and prefix of the submodule's name.
    family : "any", "ecp5" or "ice40"
        FPGA family.
    """
    total = Signal(width, name=name)
    if family == "ecp5":
        m.submodules[f"{name}_adder"] = adder = shared(AddChosen, width=width)
        m.d.comb += [adder.a.eq(term), adder.b.eq(otherwise), adder.c.eq(chosen), adder.choice.eq(choice)]
        m.d.comb += total.eq(adder.o)
    else:
        m.d.comb += total.eq(term + Mux(choice, chosen, otherwise))
    return total


def add_inverted(m: Module, name: str, family: str, a: Value, b: Value, invert: Value, width: int) -> Signal:
    """Compute ``a + (invert ? ~b : b)``, both extended to `width` bits first; combinational. See `add_chosen`."""
    total = Signal(width, name=name)
    if family == "ecp5":
        m.submodules[f"{name}_adder"] = adder = shared(AddInverted, width=width)
        m.d.comb += [adder.a.eq(a), adder.b.eq(b), adder.invert.eq(invert), total.eq(adder.o)]
    else:
        extended = Signal(width, name=f"{name}_term")
        m.d.comb += [extended.eq(b), total.eq(a + (extended ^ invert.replicate(width)))]
    return total


def add_ternary(m: Module, name: str, family: str, a: Value, b: Value, weight: Value, width: int) -> Signal:
    """Compute ``a + b * weight`` with a weight of -1, 0 or 1 in two bits, truncated to `width`. See `add_chosen`."""
    total = Signal(width, name=name)
    if family == "ecp5":
        m.submodules[f"{name}_adder"] = adder = shared(AddTernary, width=width)
        m.d.comb += [adder.a.eq(a), adder.b.eq(b), adder.weight.eq(weight), total.eq(adder.o)]
    else:
        base, term = Signal(width, name=f"{name}_base"), Signal(width, name=f"{name}_term")
        m.d.comb += base.eq(a)
        m.d.comb += term.eq((b ^ weight[1].replicate(len(b)).as_signed()) & weight[0].replicate(width).as_signed())
        # One carry chain: the carry into its lowest bit completes the negation.
        both = Cat(Const(1, 1), base) + Cat(weight[1], term)
        m.d.comb += total.eq(both[1:])
    return total


def choose(m: Module, name: str, family: str, values: Sequence[Value], choice: Value) -> Signal:
    """Select ``values[choice]``, unsigned; combinational. See `add_chosen`."""
    width = max(len(value) for value in values)
    chosen = Signal(width, name=name)
    if family == "ecp5" and len(values) == 4:
        m.submodules[f"{name}_choice"] = part = shared(ChooseOfFour, width=width)
        m.d.comb += [getattr(part, f"i{n}").eq(value) for n, value in enumerate(values)]
        m.d.comb += [part.choice.eq(choice), chosen.eq(part.o)]
    else:
        m.d.comb += chosen.eq(Array(values)[choice])
    return chosen
