"""A map of 32-bit registers: one table for the decoder in hardware, the manifest, and drivers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Register", "counter_registers", "identity", "joined"]


@dataclass(frozen=True)
class Register:
    """A 32-bit register.

    Attributes
    ----------
    address : int
        In bytes.
    access : str
        ``r`` or ``rw``.
    text : str
        Its meaning, for the manifest.
    fields : dict
        Name to lowest bit and width.
    """

    address: int
    access: str
    text: str
    fields: dict[str, tuple[int, int]] = field(default_factory=dict)


def identity(letters: str) -> int:
    """Four letters as the value of a register."""
    return int.from_bytes(letters.encode(), "big")


def counter_registers(texts: Mapping[str, str], address: int) -> dict[str, Register]:
    """Registers ``<name>_low`` and ``<name>_high`` of each counter, from `address` on; `texts` says what it counts."""
    return {
        f"{name}_{part}": Register(address + 8 * n + 4 * high, "r", f"{text}, {part} word")
        for n, (name, text) in enumerate(texts.items())
        for high, part in enumerate(("low", "high"))
    }


def joined(register: Register, **values: int) -> int:
    """The value of a register from those of its fields."""
    return sum(values[name] << low for name, (low, _) in register.fields.items())
