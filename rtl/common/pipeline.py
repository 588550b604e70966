"""Pipeline registers by the line."""

from amaranth import *

__all__ = ["event", "register"]


def register(m: Module, name: str, value: Value, clocks: int = 1) -> Signal:
    """Register a value, without reset, and give the register.

    Parameters
    ----------
    m : Module
        Where.
    name : str
        Name of the register; with more than one, those before the last have a number behind it.
    value : Value
        What to register, of its own shape.
    clocks : int
        Registers in a row; with 0 the value itself is given.

    Returns
    -------
    Signal or Value
        The last register, or the value.
    """
    return _chain(m, name, value, clocks, reset_less=True)


def event(m: Module, name: str, value: Value, clocks: int = 1) -> Signal:
    """As `register`, but reset empties it: for what starts something, and so must not outlive a reset."""
    return _chain(m, name, value, clocks, reset_less=False)


def _chain(m: Module, name: str, value: Value, clocks: int, *, reset_less: bool) -> Signal:
    for left in reversed(range(clocks)):
        signal = Signal(value.shape(), name=f"{name}_{left}" if left else name, reset_less=reset_less)
        m.d.sync += signal.eq(value)
        value = signal
    return value  # pyright: ignore[reportReturnType]
