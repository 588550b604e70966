"""A map of 32-bit registers: one table, from which come the decoder, the manifest and the host's driver."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from amaranth import *
from amaranth.hdl import ValueLike

__all__ = ["Register", "counter_registers", "counter_values", "decode", "identity", "joined"]


@dataclass(frozen=True)
class Register:
    """A 32-bit register: byte address, ``r`` or ``rw``, what it is, and its fields as name: (low bit, width)."""

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


def counter_values(engine, names) -> dict[str, Value]:
    """What the registers of `counter_registers` show of an engine with members of those names."""
    values = {}
    for name in names:
        count = getattr(engine, name)
        values |= {f"{name}_low": count[:32], f"{name}_high": count[32:]}
    return values


def joined(register: Register, **values: int) -> int:
    """The value of a register from those of its fields."""
    return sum(values[name] << low for name, (low, _) in register.fields.items())


def decode(m: Module, port, registers: Mapping[str, Register], values: Mapping[str, ValueLike]) -> Iterator[str]:
    """Decode the accesses of a port.

    Yields the name of each register within its case of the address, to say what a write to it does; all must be taken.
    A register without a value reads as 0; one that is only read, or does not exist, refuses to be written.

    Parameters
    ----------
    m : Module
        Of the port's parent.
    port : AxiLitePort
        A submodule of it.
    registers : mapping of str to Register
        The map.
    values : mapping of str to value
        What registers show.
    """
    with m.Switch(port.address):
        for name, register in registers.items():
            with m.Case(register.address >> 2):
                m.d.comb += port.value.eq(values.get(name, 0))
                m.d.comb += port.write_error.eq(register.access == "r")
                yield name
        with m.Default():
            m.d.comb += [port.write_error.eq(1), port.read_error.eq(1)]
