"""Cocotb side of test_axi.py: runs products through an independent AXI master and reads back the counters."""

import os

import cocotb
import numpy as np
from axi_master import padded, start
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiResp
from tercet.golden.systolic.engine import MODEL

STREAMS = (("acts", "weights", "params"), ("sums", "outs"))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def products_run(dut):
    """Run products in sequence; check results, framing, status and counters."""
    port, sources, sinks = await start(dut, MODEL.registers, *STREAMS)
    assert await port.read("id") == MODEL.identity
    jobs = np.load(os.environ["TERCET_JOBS"])
    active = 0
    for number in sorted({key.split("/")[0] for key in jobs.files}):
        job = {key.split("/")[1]: jobs[key] for key in jobs.files if key.startswith(f"{number}/")}
        for name in ("m", "k_steps", "n_tiles", "mode", "output"):
            assert await port.write(name, job[name]) == AxiResp.OKAY
            assert await port.read(name) == int(job[name])
        assert await port.write("start", 1) == AxiResp.OKAY
        for name, source in sources.items():
            if len(job[name]):
                await source.send(padded(job[name], len(source.bus.tdata) // 8).tobytes())
        out = "outs" if len(job["outs"]) else "sums"
        frame = await sinks[out].recv()
        width = len(sinks[out].bus.tdata) // 8
        got = np.frombuffer(bytes(frame.tdata), np.uint8).reshape(-1, width)
        np.testing.assert_array_equal(got, padded(job[out], width))
        active += int(job["active"])
        while await port.read("status") & 1:
            pass
        assert await port.read("active_low") == active
    assert await port.read("active_high") == 0
    await port.write("control", 1)
    assert await port.read("active_low") == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def refusals(dut):
    """Commands that cannot run and accesses that do not exist are answered with SLVERR and change nothing."""
    port, _, _ = await start(dut, MODEL.registers, *STREAMS)
    assert await port.write("start", 1) == AxiResp.SLVERR
    for name in ("m", "k_steps", "n_tiles"):
        await port.write(name, 1)
    # Requantisation without parameters, and with an unknown rounding.
    for mode in (0b0010, 0b1111):
        await port.write("mode", mode)
        assert await port.write("start", 1) == AxiResp.SLVERR
    assert await port.write("id", 1) == AxiResp.SLVERR
    assert (await port.master.read(0x3C, 4)).resp == AxiResp.SLVERR
    assert (await port.master.write(MODEL.registers["m"].address, b"\x07")).resp == AxiResp.SLVERR
    assert await port.read("m") == 1
    assert await port.read("status") == 4
    await port.write("mode", 0)
    assert await port.write("start", 1) == AxiResp.OKAY
    await ClockCycles(dut.clk, 5)
    assert await port.read("status") == 5
