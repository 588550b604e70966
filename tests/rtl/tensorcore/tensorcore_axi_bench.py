"""cocotb side of test_axi.py: tiles through independent AXI sources, and counter reads."""

import os

import cocotb
import numpy as np
from axi_master import padded, start
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiResp
from tercet.golden.tensorcore.engine import MODEL

STREAMS = (("commands", "a", "b", "c"), ("d",))


def jobs():
    return np.load(os.environ["TERCET_JOBS"])


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def tiles_run(dut):
    """Results, framing, status and counters, twice without a reset in between."""
    port, sources, sinks = await start(dut, MODEL.registers, *STREAMS)
    job = jobs()
    assert await port.read("id") == MODEL.identity
    for name in ("size", "formats", "numbers"):
        assert await port.read(name) == int(job[name])
    for times in (1, 2):
        for name, source in sources.items():
            await source.send(padded(job[name], len(source.bus.tdata) // 8).tobytes())
        for tile in range(int(job["tiles"])):
            frame = await sinks["d"].recv()
            assert bytes(frame.tdata) == padded(job[f"d{tile}"], len(sinks["d"].bus.tdata) // 8).tobytes()
        while await port.read("status") & 1:
            pass
        assert await port.read("busy_low") == times * int(job["busy"])
        assert await port.read("busy_high") == 0
    assert await port.read("operand_wait_low") > 0
    assert await port.write("control", 1) == AxiResp.OKAY
    for name in MODEL.counters:
        assert await port.read(f"{name}_low") == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def refusals(dut):
    """Writes to read-only registers and reads of missing ones return SLVERR."""
    port, _, _ = await start(dut, MODEL.registers, *STREAMS)
    for name in ("id", "size", "status", "formats", "busy_low"):
        assert await port.write(name, 1) == AxiResp.SLVERR
    assert (await port.master.read(0x3C, 4)).resp == AxiResp.SLVERR
    await ClockCycles(dut.clk, 2)
    assert await port.read("id") == MODEL.identity
