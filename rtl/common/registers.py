"""Address decoder of a map of 32-bit registers, generated from its table."""

from collections.abc import Iterator, Mapping

from amaranth import *
from amaranth.hdl import ValueLike
from tercet.golden.registers import Register

__all__ = ["counter_values", "decode"]


def counter_values(counters, names) -> dict[str, Value]:
    """Map the registers of `tercet.golden.registers.counter_registers` to their values in a `counter_layout`."""
    values = {}
    for name in names:
        count = counters[name]
        values |= {f"{name}_low": count[:32], f"{name}_high": count[32:]}
    return values


def decode(m: Module, port, registers: Mapping[str, Register], values: Mapping[str, ValueLike]) -> Iterator[str]:
    """Decode the accesses of a port.

    Yields the name of each register within its case of the address, so that the caller can add the effects of a write;
    the iterator must be exhausted. A register without a value reads as 0. Writes to a read-only or unknown register are
    rejected, as are reads of an unknown one.

    Parameters
    ----------
    m : Module
        Module that contains the port.
    port : AxiLitePort
        Port, a submodule of `m`.
    registers : mapping of str to Register
        Register map.
    values : mapping of str to value
        Register values to read.
    """
    with m.Switch(port.address):
        for name, register in registers.items():
            with m.Case(register.address >> 2):
                m.d.comb += port.value.eq(values.get(name, 0))
                m.d.comb += port.write_error.eq(register.access == "r")
                yield name
        with m.Default():
            m.d.comb += [port.write_error.eq(1), port.read_error.eq(1)]
