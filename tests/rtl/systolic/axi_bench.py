"""The cocotb side of test_axi.py: an independent AXI master runs a product and reads the counters."""

import itertools
import os
import random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp, AxiStreamBus, AxiStreamSink, AxiStreamSource
from tercet.rtl.systolic.axi import IDENTITY, REGISTERS


def pauses(seed):
    generator = random.Random(seed)
    return (generator.random() < 0.3 for _ in itertools.count())


async def start(dut):
    Clock(dut.clk, 10, unit="ns").start()
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
    sources = {
        name: AxiStreamSource(AxiStreamBus.from_prefix(dut, f"s_axis_{name}"), dut.clk, dut.rst)
        for name in ("acts", "weights", "params")
    }
    sinks = {
        name: AxiStreamSink(AxiStreamBus.from_prefix(dut, f"m_axis_{name}"), dut.clk, dut.rst)
        for name in ("sums", "outs")
    }
    for seed, stream in enumerate([*sources.values(), *sinks.values()]):
        stream.set_pause_generator(pauses(seed))
    dut.rst.value = 1
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    return master, sources, sinks


async def write(master, name, value):
    return (await master.write(REGISTERS[name].address, int(value).to_bytes(4, "little"))).resp


async def read(master, name):
    return int.from_bytes((await master.read(REGISTERS[name].address, 4)).data, "little")


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def products_run(dut):
    """Two products after each other: results, framing, status and counters."""
    master, sources, sinks = await start(dut)
    assert await read(master, "id") == IDENTITY
    jobs = np.load(os.environ["TERCET_JOBS"])
    active = 0
    for number in range(2):
        job = {key.split("/")[1]: jobs[key] for key in jobs.files if key.startswith(f"{number}/")}
        for name in ("m", "k_steps", "n_tiles", "mode", "output"):
            assert await write(master, name, job[name]) == AxiResp.OKAY
            assert await read(master, name) == int(job[name])
        assert await write(master, "start", 1) == AxiResp.OKAY
        for name, source in sources.items():
            if len(job[name]):
                await source.send(job[name].tobytes())
        out = "outs" if len(job["outs"]) else "sums"
        frame = await sinks[out].recv()
        width = job[out].shape[1]
        got = np.frombuffer(bytes(frame.tdata), np.uint8).reshape(-1, width)
        np.testing.assert_array_equal(got, job[out])
        active += int(job["active"])
        while await read(master, "status") & 1:
            pass
        assert await read(master, "active_low") == active
    assert await read(master, "active_high") == 0
    await write(master, "control", 1)
    assert await read(master, "active_low") == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def refusals(dut):
    """What cannot be run or does not exist answers SLVERR and changes nothing."""
    master, _, _ = await start(dut)
    assert await write(master, "start", 1) == AxiResp.SLVERR
    for name in ("m", "k_steps", "n_tiles"):
        await write(master, name, 1)
    await write(master, "mode", 2)
    assert await write(master, "start", 1) == AxiResp.SLVERR
    assert await write(master, "id", 1) == AxiResp.SLVERR
    assert (await master.read(0x3C, 4)).resp == AxiResp.SLVERR
    assert (await master.write(REGISTERS["m"].address, b"\x07")).resp == AxiResp.SLVERR
    assert await read(master, "m") == 1
    assert await read(master, "status") == 2
    await write(master, "mode", 0)
    assert await write(master, "start", 1) == AxiResp.OKAY
    await ClockCycles(dut.clk, 5)
    assert await read(master, "status") == 3
