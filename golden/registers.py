"""Map of 32-bit registers, shared by the hardware decoder, the manifest and drivers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Register", "counter_registers", "identity", "joined"]


@dataclass(frozen=True)
class Register:
    """A 32-bit register.

    Attributes
    ----------
    address : int
        Byte address.
    access : str
        ``r`` or ``rw``.
    text : str
        Description for the manifest.
    fields : dict
        Field name to LSB position and width in bits.
    """

    address: int
    access: str
    text: str
    fields: dict[str, tuple[int, int]] = field(default_factory=dict)


def identity(letters: str) -> int:
    """Encode four letters as a 32-bit register value, the first letter in the most significant byte."""
    return int.from_bytes(letters.encode(), "big")


def counter_registers(texts: Mapping[str, str], address: int) -> dict[str, Register]:
    """Registers ``<name>_low`` and ``<name>_high`` of each counter, from `address` up; `texts` describes them."""
    return {
        f"{name}_{part}": Register(address + 8 * n + 4 * high, "r", f"{text}, {part} word")
        for n, (name, text) in enumerate(texts.items())
        for high, part in enumerate(("low", "high"))
    }


def joined(register: Register, **values: int) -> int:
    """Assemble a register value from its field values."""
    return sum(values[name] << low for name, (low, _) in register.fields.items())
