"""cocotb side of a stream bench: starts the clock and waits for the end.

The work is done in Verilog, at full simulation speed; see :mod:`tercet.sim.bench`.
"""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

__all__ = ["bench"]


@cocotb.test()
async def bench(dut):
    Clock(dut.clk, 2, unit="ns", impl="gpi").start()
    await RisingEdge(dut.finished)
    await ReadOnly()
    assert int(dut.failed.value) == 0, "the bench reported an error"
