"""Cocotb side of test_axi.py: a network through independent AXI sources and sinks that pause, and the counters."""

import os

import cocotb
import numpy as np
from axi_master import padded, start
from cocotbext.axi import AxiResp
from tercet.golden.npu.commands import COMMAND_FIELDS, Command
from tercet.golden.npu.engine import MODEL
from tercet.golden.packing import join

STREAMS = (("commands", "data"), ("results",))


def jobs():
    return np.load(os.environ["TERCET_JOBS"])


async def send(sources, job, kind):
    for name, source in sources.items():
        if len(job[f"{kind}_{name}"]):
            await source.send(padded(job[f"{kind}_{name}"], len(source.bus.tdata) // 8).tobytes())


async def check(sink, job):
    """Each READ is an AXI frame; bytes behind the last one asked for are undefined."""
    for number in range(int(job["frames"])):
        want, frame = job[f"frame{number}"], await sink.recv()
        assert len(frame.tdata) == -(-len(want) // 4) * 4
        np.testing.assert_array_equal(np.frombuffer(bytes(frame.tdata), np.int8)[: len(want)], want)


async def idle(port):
    while await port.read("status") & 1:
        pass


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_network_runs(dut):
    """Load and run, run again without loading: results, framing, registers, exact clocks, status."""
    port, sources, sinks = await start(dut, MODEL.registers, *STREAMS)
    job = jobs()
    assert await port.read("id") == MODEL.identity
    for name in ("size", "acc_depth", "memories", "buffer_bytes", "weight_bytes", "channels"):
        assert await port.read(name) == int(job[name])
    for times, kind in enumerate(("load", "run"), start=1):
        await send(sources, job, kind)
        await check(sinks["results"], job)
        await idle(port)
        # Nothing at the edges reaches into a run, so its clocks are exact although the streams pause.
        assert await port.read("run_low") == times * int(job["cycles"])
        assert await port.read("active_low") == times * int(job["active"])
        assert await port.read("run_high") == 0
    assert await port.read("load_low") > 0
    assert await port.read("unload_low") > 0
    assert await port.read("status") == 0
    assert await port.write("control", 1) == AxiResp.OKAY
    for name in MODEL.counters:
        assert await port.read(f"{name}_low") == 0
    assert await port.write("status", 0) == AxiResp.SLVERR


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_refused_run_sets_error(dut):
    """A run from behind the instruction memory sets the error; a network runs correctly after it."""
    port, sources, sinks = await start(dut, MODEL.registers, *STREAMS)
    job = jobs()
    bad = join(*zip(np.array([[Command.RUN, 0, 2**24 - 1, 0]]).T, COMMAND_FIELDS.values(), strict=True))
    await sources["commands"].send(padded(bad, len(sources["commands"].bus.tdata) // 8).tobytes())
    while await port.read("status") != 2:
        pass
    await send(sources, job, "load")
    await check(sinks["results"], job)
    await idle(port)
    assert await port.read("status") == 2
    assert await port.read("run_low") == int(job["cycles"])
