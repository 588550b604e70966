"""Cocotb side of test_axi.py: runs a network through independent AXI sources and reads back the counters."""

import os

import cocotb
import numpy as np
from axi_master import padded, start
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiResp
from tercet.golden.eie.engine import MODEL

STREAMS = (("frames", "acts"), ("outs",))


def jobs():
    return np.load(os.environ["TERCET_JOBS"])


async def idle(port):
    while await port.read("status") & 1:
        pass


def results(sink, frame, want):
    """Return the lanes of an AXI frame without the padding of ``tdata``."""
    beats = np.frombuffer(bytes(frame.tdata), np.int16).reshape(-1, len(sink.bus.tdata) // 16)
    return beats[:, : want.shape[-1]].reshape(want.shape)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_network_runs(dut):
    """Load, run, run again without loading; check results, framing, status and counters."""
    port, sources, sinks = await start(dut, MODEL.registers, *STREAMS)
    job = jobs()
    assert await port.read("id") == MODEL.identity
    for name in ("size", "numbers", "matrix_depth", "pointer_depth", "act_depth", "constant_depth", "program_depth"):
        assert await port.read(name) == int(job[name])
    for times, frames in enumerate(("load_and_run", "run"), start=1):
        await sources["frames"].send(job[frames].tobytes())
        await sources["acts"].send(padded(job["acts"], len(sources["acts"].bus.tdata) // 8).tobytes())
        for want in job["outs"]:
            frame = await sinks["outs"].recv()
            np.testing.assert_array_equal(results(sinks["outs"], frame, want), want)
        await idle(port)
        for name in ("total", "busy", "filler", "saturated"):
            assert await port.read(f"{name}_low") == times * int(job[name])
            assert await port.read(f"{name}_high") == 0
    assert await port.read("load_low") > 0
    assert await port.read("unload_low") > 0
    assert await port.read("status") == 0
    assert await port.write("control", 1) == AxiResp.OKAY
    for name in ("total", "busy", "starve", "load", "unload", "saturated"):
        assert await port.read(f"{name}_low") == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def frame_beyond_its_memory_sets_error(dut):
    """A frame beyond its memory is skipped with its words and sets the error; the frames after it are executed."""
    port, sources, sinks = await start(dut, MODEL.registers, *STREAMS)
    job = jobs()
    await sources["frames"].send(job["bad"].tobytes())
    await sources["frames"].send(job["load_and_run"].tobytes())
    await sources["acts"].send(padded(job["acts"], len(sources["acts"].bus.tdata) // 8).tobytes())
    while not await port.read("status") & 1:
        pass
    assert await port.read("status") == 3
    frame = await sinks["outs"].recv()
    want = job["outs"][0]
    np.testing.assert_array_equal(results(sinks["outs"], frame, want), want)
    await idle(port)
    assert await port.read("status") == 2


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def refusals(dut):
    """Writes to read-only registers, partial writes and unknown addresses are answered with SLVERR."""
    port, _, _ = await start(dut, MODEL.registers, *STREAMS)
    for name in ("id", "size", "status", "matrix_depth", "total_low"):
        assert await port.write(name, 1) == AxiResp.SLVERR
    assert (await port.master.read(0x3C, 4)).resp == AxiResp.SLVERR
    assert (await port.master.write(MODEL.registers["control"].address, b"\x01")).resp == AxiResp.SLVERR
    await ClockCycles(dut.clk, 2)
    assert await port.read("id") == MODEL.identity
