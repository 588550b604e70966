"""Weight loader alone: memory words of each pass, in order, before the pass leaves."""

import random

import pytest
from tercet.golden.npu import NpuConfig
from tercet.rtl.npu.loader import WeightLoader

CONFIGS = {
    "4x3": NpuConfig(rows=4, cols=3, weight_rows=2, depthwise_taps=5, requant_lanes=1),
    "6x2-diagonal": NpuConfig(rows=6, cols=2, weight_rows=1, depthwise_taps=0),
    "2x2-one-word": NpuConfig(rows=2, cols=2, weight_rows=2, depthwise_taps=0),
}
SIGNED = {"row": 18, "byte": 22}


def passes(config, loader, seed):
    """Passes with random fields; their loads are those of the array or the depthwise unit, or none."""
    generator = random.Random(seed)
    choices = {config.plane_words, max(1, config.tap_words)}
    found = []
    for _ in range(40):
        run = {name: generator.getrandbits(field.width) for name, field in loader.i.payload.shape()}
        run |= {name: generator.randint(-(1 << bits - 1), (1 << bits - 1) - 1) for name, bits in SIGNED.items()}
        silent = generator.random() < 0.3
        diagonal = not silent and not config.depthwise_taps and generator.random() < 0.5
        loads = config.plane_words if diagonal else generator.choice(sorted(choices))
        found.append(run | {"silent": int(silent), "diagonal": int(diagonal), "loads": loads})
    return found


def ref_loads(run):
    """Address and place of each load; a diagonal plane is one word for all places."""
    if run["silent"]:
        return []
    places = range(run["loads"])
    return [((run["weights"] + (0 if run["diagonal"] else n)) % 2**20, 1 << n) for n in places]


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_loads(simulate, send, receive, config, stall):
    """The words of a pass are loaded between the pass before and the pass itself, as early as possible."""
    loader = WeightLoader(config=config)
    runs = passes(config, loader, config.rows)
    trace = simulate(
        loader,
        send(loader.i, runs, stall, 2),
        receive(loader.o, len(runs), stall, 3),
        shown=loader.o.payload,
        valid=loader.o.valid,
        **{name: getattr(loader, name) for name in ("i", "o", "load", "address", "place", "coming")},
    )
    clocks = {name: [n for n, run in enumerate(getattr(trace, name)) if run] for name in ("i", "o")}
    assert [trace.o[clock] for clock in clocks["o"]] == runs
    loads = [clock for clock, load in enumerate(trace.load) if load]
    announced = set()
    before = -1
    for run, entered, left in zip(runs, clocks["i"], clocks["o"], strict=True):
        # A load would overwrite the shadow registers of a pass that has not begun.
        taken, before = max(entered, before), left
        words = ref_loads(run)
        own = [loads.pop(0) for _ in words]
        assert [(trace.address[clock], trace.place[clock]) for clock in own] == words
        assert own == list(range(taken + 1, taken + 1 + len(words)))
        # A pass may leave in the clock after its loads, and is announced a clock before.
        ready = taken + 1 + max(1, len(words))
        assert not any(trace.valid[taken + 1 : ready])
        assert all(trace.valid[ready : left + 1])
        assert trace.shown[ready - 1] == run
        announced.add(ready - 1)
    assert not loads
    assert announced == {clock for clock, coming in enumerate(trace.coming) if coming}
    assert all(entered > left for left, entered in zip(clocks["o"], clocks["i"][2:], strict=False)), "two passes fit"
