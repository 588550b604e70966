"""The EIE engine's RTL against its golden model: every bit, every clock, every counter."""

import itertools
import re

import numpy as np
import pytest
from tercet.engines.eie import SPEC
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import cycles, encode, network_cycles
from tercet.golden.eie.layer import EieLayer
from tercet.golden.eie.operands import bind, collect, job
from tercet.golden.eie.product import network_spmv, spmv
from tercet.golden.eie.program import frame_head
from tercet.golden.eie.stimuli import layer_jobs, random_acts, random_layer
from tercet.sim import bench, eie, simulators
from tercet.sim.build import SimulationError
from tercet.sim.engine import EngineRun, counters_of, engine_sources, run_jobs

SIMULATORS = [candidate.name for candidate in simulators.available() if candidate.simulator is not None]

# Numbers of PEs that are not powers of two or four, words that entries do not fill, every family.
CONFIGS = {
    "1": EieConfig(n_pe=1, matrix_depth=4096),
    "2-ecp5": EieConfig(n_pe=2, family="ecp5"),
    # Fits an UP5K and uses all of its large RAMs.
    "4-ice40": EieConfig(
        n_pe=4,
        word_width=16,
        matrix_depth=2**14 - 1,
        pointer_depth=512,
        act_depth=128,
        constant_depth=256,
        acc_width=24,
        fifo_depth=2,
        family="ice40",
    ),
    "6-uneven": EieConfig(n_pe=6, code_bits=5, index_bits=2, fifo_depth=1),
    "13-wide": EieConfig(n_pe=13, code_bits=8, index_bits=8, acc_width=48, act_depth=64),
    "17-ternary": EieConfig(n_pe=17, code_bits=2, index_bits=3, acc_width=24, fifo_depth=4, act_depth=32),
}
PERMUTES = ("balance", None, "spread")


def check_all(config: EieConfig, items: list[tuple[list[EieLayer], np.ndarray]], **options):
    for (layers, acts), run in zip(items, eie.networks(config, items, **options), strict=True):
        check(layers, acts, run)


def check(layers: list[EieLayer], acts: np.ndarray, run: EngineRun):
    want = network_spmv(layers, acts)
    assert run.out.dtype == np.int16
    np.testing.assert_array_equal(run.out, want.out)
    assert run.counters["saturated"] == sum(want.saturated)
    model = network_cycles(layers, acts)
    n_pe = layers[0].config.n_pe
    assert model.busy + model.starve == n_pe * model.total
    assert {name: run.counters[name] for name in vars(model)} == vars(model)
    assert run.cycles == model.total


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_rtl_is_golden(config, stall):
    """Random layers. Computation never waits for a stream, so the cycle model also holds with stalls."""
    jobs = layer_jobs(config, 20, seed=1)
    items = [([layer], acts) for layer, acts in jobs]
    check_all(config, items, stall=stall, seed=2)


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("name", ["4-ice40", "2-ecp5"])
def test_simulators_agree(name, simulator):
    config = CONFIGS[name]
    items = [([layer], acts) for layer, acts in layer_jobs(config, 3, seed=3, largest=30)]
    check_all(config, items, simulator=simulator, stall=0.3)


def network(rng: np.random.Generator, config: EieConfig, sizes: list[int]) -> list[EieLayer]:
    """Layers of these sizes, permuted or not, with and without bias."""
    return [
        random_layer(rng, config, after, before, rng.random(), relu=n % 2 == 0, bias=n != 2, permute=PERMUTES[n % 3])
        for n, (before, after) in enumerate(itertools.pairwise(sizes))
    ]


@pytest.mark.parametrize("name", ["2-ecp5", "4-ice40", "6-uneven"])
def test_networks(name):
    """Batches through several layers, which grow and shrink from one to the next."""
    config = CONFIGS[name]
    rng = np.random.default_rng(4)
    items = []
    for sizes in ([20, 30, 9], [7, 1, 40, 3], [60, 5, 5, 50, 2]):
        layers = network(rng, config, sizes)
        items.append((layers, random_acts(rng, sizes[0], 0.6, batch=3, act_max=layers[0].act_max)))
    assert sum(sum(network_spmv(layers, acts).saturated) for layers, acts in items) > 0
    check_all(config, items, stall=0.2)


def biased(config: EieConfig, n_out: int, n_in: int, bias: int, *, relu: bool) -> EieLayer:
    """Layer with zero weights and a bias."""
    codes, codebook = np.zeros((n_out, n_in), np.uint8), np.zeros(2**config.code_bits, np.int16)
    return encode(codes, codebook, config, bias=np.full(n_out, bias), relu=relu, shift=0)


def saturating(config: EieConfig) -> tuple[list[EieLayer], np.ndarray]:
    """Large layers around a small one: their sums and biases remain in rows that the small one lacks."""
    end = 2 ** (config.acc_width - 1) - 1
    layers = [
        biased(config, 60, 3, end, relu=True),
        biased(config, 2, 60, 1, relu=False),
        biased(config, 60, 2, -end, relu=False),
    ]
    return layers, np.ones((2, 3), np.int16)


@pytest.mark.parametrize("name", ["2-ecp5", "4-ice40", "6-uneven"])
def test_only_results_saturate(name):
    config = CONFIGS[name]
    layers, acts = saturating(config)
    assert network_spmv(layers, acts).saturated == (120, 0, 120)
    check_all(config, [(layers, acts), (layers[1:], np.ones(60, np.int16)), (layers[:2], acts)])


@pytest.mark.parametrize("family", ["any", "ice40"])
def test_long_vectors_run_in_batches(family):
    """More inputs than the source buffers hold: they are loaded in parts, and sums accumulate over all parts."""
    config = EieConfig(n_pe=3, code_bits=5, index_bits=2, fifo_depth=1, act_depth=8, family=family)
    rng = np.random.default_rng(5)
    items = []
    for n_in in (24, 25, 48, 65):
        layers = [random_layer(rng, config, 20, n_in, 0.4, bias=True, act_max=500)]
        layers.append(random_layer(rng, config, 15, 20, 0.4, permute="balance"))
        items.append((layers, random_acts(rng, n_in, 0.5, batch=2, act_max=500)))
    check_all(config, items)


def layer_of(config: EieConfig, columns: list[dict[int, int]], n_out: int, **options) -> EieLayer:
    """Layer from its columns, each a mapping of row to code."""
    codes = np.zeros((n_out, len(columns)), np.uint8)
    for j, column in enumerate(columns):
        for row, code in column.items():
            codes[row, j] = code
    codebook = np.arange(2**config.code_bits, dtype=np.int16) * 101
    return encode(codes, codebook, config, shift=0, **options)


HAZARDOUS = EieConfig(n_pe=1, index_bits=2, fifo_depth=3)
SHALLOW = EieConfig(n_pe=1, index_bits=2, fifo_depth=3, word_width=16, family="ice40")


def hazards(config: EieConfig) -> list[tuple[list[EieLayer], np.ndarray]]:
    """Reuse of an accumulator at every distance: with other entries, fillers or nothing in between."""
    items = []
    for distance in range(1, 9):
        between = [{1 + n: 2} for n in range(distance - 1)]
        fillers = {4 * distance - 1: 3}  # behind distance - 1 fillers
        for columns in (
            [{0: 1}, *between, {0: 3}, *between, {0: 4}],
            [{0: 1, **{1 + n: 2 for n in range(distance - 1)}}, {0: 3}],
            [{4 * distance - 1: 1}, fillers, fillers, fillers],
            [{0: 1}] * distance,
            [{0: 1}, {}, {0: 5}, {}, {}, {0: 6}],
        ):
            layer = layer_of(config, columns, 40, act_max=100, bias=np.arange(40))
            items.append(([layer], np.arange(7, 7 + len(columns), dtype=np.int16)))
    return items


@pytest.mark.parametrize("config", [HAZARDOUS, SHALLOW], ids=["any", "ice40"])
def test_hazards(config):
    check_all(config, hazards(config))


@pytest.mark.parametrize("name", ["2-ecp5", "4-ice40"])
def test_uneven_work(name):
    """Columns empty in one PE and full in another, the last one empty; no, one or several non-zero activations."""
    config = CONFIGS[name]
    full = {row: 1 + row % 15 for row in range(0, 64, 4)}
    one = {row + 1: 2 for row in full}
    columns = [full, one, full, {}, full, {5: 3}, one, {}]
    layer = layer_of(config, columns, 64, act_max=100, bias=np.arange(-32, 32), permute=None)
    items = []
    for used in ([], [0], [3], [7], [0, 7], [2, 5], range(8), range(0, 8, 2)):
        acts = np.zeros(8, np.int16)
        acts[list(used)] = -77
        items.append(([layer], acts))
    check_all(config, items)


def test_filler_heavy():
    """Every entry follows as many fillers as fit in a column."""
    config = EieConfig(n_pe=2, index_bits=2)
    layer = layer_of(config, [{510: 1, 511: 2}, {2: 3}, {511: 4}] * 4, 512, act_max=1000)
    assert layer.fillers > 0.9 * layer.entries
    acts = np.arange(-6, 6, dtype=np.int16)
    check([layer], acts, eie.spmv(config, layer, acts))


@pytest.mark.parametrize("config", [CONFIGS["1"], SHALLOW], ids=["any", "ice40"])
def test_one_entry_a_clock(config):
    """A PE that never waits issues one entry per clock, whatever the lengths of columns."""
    rng = np.random.default_rng(6)
    layer = random_layer(rng, config, 50, 100, 0.3, act_max=100)
    acts = random_acts(rng, 100, 1.0, act_max=100)
    run = eie.spmv(config, layer, acts)
    check([layer], acts, run)
    around = cycles(layer, np.zeros(100, np.int16)).total
    assert run.counters["busy"] == layer.entries
    # A layer of zeros takes its start, its 100 groups and its end.
    assert run.cycles <= around - 100 + layer.entries + 2


@pytest.mark.parametrize("name", ["13-wide", "4-ice40"])
def test_one_non_zero_a_clock(name):
    """With almost nothing to multiply, each clock broadcasts a column or skips a group of zeros."""
    config = CONFIGS[name]
    n_pe, groups = config.n_pe, 40
    layer = layer_of(config, [{}] * n_pe * groups, n_pe)
    dense = np.ones((1, n_pe * groups), np.int16)
    sparse = dense * (np.arange(n_pe * groups) % n_pe == 3)
    items = [([layer], acts.astype(np.int16)) for acts in (dense, sparse, 0 * dense)]
    runs = eie.networks(config, items)
    assert runs[0].cycles - runs[1].cycles == (n_pe - 1) * groups
    # The last column is a separate item in one, and only the end mark in the other.
    assert runs[1].cycles == runs[2].cycles


# Broken function -> config, module, and the change of the module's text that breaks it.
MUTATIONS = {
    "row": (HAZARDOUS, "decode", r"s5_row <= (\w+)\[8:1\]", r"s5_row <= \1[7:0]"),
    "bypass": (HAZARDOUS, "arithmetic", r"s10_one <= ", "s10_one <= 1'h0 & "),
    "older bypass": (HAZARDOUS, "arithmetic", r"s8_same_3 <= ", "s8_same_3 <= 1'h0 & "),
    "fillers write": (HAZARDOUS, "decode", r"s5_write <= \w+;", "s5_write <= 1'h1;"),
    "queue": (HAZARDOUS, "activation_queue", r"full = ", "full = 1'h1 | "),
    "pointers": (HAZARDOUS, "pointer_read", r"s2_odd <= ", "s2_odd <= ~"),
    "source": (HAZARDOUS, "control", r"source <= ", "source <= ~"),
    "shallow bypass": (SHALLOW, "shallow_arithmetic", r"s4_again <= ", "s4_again <= 1'h0 & "),
    "shallow sweep": (SHALLOW, "shallow_arithmetic", r"total_valid <= \w+", "total_valid <= swept"),
    "shallow drain": (SHALLOW, "shallow_arithmetic", r"write_address <= \w+", "write_address <= row"),
    "shallow queue": (SHALLOW, "shift_fifo", r"o__valid = ", "o__valid = 1'h1 | "),
    "shallow outlet": (SHALLOW, "held_outlet", r"ready = ", "ready = 1'h1 | "),
    "saturated": (HAZARDOUS, "writeback", r"s5_saturated <= ", "s5_saturated <= 1'h0 & "),
    "results": (HAZARDOUS, "control", r"assign (\w+) = \$signed\(results\) >= .*;", r"assign \1 = 1'h1;"),
    "shallow saturated": (SHALLOW, "writeback", r"saturated <= ", "saturated <= 1'h0 & "),
    "shallow program": (SHALLOW, "control", r"loaded <= ", "loaded <= ~"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_broken_rtl_is_caught(mutation):
    config, module, pattern, replacement = MUTATIONS[mutation]
    text = engine_sources(SPEC, config)
    start = re.search(rf"^module eie_{module}\w*\(", text["eie.v"], re.M)
    assert start, re.findall(r"^module (\w+)", text["eie.v"], re.M)
    end = text["eie.v"].index("endmodule", start.start())
    broken, changes = re.subn(pattern, replacement, text["eie.v"][start.start() : end], count=1)
    assert changes == 1, text["eie.v"][start.start() : end]
    broken = text["eie.v"][: start.start()] + broken + text["eie.v"][end:]
    items = hazards(config) + [([layer], acts) for layer, acts in layer_jobs(config, 8, seed=7, largest=30)]
    items += [saturating(config)]
    with pytest.raises((AssertionError, SimulationError)):
        check_all(config, items, stall=0.3, sources={**text, "eie.v": broken})


def test_runs_back_to_back():
    """Two programs in the same memories, with an invalid frame in between; the counters cover both."""
    config = CONFIGS["6-uneven"]
    jobs = layer_jobs(config, 2, seed=8, largest=40)
    bound = [bind(config, [layer], acts) for layer, acts in jobs]
    encoded = [job(vectors) for vectors in bound]
    bad = np.concatenate([frame_head("matrix", 6, 0, 3), np.arange(3), frame_head("matrix", 0, 1024, 1), [7]])
    bad = np.concatenate([bad, frame_head("run", 0, 0, 0)]).astype("<u8").view(np.uint8).reshape(-1, 8)
    joined = bench.Job(
        {
            "frames": np.concatenate([encoded[0].inputs["frames"], bad, encoded[1].inputs["frames"]]),
            "acts": np.concatenate([one.inputs["acts"] for one in encoded]),
        },
        {"outs": sum(one.expect["outs"] for one in encoded)},
    )
    result = run_jobs(SPEC, config, [joined])[0]
    assert result.probes["error"] == 1
    assert counters_of(SPEC, result.probes)["total"] == sum(cycles(layer, acts).total for layer, acts in jobs)
    first = 0
    for vectors, (layer, acts), one in zip(bound, jobs, encoded, strict=True):
        count = one.expect["outs"]
        payloads = result.outputs["outs"][first : first + count]
        first += count
        np.testing.assert_array_equal(collect(vectors, {"outs": payloads}), spmv(layer, acts))
        # The flag of a vector's last group.
        ends = payloads[:, -1].reshape(-1, vectors.program.layers[-1].rows) & 1
        assert (ends[:, -1] == 1).all()
        assert not ends[:, :-1].any()


def test_refuses():
    config = EieConfig(n_pe=4)
    rng = np.random.default_rng(9)
    layer = random_layer(rng, config, 10, 20, 0.5)
    with pytest.raises(ValueError, match=r"Activations have shape \(19,\) but the layer has 20 inputs"):
        eie.spmv(config, layer, np.zeros(19, np.int16))
    with pytest.raises(TypeError, match="Activations have dtype int32; use int16"):
        eie.spmv(config, layer, np.zeros(20, np.int32))
    other = EieConfig(n_pe=3)
    with pytest.raises(ValueError, match="Layer 0 is encoded for n_pe 4 but the engine has 3"):
        eie.spmv(other, layer, np.zeros(20, np.int16))
    with pytest.raises(ValueError, match="Layer 1 has 20 inputs but layer 0 has 10 outputs"):
        eie.network(config, [layer, layer], np.zeros(20, np.int16))
    with pytest.raises(TypeError, match="Layers are not a list of EieLayer"):
        eie.network(config, [3], np.zeros(20, np.int16))  # pyright: ignore[reportArgumentType]
