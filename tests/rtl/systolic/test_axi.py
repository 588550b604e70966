"""AXI ports of the systolic engine, driven by cocotbext-axi."""

from dataclasses import replace

import numpy as np
import pytest
from tercet.engines.systolic import SPEC
from tercet.golden.numerics.quantization import Requant
from tercet.golden.packing import pack
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.engine import MODEL
from tercet.golden.systolic.model import matmul
from tercet.golden.systolic.operands import MatmulOperands
from tercet.sim import simulators

SIMULATORS = [found.name for found in simulators.available() if found.simulator is not None]
CONFIG = SystolicConfig(rows=4, cols=4, acc_depth=8)


def encoded(product):
    """Return register values, beats and expected beats of a product."""
    job = MODEL.job(CONFIG, product)
    (m, k), n = product.acts.shape, product.weights.shape[1]
    _, k_tiles, n_tiles = CONFIG.tiles(m, k, n)
    want = matmul(product.acts, product.weights, product.bias, CONFIG)
    requant = product.requant
    padded = np.pad(want, ((0, 0), (0, -n % CONFIG.cols))).reshape(m, n_tiles, -1).transpose(1, 0, 2)
    values = {name: job.inputs[name] for name in ("acts", "weights", "params")}
    values |= {"m": m, "k_steps": k_tiles, "n_tiles": n_tiles, "mode": int(product.bias is not None), "output": 0}
    values |= {"active": m * k_tiles * n_tiles, "sums": np.zeros((0, 16), np.uint8), "outs": np.zeros((0, 2), np.uint8)}
    if requant is None:
        values["sums"] = pack(padded.reshape(-1, CONFIG.cols), 32)
    else:
        out = requant.apply(padded.transpose(1, 0, 2).reshape(m, -1)).reshape(m, n_tiles, -1).transpose(1, 0, 2)
        values["outs"] = pack(out.reshape(-1, CONFIG.requant_lanes), 8)
        values["mode"] = 1 | 2 | {"double": 0, "single": 1, "away": 2}[requant.rounding] << 2
        fields = [v & 0xFF for v in (requant.zero_point, requant.qmin, requant.qmax)]
        values["output"] = fields[0] | fields[1] << 8 | fields[2] << 16
    return values


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_products_over_axi(simulator, over_axi):
    rng = np.random.default_rng(3)

    def operand(*shape):
        return rng.integers(-128, 127, shape, endpoint=True).astype(np.int8)

    products = [
        MatmulOperands(operand(11, 9), operand(9, 7), rng.integers(-1000, 1000, 7)),
        MatmulOperands(operand(6, 10), operand(10, 8), np.zeros(8, int), Requant(2**30, -7, -3, -100, 120, "single")),
        # Activations of 32 times an odd number, odd weights, scale 1/64: every sum is a tie.
        MatmulOperands(
            operand(5, 1) // 64 * 64 + 32, operand(1, 6) | 1, np.zeros(6, int), Requant(2**30, -5, 3, rounding="away")
        ),
    ]
    values = {f"{n}/{key}": v for n, product in enumerate(products) for key, v in encoded(product).items()}
    over_axi(SPEC, CONFIG, simulator, "axi_bench", values)


def test_manifest_tells_the_registers():
    """Addresses are word-aligned and unique; fields fit 32 bits and do not overlap."""
    ports = {port["name"]: port for port in SPEC.interface(CONFIG)["ports"]}
    assert list(ports) == ["s_axis_acts", "s_axis_weights", "s_axis_params", "m_axis_sums", "m_axis_outs", "s_axil"]
    addresses = [register["address"] for register in ports["s_axil"]["registers"].values()]
    assert len(set(addresses)) == len(MODEL.registers)
    for register in MODEL.registers.values():
        assert register.address % 4 == 0
        ranges = sorted(register.fields.values())
        assert all(low + bits <= 32 for low, bits in ranges)
        assert all(a[0] + a[1] <= b[0] for a, b in zip(ranges, ranges[1:], strict=False))
    registers = ports["s_axil"]["registers"]
    assert "0 double, 1 single, 2 away" in registers["mode"]["text"]
    assert ports["s_axis_params"]["payload_bits"] == 69
    assert ports["s_axis_params"]["tdata_bits"] == 128


def test_manifest_tells_the_roundings():
    """The manifest names the kernels that each rounding equals, except for an engine without a requantiser."""
    assert list(SPEC.interface(CONFIG)["rounding"]) == ["double", "single", "away"]
    assert "LiteRT" in SPEC.interface(CONFIG)["rounding"]["away"]
    assert "rounding" not in SPEC.interface(replace(CONFIG, requant_lanes=0))
