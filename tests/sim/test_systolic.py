"""RTL of the systolic engine against its golden model: every bit, every clock."""

import re

import numpy as np
import pytest
from tercet.engines.systolic import SPEC
from tercet.golden.numerics.quantization import Requant
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.model import matmul as golden_matmul
from tercet.golden.systolic.operands import MatmulOperands, collect, job
from tercet.sim import bench, simulators, systolic
from tercet.sim.engine import EngineRun, engine_sources, run_jobs
from tercet.sim.stimuli import operand, products

SIMULATORS = [candidate.name for candidate in simulators.available() if candidate.simulator is not None]

# Every multiplier and both dataflows, with sizes that are not powers of two.
CONFIGS = {
    "ws-4x4": SystolicConfig(rows=4, cols=4, acc_depth=16),
    "ws-5x3-ecp5": SystolicConfig(rows=5, cols=3, acc_depth=13, mac="ecp5", requant_lanes=1),
    "ws-5x4-dual": SystolicConfig(rows=5, cols=4, acc_depth=13, mac="ecp5-dual", lut_rows=2, requant_lanes=3),
    "ws-1x2-dual": SystolicConfig(rows=1, cols=2, acc_width=23, acc_depth=5, mac="ecp5-dual", requant_lanes=0),
    "ws-3x6-ice40": SystolicConfig(rows=3, cols=6, acc_depth=8, mac="ice40", requant_lanes=6),
    "ws-1x1": SystolicConfig(rows=1, cols=1, acc_depth=2, requant_lanes=0),
    "ws-4x2-wide": SystolicConfig(rows=4, cols=2, act_width=12, weight_width=5, acc_width=29, mac="ice40"),
    "ws-5x3-ternary": SystolicConfig(rows=5, cols=3, acc_depth=13, mac="ternary", requant_lanes=2),
    "ws-1x1-ternary": SystolicConfig(rows=1, cols=1, acc_width=22, acc_depth=2, mac="ternary", requant_lanes=0),
    "ws-6x5-ternary-ecp5": SystolicConfig(rows=6, cols=5, act_width=5, acc_depth=9, mac="ternary-ecp5"),
    "ws-5x3-binary": SystolicConfig(rows=5, cols=3, acc_depth=13, mac="binary", requant_lanes=2),
    "ws-2x2-binary-wide": SystolicConfig(
        rows=2, cols=2, act_width=14, weight_width=14, acc_depth=7, mac="binary", requant_lanes=0
    ),
    "ws-1x2-binary-narrow": SystolicConfig(
        rows=1, cols=2, act_width=4, weight_width=4, acc_width=23, acc_depth=4, mac="binary", requant_lanes=1
    ),
    "os-4x4": SystolicConfig(rows=4, cols=4, acc_depth=16, dataflow="os"),
    "os-3x5-ecp5": SystolicConfig(rows=3, cols=5, acc_depth=3, mac="ecp5", dataflow="os", requant_lanes=2),
    "os-5x4-ice40": SystolicConfig(rows=5, cols=4, acc_depth=9, mac="ice40", dataflow="os", requant_lanes=0),
}


def golden(config: SystolicConfig, product: MatmulOperands) -> np.ndarray:
    out = golden_matmul(product.acts, product.weights, product.bias, config)
    return out if product.requant is None else product.requant.apply(out)


def check(config: SystolicConfig, product: MatmulOperands, run: EngineRun, *, exact: bool):
    want = golden(config, product)
    assert run.out.dtype == want.dtype
    np.testing.assert_array_equal(run.out, want)
    assert sum(run.counters.values()) == run.cycles
    m, k, n = *product.acts.shape, product.weights.shape[1]
    blocks, k_tiles, n_tiles = config.tiles(m, k, n)
    steps = m * k_tiles if config.dataflow == "ws" else k * len(blocks)
    assert run.counters["active"] == steps * n_tiles
    if exact:
        params = product.bias is not None
        assert run.cycles == config.cycles(m, k, n, product.requant is not None, params=params)
        assert run.counters["weight_stall"] == 0


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_rtl_is_golden(config, stall):
    """Random shapes and corner cases; without stalls the cycle model is exact."""
    jobs = products(config, 12, seed=1, largest=24 if config.rows == 1 else 70)
    for product, run in zip(jobs, systolic.matmuls(config, jobs, stall=stall, seed=2), strict=True):
        check(config, product, run, exact=stall == 0)


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("name", ["ws-5x3-ecp5", "ws-5x4-dual", "ws-6x5-ternary-ecp5", "os-4x4"])
def test_simulators_agree(name, simulator):
    config = CONFIGS[name]
    jobs = products(config, 3, seed=4, largest=20)
    for product, run in zip(jobs, systolic.matmuls(config, jobs, simulator=simulator), strict=True):
        check(config, product, run, exact=True)


def test_corners_of_two_products():
    """Extreme operands of both weights of a multiplier: sums of the parts reach the ends of their widths."""
    config = CONFIGS["ws-5x4-dual"]
    signs = np.array([[1, 1, -1, -1, 1, -1, 0, 1]], np.int8)
    low = np.full((9, 35), -128, np.int8)
    jobs = [MatmulOperands(acts, np.repeat(127 * signs, 35, axis=0)) for acts in (low, ~low)]
    for product, run in zip(jobs, systolic.matmuls(config, jobs), strict=True):
        check(config, product, run, exact=True)


@pytest.mark.parametrize("name", ["ws-5x3-ternary", "ws-6x5-ternary-ecp5"])
def test_corners_of_ternary_weights(name):
    """Sums of a whole column reach both ends of their width: the lowest activation, subtracted, needs a bit more."""
    config = CONFIGS[name]
    weights = np.tile(np.array([[1, -1, 0]], np.int8), (4 * config.rows, 2))
    low = np.full((9, len(weights)), -(2 ** (config.act_width - 1)), np.int8)
    jobs = [MatmulOperands(acts, weights) for acts in (low, ~low)]
    for product, run in zip(jobs, systolic.matmuls(config, jobs), strict=True):
        check(config, product, run, exact=True)


def test_corners_of_signs():
    """All signs equal, and all different."""
    config = CONFIGS["ws-5x3-binary"]
    ones = np.full((9, 20), -1, np.int8)
    jobs = [MatmulOperands(acts, ones[:4].T) for acts in (ones, ~ones)]
    for product, run in zip(jobs, systolic.matmuls(config, jobs), strict=True):
        check(config, product, run, exact=True)
    assert run.out.min() == run.out.max() == -160


@pytest.mark.parametrize("dataflow", ["ws", "os"])
def test_corners(dataflow):
    """Minimum operands, and K = 1."""
    config = CONFIGS[f"{dataflow}-4x4"]
    low = np.full((9, 33), -128, np.int8)
    jobs = [
        MatmulOperands(low, low.T),
        MatmulOperands(low[:, :1], low[:1, :7]),
        MatmulOperands(low[:1, :1], low[:1, :1]),
    ]
    for product, run in zip(jobs, systolic.matmuls(config, jobs), strict=True):
        check(config, product, run, exact=True)
    assert run.out == 2**14


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_commands_back_to_back(config, stall):
    """Commands in one stream, offered at once, with small ones among them: none waits for its predecessor to end."""
    jobs = [*products(config, 6, seed=6, largest=2 * config.rows), *products(config, 6, seed=7, largest=40)]
    encoded = [job(config, product) for product in jobs]
    names = encoded[0].inputs
    joined = bench.Job(
        {name: np.concatenate([one.inputs[name] for one in encoded]) for name in names},
        {name: sum(one.expect[name] for one in encoded) for name in encoded[0].expect},
    )
    result = run_jobs(SPEC, config, [joined], stall=stall, idle_limit=2000)[0]
    first = dict.fromkeys(joined.expect, 0)
    for product, one in zip(jobs, encoded, strict=True):
        beats = {name: result.outputs[name][first[name] :][:count] for name, count in one.expect.items()}
        first = {name: first[name] + count for name, count in one.expect.items()}
        np.testing.assert_array_equal(collect(config, product, beats), golden(config, product))
        for name, payloads in beats.items():
            width = next(port.width for port in SPEC.model.streams(config) if port.name == name)
            last = payloads[:, -1] >> (width - 1) % 8 & 1
            assert last.nonzero()[0].tolist() == ([len(last) - 1] if len(last) else [])


def test_one_product():
    config = CONFIGS["ws-4x4"]
    product = products(config, 1, seed=9)[0]
    run = systolic.matmul(config, product.acts, product.weights, product.bias, product.requant, stall=0.2, seed=3)
    check(config, product, run, exact=False)


@pytest.mark.parametrize("size", [8, pytest.param(16, marks=pytest.mark.long)])
@pytest.mark.parametrize("m", [64, 256])
def test_utilisation(m, size):
    """Utilisation of the array: at least 95 % at M = 256, 90 % at M = 64."""
    config = SystolicConfig(rows=size, cols=size)
    rng = np.random.default_rng(m)
    product = MatmulOperands(operand(rng, (m, 256), 8, False), operand(rng, (256, 256), 8, False))
    run = systolic.matmul(config, product.acts, product.weights)
    check(config, product, run, exact=True)
    assert run.counters["active"] / run.cycles >= {64: 0.90, 256: 0.95}[m]


# Broken function -> module, and the change of its text that breaks it.
MUTATIONS = {
    "cell adds": ("ws_cell", r"\$signed\(sums_i\) \+", "$signed(sums_i) -"),
    "cell swaps": ("ws_cell", r"lane_i\[9\]", "lane_i[8]"),
    "accumulator adds": ("accumulator_column", r"\$signed\(s4_base\) \+", "$signed(s4_base) |"),
    "banks": ("accumulator_column", r"o\[0\] \? s3_bank_b : s3_bank_a", "o[0] ? s3_bank_a : s3_bank_b"),
    "skew": ("skew_lanes2_width10", r"( high \(\s+\.i\()i__\d+", r"\1i[19:10]"),
}


OTHER_MUTATIONS = {
    "binary equal": ("equal_signs_width8", r"s1_pair1 <= \{ [^,]*,", "s1_pair1 <= { 1'h0,"),
    "binary half": ("counts_to_sums", r"- 5'h10", "- 5'h11"),
    "ternary sign": ("ternary_cell", r"\^ \{ active\[1\]", "^ { 1'h0"),
    "ternary carry": ("ternary_cell", r"added_term, active\[1\]", "added_term, 1'h0"),
    "ternary zero": ("ternary_cell", r"& \{ active\[0\]", "& { 1'h1"),
}


@pytest.mark.parametrize("mutation", MUTATIONS | OTHER_MUTATIONS)
def test_broken_rtl_is_caught(mutation):
    module, pattern, replacement = (MUTATIONS | OTHER_MUTATIONS)[mutation]
    mac = mutation.partition(" ")[0] if mutation in OTHER_MUTATIONS else "infer"
    config = SystolicConfig(rows=4, cols=4, acc_depth=16, requant_lanes=0, mac=mac)
    text = engine_sources(SPEC, config)["systolic.v"]
    start = text.index(f"module systolic_{module}(")
    end = text.index("endmodule", start)
    broken, changes = re.subn(pattern, replacement, text[start:end], count=1)
    assert changes == 1
    sources = {"systolic.v": text[:start] + broken + text[end:]}
    jobs = products(config, 2, seed=5, largest=40)
    runs = systolic.matmuls(config, jobs, sources=sources)
    assert any((run.out != golden(config, job)).any() for job, run in zip(jobs, runs, strict=True))


def test_refuses():
    config = CONFIGS["ws-1x1"]
    ones = np.ones((1, 1), np.int8)
    with pytest.raises(ValueError, match="requant_lanes is 0: the engine has no requantiser"):
        systolic.matmul(config, ones, ones, None, Requant(1, 0, 0))
    with pytest.raises(ValueError, match=r"Weights -128 at index \(0, 0\) is outside \[-127, 127\]; mac 'ecp5-dual'"):
        systolic.matmul(CONFIGS["ws-1x2-dual"], ones, -128 * ones)
    with pytest.raises(ValueError, match=r"Weights 3 at index \(0, 0\) is outside \[-1, 1\]; mac 'ternary' needs"):
        systolic.matmul(CONFIGS["ws-1x1-ternary"], ones, 3 * ones)
    with pytest.raises(ValueError, match="mac 'ternary' has no multiplier; use unit pe"):
        SPEC.units["multiplier"](CONFIGS["ws-1x1-ternary"])
    with pytest.raises(TypeError, match="is not a Requant"):
        systolic.matmul(CONFIGS["ws-4x4"], ones, ones, None, 3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="Activations have dtype int64"):
        systolic.matmul(config, ones.astype(int), ones)
