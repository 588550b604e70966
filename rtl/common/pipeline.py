"""Pipeline registers in one line of code."""

from amaranth import *

__all__ = ["event", "register"]


def register(m: Module, name: str, value: Value, clocks: int = 1) -> Signal:
    """Delay a value by registers without reset, and return the last of them.

    Parameters
    ----------
    m : Module
        Module to add to.
    name : str
        Name of the last register; those before it get a numeric suffix.
    value : Value
        Value to register; its shape is kept.
    clocks : int
        Number of registers; with 0 the value itself is returned.

    Returns
    -------
    Signal or Value
        The last register, or the value.
    """
    return _chain(m, name, value, clocks, reset_less=True)


def event(m: Module, name: str, value: Value, clocks: int = 1) -> Signal:
    """Delay an event by registers that reset clears, as an event must not outlive a reset. See `register`."""
    return _chain(m, name, value, clocks, reset_less=False)


def _chain(m: Module, name: str, value: Value, clocks: int, *, reset_less: bool) -> Signal:
    for left in reversed(range(clocks)):
        signal = Signal(value.shape(), name=f"{name}_{left}" if left else name, reset_less=reset_less)
        m.d.sync += signal.eq(value)
        value = signal
    return value  # pyright: ignore[reportReturnType]
