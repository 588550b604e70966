"""RTL of the tensor-core engine against its golden model: every bit, every clock, every counter."""

import re

import numpy as np
import pytest
from tercet.engines.tensorcore import SPEC
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.cycle_model import cycles
from tercet.golden.tensorcore.model import mma
from tercet.golden.tensorcore.stimuli import events, hard_dots, random_operands
from tercet.sim import simulators, tensorcore
from tercet.sim.build import SimulationError
from tercet.sim.engine import engine_sources
from tercet.sim.tensorcore import mmas
from tercet.sim.tensorcore_directed import directed_dots

SIMULATORS = [candidate.name for candidate in simulators.available() if candidate.simulator is not None]

# Sums per unit; `tercet bench tensorcore` runs forty times as many.
HARD = 25_000
# Engines of one dot-product unit, for many single sums.
DOTS = {
    "volta": TensorCoreConfig.volta(m=1, n=1, family="ecp5"),
    "volta-fp16": TensorCoreConfig.volta(m=1, n=1, out_format="fp16"),
    "ampere": TensorCoreConfig.ampere(m=1, n=1, pipeline=9),
    "hopper": TensorCoreConfig.hopper(m=1, n=1),
    "hopper-bf16": TensorCoreConfig.hopper(m=1, n=1, a_format="bf16"),
    "hopper-tf32": TensorCoreConfig.hopper(m=1, n=1, a_format="tf32", family="ice40"),
    "hopper-e4m3": TensorCoreConfig.hopper(m=1, n=1, a_format="e4m3", l=8),
    "hopper-e5m2": TensorCoreConfig.hopper(m=1, n=1, a_format="e5m2", b_format="e4m3"),
    "turing-int8": TensorCoreConfig.turing(m=1, n=1, a_format="int8", overflow="saturate"),
}
# Engines with other folds and tile sizes.
TILES = {
    "fold1": TensorCoreConfig(m=2, n=2, family="ecp5"),
    "fold4": TensorCoreConfig(m=4, n=2, fold=4, pipeline=7),
    "fold16-ice40": TensorCoreConfig(fold=16, family="ice40", out_format="fp16"),
    "2x8": TensorCoreConfig.ampere(m=2, n=8, fold=8, family="ecp5"),
    "int8": TensorCoreConfig(a_format="int8", fold=2),
    "two-cores": TensorCoreConfig(m=2, n=2, fold=2, cores=2, family="ecp5"),
}
# With more units or products, which only take longer to compile.
LARGE_DOTS = {"hopper-e4m3-32": TensorCoreConfig.hopper(m=1, n=1, a_format="e4m3")}
LARGE_TILES = {
    "fold1-4x4": TensorCoreConfig(family="ecp5"),
    "fold4-4x4": TensorCoreConfig(fold=4, pipeline=7),
    "two-cores-4x4": TensorCoreConfig(cores=2, family="ecp5"),
}
# (M, steps, N): sizes that fill blocks and tiles, and others.
SHAPES = [(4, 4, 1), (16, 4, 16), (5, 12, 9), (1, 16, 40), (20, 3, 37), (33, 2, 2)]


def same(config, items, runs, *, exactly):
    for (a, b, c), run in zip(items, runs, strict=True):
        want = mma(a, b, c, config)
        assert run.out.dtype == want.dtype
        assert run.out.tobytes() == want.tobytes()
        *lead, m, k = a.shape
        model = cycles(config, m, b.shape[-1], k, int(np.prod(lead)))
        assert run.cycles == model if exactly else run.cycles >= model
        blocks = int(np.prod(lead)) * -(-m // config.m) * -(-b.shape[-1] // config.columns) * (k // config.l)
        assert run.counters["busy"] == blocks * config.fold


@pytest.mark.parametrize("name", [*DOTS, *(pytest.param(name, marks=pytest.mark.long) for name in LARGE_DOTS)])
def test_dots(name):
    """Single sums in which rare events are frequent, each a separate product, back to back; and directed cases."""
    config = (DOTS | LARGE_DOTS)[name]
    a, b, c = hard_dots(np.random.default_rng(0), config, HARD)
    items = [
        (a[:, None, :], b[:, :, None], c[:, None, None]) for a, b, c in ((a, b, c), directed_dots(config, config.l))
    ]
    run, directed = mmas(config, items)
    same(config, items, [run, directed], exactly=True)
    if config.integers:
        return
    seen = events(config, (a, b, c), run.out.ravel().view(c.dtype))
    assert (seen.distances[: config.fraction_bits + 4] > 20).all()
    counts = vars(seen) | {"distances": 99}
    if config.a_format in ("fp16", "e4m3", "e5m2") and config.out_format == "fp32":
        # Products are far from the limits of FP32; only the addend reaches them.
        counts |= {"overflow": 99}
    if not config.reaches_floor:
        assert seen.floored == 0
        counts |= {"floored": 99}
    assert min(counts.values()) > 20, counts


@pytest.mark.parametrize("stall", [0.0, 0.3])
@pytest.mark.parametrize("name", [*TILES, *(pytest.param(name, marks=pytest.mark.long) for name in LARGE_TILES)])
def test_tiles(name, stall):
    config = (TILES | LARGE_TILES)[name]
    rng = np.random.default_rng(1)
    items = [random_operands(rng, config, m, steps * config.l, n) for m, steps, n in SHAPES]
    items += [random_operands(rng, config, 3, config.l, 5, 2, 3), random_operands(rng, config, 4, 2 * config.l, 4, 7)]
    same(config, items, mmas(config, items, stall=stall), exactly=stall == 0)


@pytest.mark.parametrize("name", ["fold4", "two-cores"])
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_simulators_agree(simulator, name):
    config = TILES[name]
    rng = np.random.default_rng(2)
    items = [random_operands(rng, config, 9, 3 * config.l, 17)]
    same(config, items, mmas(config, items, simulator=simulator, stall=0.3), exactly=False)


@pytest.mark.parametrize("fold", [1, 4])
def test_full_throughput(fold):
    """Back-to-back operations take `fold` clocks each, whether independent or chained through tiles."""
    config = TILES[f"fold{fold}"]
    rng = np.random.default_rng(3)
    m, n, l = config.m, config.columns, config.l  # noqa: E741
    items = [random_operands(rng, config, m, l, n, count) for count in (1, 100)]
    items.append(random_operands(rng, config, 4 * m, 16 * l, 8 * n))
    one, many, chained = mmas(config, items)
    assert many.cycles - one.cycles == 99 * fold
    assert many.counters["busy"] == 100 * fold
    latency = one.cycles - fold
    # The blocks of the first step load first: four of A, each in four parts if the fold is 4, alongside eight of B.
    assert chained.cycles - 4 * 8 * 16 * fold - latency < max(4 * fold, 8)
    same(config, items, [one, many, chained], exactly=True)


@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_second_core_doubles_throughput(stall):
    """Two cores take half the clocks of one, give the same bits, and take A over the same stream."""
    rng = np.random.default_rng(5)
    one, two = TensorCoreConfig(m=1, n=2), TensorCoreConfig(m=1, n=2, cores=2)
    items = [random_operands(rng, one, 4, 48, 64)]
    (single,), (double,) = mmas(one, items), mmas(two, items, stall=stall)
    same(one, items, [single], exactly=True)
    same(two, items, [double], exactly=stall == 0)
    assert 2 * double.counters["busy"] == single.counters["busy"]
    if not stall:
        assert double.cycles < 0.55 * single.cycles


# Broken function -> module, and the change of its text, in Volta's engine or in the one for FP16 results.
MUTATIONS = {
    "unavailable sums": ("sequencer", r"starts <= ", "starts <= 6'h3f | "),
    "ring of steps": ("operands", r"read_step <= ", "read_step <= 2'h1 ^ "),
    "addresses of sums": ("partial_sum_memory", r"s1_place <= ", "s1_place <= 5'h01 ^ "),
    "addends of C": ("partial_sum_memory", r"s1_first <= ", "s1_first <= 1'h1 | "),
    "unavailable results": (r"lane_depth\d+_width32(?=\()", r"(arrive__\d+ <= )", r"\g<1>1'h1 | "),
    "largest exponent": ("exponent_maximum", r"addend_first_1 <= ", "addend_first_1 <= 1'h1 | "),
    "inversion": ("align", r"invert <= ", "invert <= 1'h0 & "),
    "carry": ("adder_tree", r"carry_1_0 <= ", "carry_1_0 <= 1'h0 & "),
    "subnormal results": ("normalise", r"mark <= ", "mark <= 28'h0 & "),
    "infinities of both signs": ("specials", r"\bbelow <= ", "below <= 1'h0 & "),
    "floor": ("dot", r"6'h0b", "6'h00"),
    "queue of C": ("addends", r"read_address <= ", "read_address <= 4'h1 | "),
    "columns of the second core": ("cores", r"\.b\(b\[127:64\]\)", ".b(b[63:0])"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_broken_rtl_is_caught(mutation):
    cores = 2 if mutation == "columns of the second core" else 1
    config = TensorCoreConfig.volta(m=1, n=1, out_format="fp16" if mutation == "floor" else "fp32", cores=cores)
    module, pattern, replacement = MUTATIONS[mutation]
    text = engine_sources(SPEC, config)["tensorcore.v"]
    start = re.search(rf"^module tensorcore_{module}(_\w+)?\(", text, re.M)
    assert start, re.findall(r"^module (\w+)", text, re.M)
    end = text.index("endmodule", start.start())
    broken, changes = re.subn(pattern, replacement, text[start.start() : end], count=1)
    assert changes == 1, text[start.start() : end]
    whole = text[: start.start()] + broken + text[end:]
    rng = np.random.default_rng(4)
    a, b, c = hard_dots(rng, config, 2000)
    items = [(a[:, None, :], b[:, :, None], c[:, None, None]), random_operands(rng, config, 3, 5 * config.l, 2)]
    with pytest.raises((AssertionError, SimulationError)):
        same(config, items, mmas(config, items, sources={"tensorcore.v": whole}), exactly=True)


def test_refuses():
    config = TensorCoreConfig()
    a, b, c = np.ones((4, 8), np.float16), np.ones((8, 4), np.float16), np.ones((4, 4), np.float32)
    with pytest.raises(ValueError, match="K is 6, not a positive multiple of l 4"):
        tensorcore.mma(config, a[:, :6], b[:6], c)
    with pytest.raises(ValueError, match=r"do not match; use \(..., M, K\)"):
        tensorcore.mma(config, a, b, c[:3])
    with pytest.raises(TypeError, match="C have dtype int32, but the format is fp32"):
        tensorcore.mma(config, a, b, c.astype(np.int32))
    with pytest.raises(ValueError, match="fraction_bits 0 \\(keep all\\) is for the golden model only"):
        tensorcore.mma(TensorCoreConfig.exact(), a, b, c)
    a, b = np.zeros((4, 32), np.uint8), np.zeros((32, 4), np.uint8)
    with pytest.raises(ValueError, match="fp8 'mma_sync' is for the golden model only; use native"):
        tensorcore.mma(TensorCoreConfig.blackwell(a_format="e4m3"), a, b, c)
