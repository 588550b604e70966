"""AXI ports of the NPU, driven by cocotbext-axi."""

import numpy as np
import pytest
from tercet.engines.npu import SPEC
from tercet.golden.npu.config import NpuConfig
from tercet.golden.npu.engine import MODEL
from tercet.golden.registers import joined
from tercet.sim import simulators

from ...compiler.tflite_files import Network
from ...sim.npu_inferences import inferences

SIMULATORS = [found.name for found in simulators.available() if found.simulator is not None]
CONFIG = NpuConfig(
    rows=2,
    cols=2,
    requant_lanes=1,
    depthwise_taps=0,
    weight_rows=1,
    buffer_bytes=256,
    weight_bytes=256,
    channels=16,
    operators=8,
    tables=0,
    acc_depth=8,
)


def network() -> bytes:
    """A convolution and the maximum over what it gives, whose last frame does not fill its last beat."""
    rng, net = np.random.default_rng(3), Network()
    picture, features, pooled = (
        net.input((1, 4, 5, 2)),
        net.tensor((1, 3, 4, 3), 0.2, -3),
        net.tensor((1, 1, 2, 3), 0.2, -3),
    )
    weights = net.constant(rng.integers(-127, 128, (3, 2, 2, 2)), rng.uniform(0.005, 0.02, 3), dtype=np.int8, axis=0)
    net.add("CONV_2D", [picture, weights], features, Padding="VALID", StrideH=1, StrideW=1)
    net.add("MAX_POOL_2D", [features], pooled, Padding="VALID", StrideH=2, StrideW=2, FilterHeight=3, FilterWidth=2)
    net.outputs = [pooled]
    return net.file()


def job():
    """Load and run, run again on the loaded memories, a run that is refused; what is expected."""
    (item,) = inferences(CONFIG, network())
    whole, again = item.job(), item.job(loads=False)
    frames, at = {}, 0
    for request, data in item.reads:
        for _, size in request.spans:
            frames[f"frame{len(frames)}"] = data[0, at : at + size]
            at += size
        at = 0
    registers = {
        name: joined(register, **{field: getattr(CONFIG, field) for field in register.fields})
        for name, register in MODEL.registers.items()
        if name in ("size", "acc_depth", "memories")
    }
    return {
        **{f"load_{name}": beats for name, beats in whole.inputs.items()},
        **{f"run_{name}": beats for name, beats in again.inputs.items()},
        **frames,
        **registers,
        **{name: getattr(CONFIG, name) for name in ("buffer_bytes", "weight_bytes", "channels")},
        "frames": len(frames),
        "cycles": item.program.cycles,
        "active": sum(part.active for part in item.program.instruction_cycles),
    }


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_network_over_axi(simulator, over_axi):
    over_axi(SPEC, CONFIG, simulator, "npu_axi_bench", job())
