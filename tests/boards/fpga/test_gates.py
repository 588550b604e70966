"""Gate-level netlists of the engines match their golden models, after synthesis and after place and route."""

import re
from dataclasses import replace

import numpy as np
import pytest
from tercet.boards.fpga.gates import gate_sources, routed_sources
from tercet.boards.fpga.netlist import DoesNotFit, SynthesisError
from tercet.boards.host.device import Device
from tercet.boards.host.link import HostLink
from tercet.boards.host.port import open_port
from tercet.boards.host.soc_config import SocConfig
from tercet.boards.simulated.board import SimulatedBoard
from tercet.boards.soc.soc import soc_sources
from tercet.compiler import compile as compile_graph
from tercet.compiler.tflite import load_tflite
from tercet.engines import ENGINES
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.operands import bind
from tercet.golden.eie.product import spmv
from tercet.golden.eie.stimuli import random_acts, random_layer
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.operands import bind as bind_npu
from tercet.golden.numerics.requantization import Requant, Rounding
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.model import matmul
from tercet.golden.systolic.operands import MatmulOperands
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import check_mma, mma
from tercet.golden.tensorcore.stimuli import random_operands
from tercet.sim import simulators
from tercet.sim.build import SimulationError
from tercet.sim.engine import engine_sources, run_engine
from tercet.sim.stimuli import operand

from ...compiler.tflite_files import Network

# Icarus simulates undefined values, and compiles at once what takes Verilator half a minute.
SIMULATOR = "icarus" if any(c.name == "icarus" and c.simulator for c in simulators.available()) else None
DEVICES = {"ecp5": "ecp5-25k", "ice40": "up5k"}


def small_eie(**fields):
    sizes = {"word_width": 16, "pointer_depth": 32, "act_depth": 16, "constant_depth": 24, "program_depth": 4}
    return EieConfig(**{**sizes, "acc_width": 24, "fifo_depth": 2, "code_bits": 2, "index_bits": 2, **fields})


def small_core(**fields):
    return TensorCoreConfig(**{"m": 2, "n": 2, "l": 2, "fold": 4, "pipeline": 5, **fields})


def small_npu(**fields):
    sizes = {"buffer_bytes": 256, "weight_bytes": 256, "channels": 16, "operators": 4, "tables": 2, "acc_depth": 8}
    return NpuConfig(**{"rows": 2, "cols": 2, "requant_lanes": 1, "depthwise_taps": 2, **sizes, **fields})


# All kinds of blocks: multipliers, small and large RAMs, and on iCE40 single-port RAMs. On iCE40, yosys infers the
# requantiser's multipliers beside those that the array instantiates.
CONFIGS = {
    "systolic-ecp5": SystolicConfig(rows=2, cols=2, acc_depth=8, mac="ecp5", requant_lanes=1),
    "systolic-ecp5-dual": SystolicConfig(rows=2, cols=4, acc_depth=8, mac="ecp5-dual", lut_rows=1, requant_lanes=0),
    "systolic-ice40": SystolicConfig(rows=2, cols=2, acc_depth=8, mac="ice40", requant_lanes=1),
    "eie-ecp5": small_eie(n_pe=2, matrix_depth=64, family="ecp5"),
    "eie-ice40": small_eie(n_pe=2, matrix_depth=2048, family="ice40"),
    "tensorcore-ecp5": small_core(family="ecp5"),
    "tensorcore-ice40": small_core(family="ice40", out_format="fp16", fraction_bits=10),
    "npu-ecp5": small_npu(mac="ecp5", weight_rows=2),
    "npu-ice40": small_npu(mac="ice40", depthwise_taps=0),
}
# Smaller configurations, with room for the rest of the board on an up5k.
ON_BOARD = {
    "systolic": replace(CONFIGS["systolic-ice40"], requant_lanes=0),
    "eie": small_eie(n_pe=1, matrix_depth=2048, family="ice40"),
    "tensorcore": small_core(m=1, fold=2, a_format="e4m3", out_format="fp16", fraction_bits=10, family="ice40"),
}


def systolic_products(config):
    """Products larger and smaller than the array; with bias and requantisation, one of them, or neither."""
    rng = np.random.default_rng(0)
    cases: list[tuple[int, int, int, bool, Rounding | None]] = [
        (5, 7, 3, True, "double"),
        (8, 1, 2, False, "away"),
        (2, 6, 5, True, None),
        (1, 3, 1, False, None),
    ]
    for m, k, n, bias, rounding in cases:
        acts, weights = operand(rng, (m, k), 8), operand(rng, (k, n), 8, bounds=config.weight_range)
        scales = None
        if rounding and config.requant_lanes:
            scales = Requant.from_scale(2.0 ** rng.uniform(-10, -7, n), 3, rounding=rounding)
        yield MatmulOperands(acts, weights, rng.integers(-(2**14), 2**14, n) if bias else None, scales)


def eie_network(config):
    """Two dense layers, input vectors and expected outputs."""
    rng = np.random.default_rng(2)
    layers = [
        random_layer(rng, config, 7, 9, 0.7, bias=True, relu=True, permute="balance"),
        random_layer(rng, config, 5, 7, 0.7),
    ]
    acts = random_acts(rng, 9, 0.7, batch=2)
    return layers, acts, spmv(layers[1], spmv(layers[0], acts))


def operands(name):
    """Operands for an entry of `CONFIGS`."""
    config, top = CONFIGS[name], name.partition("-")[0]
    if top == "systolic":
        return list(systolic_products(config))
    if top == "eie":
        return [bind(config, *eie_network(config)[:2])]
    if top == "npu":
        graph = load_tflite(npu_network())
        x = np.random.default_rng(4).integers(-128, 128, (1, *graph.inputs[0].sample_shape)).astype(np.int8)
        return [bind_npu(config, compile_graph(graph, config), x)]
    shapes = ((2, 2, 2), (5, 6, 3), (1, 12, 1))
    return [check_mma(*random_operands(np.random.default_rng(shape), config, *shape), config) for shape in shapes]


def npu_network():
    """One small layer for each unit: array, depthwise convolution, vector unit."""
    rng = np.random.default_rng(5)
    net = Network()
    x = net.input((1, 2, 2, 2))
    a, b, y = (net.tensor((1, 2, 2, 2), 0.5, 0) for _ in range(3))
    window = {"Padding": "SAME", "StrideH": 1, "StrideW": 1}
    weights = [rng.integers(-127, 128, shape) for shape in ((2, 1, 1, 2), (1, 2, 2, 2))]
    net.add("CONV_2D", [x, net.constant(weights[0], 0.01, dtype=np.int8)], a, **window)
    net.add("DEPTHWISE_CONV_2D", [a, net.constant(weights[1], 0.01, dtype=np.int8)], b, **window, DepthMultiplier=1)
    net.add("ADD", [a, b], y)
    net.outputs = [y]
    return net.file()


def same(got, want):
    if isinstance(want, list):
        for one, other in zip(got, want, strict=True):
            same(one, other)
        return
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got.view(f"u{got.itemsize}"), want.view(f"u{want.itemsize}"))


def netlist(name):
    top, family = name.split("-")[:2]
    return gate_sources(engine_sources(ENGINES[top], CONFIGS[name]), top, DEVICES[family])


def check(name, sources):
    """Run random inputs with pauses and compare with the golden model."""
    spec, config, items = ENGINES[name.partition("-")[0]], CONFIGS[name], operands(name)
    options = {"simulator": SIMULATOR, "stall": 0.3, "idle_limit": 2000}
    for item, run in zip(items, run_engine(spec, config, items, sources=sources, **options), strict=True):
        same(run.out, spec.model.golden(config, item))


# The NPU's netlist for ECP5 takes minutes to synthesise and to simulate.
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.long) if n == "npu-ecp5" else n for n in CONFIGS])
def test_netlist_is_golden(name):
    sources = netlist(name)
    block = {"ecp5": "MULT18X18D", "ice40": "SB_MAC16"}[name.split("-")[1]]
    assert f"{block}.v" in sources
    check(name, sources)


def test_a_wrong_table_is_found():
    """Inverts one lookup table among hundreds, in the datapath of the sums."""
    name = "systolic-ice40"
    sources = netlist(name)
    pattern = r"(LUT_INIT\(16'h)(\w{4})(\)\s+\) \\accumulators)"
    found = re.search(pattern, sources["systolic.v"])
    assert found is not None
    broken = sources["systolic.v"].replace(found[0], f"{found[1]}{0xFFFF ^ int(found[2], 16):04x}{found[3]}")
    with pytest.raises((AssertionError, SimulationError)):
        check(name, sources | {"systolic.v": broken})


@pytest.mark.parametrize(
    "name",
    ["systolic", pytest.param("eie", marks=pytest.mark.long), pytest.param("tensorcore", marks=pytest.mark.long)],
)
def test_routed_board_is_golden(name):
    """Runs the whole board except its pins, from its host through a bit-level UART."""
    try:
        simulators.find("verilator")
    except simulators.SimulatorNotFound as error:
        pytest.skip(str(error))
    config = ON_BOARD[name]
    depths = tuple((port.name, 64 if name == "eie" else 16) for port in ENGINES[name].model.streams(config))
    soc = SocConfig(name, config, depths, clock_hz=12_000_000, baud=3_000_000, frame_bytes=128)
    sources = routed_sources(soc_sources(soc), "tercet_soc")
    assert {"ICESTORM_LC.v", "ICESTORM_RAM.v", "SB_MAC16.v"} < sources.keys()
    with SimulatedBoard(soc, sources) as board, open_port(board.path, soc.baud) as port:
        device = Device(HostLink(port, timeout=20.0))
        if name == "systolic":
            for product in systolic_products(config):
                got = device.matmul(product.acts, product.weights, product.bias)
                same(got, matmul(product.acts, product.weights, product.bias, config))
        elif name == "eie":
            layers, acts, want = eie_network(config)
            same(device.network(layers, acts), want)
        else:
            arrays = random_operands(np.random.default_rng(3), config, 3, 4, 5)
            same(device.mma(*arrays), mma(*arrays, config))
        counters = device.counters()
    assert counters["damaged"] == counters["dropped"] == counters["repeated"] == 0


def test_refuses():
    with pytest.raises(ValueError, match="Device 'up9k' is unknown"):
        gate_sources({}, "x", "up9k")
    with pytest.raises(ValueError, match="Device 'ecp5-25k' is not an iCE40, .*; use up5k"):
        routed_sources({}, "x", "ecp5-25k")
    oscillator = "module x(output o); SB_HFOSC cell_of (.CLKHFPU(1'b1), .CLKHFEN(1'b1), .CLKHF(o)); endmodule"
    with pytest.raises(ValueError, match="Primitive 'SB_HFOSC' has no model"):
        gate_sources({"x.v": oscillator}, "x", "up5k")
    with pytest.raises(SynthesisError, match="DP16KD' referenced"):
        gate_sources(engine_sources(ENGINES["systolic"], CONFIGS["systolic-ecp5"]), "systolic", "up5k")
    pins = {"x.v": "module x(input i, output [63:0] o); assign o = {64{i}}; endmodule"}
    with pytest.raises(DoesNotFit, match="nextpnr cannot place the design on up5k"):
        routed_sources(pins, "x")
