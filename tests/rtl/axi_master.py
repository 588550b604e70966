"""Cocotb side common to all AXI tests: an independent AXI4-Lite master, and stream sources and sinks that pause."""

import itertools
import random

import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamSink, AxiStreamSource


class Registers:
    """Access registers by name through an AXI4-Lite master."""

    def __init__(self, dut, registers):
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        self._registers = registers

    async def write(self, name, value):
        return (await self.master.write(self._registers[name].address, int(value).to_bytes(4, "little"))).resp

    async def read(self, name):
        return int.from_bytes((await self.master.read(self._registers[name].address, 4)).data, "little")


def _pauses(seed):
    generator = random.Random(seed)
    return (generator.random() < 0.3 for _ in itertools.count())


def padded(beats, bus_bytes):
    """Pad beats (..., lanes) to bytes (beats, bus_bytes), the width of ``tdata``."""
    lanes = np.ascontiguousarray(beats)
    rows = lanes.view(np.uint8).reshape(-1, lanes.shape[-1] * lanes.itemsize)
    return np.pad(rows, ((0, 0), (0, bus_bytes - rows.shape[1])))


async def start(dut, registers, inputs, outputs):
    """Reset the engine; return its registers, and sources and sinks by name."""
    Clock(dut.clk, 10, unit="ns").start()
    port = Registers(dut, registers)
    sources = {n: AxiStreamSource(AxiStreamBus.from_prefix(dut, f"s_axis_{n}"), dut.clk, dut.rst) for n in inputs}
    sinks = {n: AxiStreamSink(AxiStreamBus.from_prefix(dut, f"m_axis_{n}"), dut.clk, dut.rst) for n in outputs}
    for seed, stream in enumerate([*sources.values(), *sinks.values()]):
        stream.set_pause_generator(_pauses(seed))
    dut.rst.value = 1
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    return port, sources, sinks
