"""Weight loader and feeders, each alone."""

import random

import pytest
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.cycle_model import ACCUMULATE_CLOCKS
from tercet.rtl.systolic.feed import OsFeeder, WeightLoader, WsFeeder
from tercet.rtl.systolic.layouts import pass_layout

CONFIGS = {
    "ws": SystolicConfig(rows=3, cols=2, acc_depth=9),
    "ws-1x1": SystolicConfig(rows=1, cols=1, acc_depth=2),
    "os": SystolicConfig(rows=3, cols=2, acc_depth=8, dataflow="os"),
    "os-1x3": SystolicConfig(rows=1, cols=3, acc_depth=4, dataflow="os"),
}


def passes(config, count, seed):
    """Return passes of blocks of all lengths, with one to three planes along K, with and without parameters."""
    generator = random.Random(seed)
    runs = []
    while len(runs) < count:
        steps, rows = generator.randrange(config.acc_depth), generator.randrange(config.block_rows)
        planes = generator.randint(1, 3) if config.dataflow == "ws" else 1
        tile, params = generator.getrandbits(1), generator.getrandbits(1)
        block = {"rows": rows, "starts": 0, "ends": 1, "frees": tile, "requant": 0, "rounding": 2}
        block |= {"qmin": -5, "qmax": 7}
        for k in range(planes):
            flags = {"first": int(k == 0), "last": int(k == planes - 1), "tile": int(tile and k == 0)}
            runs.append({"steps": steps, **flags, "params": params, "block": {**block, "zero_point": len(runs) % 100}})
    return runs


def vectors(seed, count, lanes):
    """Return random vectors without zeros, so that zeros inserted by the RTL are recognised."""
    generator = random.Random(seed)
    return [[generator.choice((-128, 127, generator.randint(1, 9))) for _ in range(lanes)] for _ in range(count)]


def clocks_of(events):
    return [clock for clock, event in enumerate(events) if event not in (None, 0)]


@pytest.mark.parametrize("after_valid", [True, False])
@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("config", [CONFIGS["ws"], CONFIGS["ws-1x1"]], ids=["3x2", "1x1"])
def test_weight_loader(simulate, send, receive, config, stall, after_valid):
    """Each weight row is loaded into its array row; a pass leaves after its plane, and then the next plane begins."""
    rows = config.rows
    runs = passes(config, 40, seed=rows)
    weights = vectors(1, len(runs) * rows, config.cols)
    loader = WeightLoader(config=config)
    trace = simulate(
        loader,
        send(loader.i, runs, stall, 2),
        send(loader.weights, weights, stall, 3),
        receive(loader.o, len(runs), stall, 4, after_valid=after_valid),
        clocks=1500,
        shown=loader.o.payload,
        here=loader.o.valid,
        **{name: getattr(loader, name) for name in ("i", "o", "weights", "row", "load", "waiting", "coming")},
    )
    assert [run for run in trace.o if run is not None] == runs
    loads, taken = clocks_of(trace.load), clocks_of(trace.weights)
    want = [(1 << number % rows, row) for number, row in enumerate(weights)]
    assert [(trace.load[clock], trace.row[clock]) for clock in loads] == want
    assert loads == [clock + 1 for clock in taken]
    begins, ends = clocks_of(trace.i), clocks_of(trace.o)
    for number, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        plane = taken[number * rows : (number + 1) * rows]
        # The older pass is loaded first; a third does not enter.
        turn = max(begin, ends[number - 1]) if number else begin
        assert turn < plane[0] <= plane[-1] < end
        # The feeder needs the fields of a pass a clock before the pass.
        assert trace.shown[plane[-1]] == runs[number]
        assert clocks_of(trace.waiting[turn : end + 1])[: plane[-1] - turn] == list(range(1, plane[-1] - turn + 1))
        assert number < 2 or begin > ends[number - 2]
    assert len(clocks_of(trace.waiting)) == sum(
        taken[(number + 1) * rows - 1] - max(begin, ends[number - 1] if number else 0)
        for number, begin in enumerate(begins)
    )
    for clock, comes in enumerate(trace.coming[:-1]):
        assert comes == (trace.here[clock + 1] or trace.o[clock] is not None)
    assert any(begin < end for begin, end in zip(begins[1:], ends, strict=False))
    if stall == 0:
        assert ends == [begins[0] + (number + 1) * (rows + 1) for number in range(len(runs))]


class Foreseen(wiring.Component):
    """Feeder whose passes are announced a clock ahead, as the loader and the sequencer do."""

    def __init__(self, feeder):
        self.feeder = feeder
        super().__init__({"passes": In(stream.Signature(pass_layout(feeder.config)))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.feeder = feeder = self.feeder
        out = feeder.passes
        kept = Signal.like(out.payload)
        m.d.comb += [
            self.passes.ready.eq(~out.valid | out.ready),
            feeder.coming.eq(out.valid | self.passes.valid),
            out.payload.eq(Mux(out.valid, kept, self.passes.payload)),
        ]
        with m.If(self.passes.ready):
            m.d.sync += [kept.eq(self.passes.payload), out.valid.eq(self.passes.valid)]
        return m


def ref_clocks(config, runs, trace):
    """Return the clocks of the steps of each pass and of starvation, given the inputs of each clock."""
    ws = config.dataflow == "ws"
    steps, starved = [[-99]], []
    clock = 0
    for run in runs:
        # Weight stationary: passes start at least ACCUMULATE_CLOCKS apart, in steps or in clocks between them.
        begin = steps[-1][-1] + 1 + (max(0, ACCUMULATE_CLOCKS - len(steps[-1])) if ws else 0)
        # The start of a pass is decided a clock ahead, and not in a clock in which another pass begins.
        begin = max(begin, steps[-1][0] + 2, 1)
        # Output stationary: the previous sums must have left.
        end = clock if ws else steps[-1][-1] + 2 * config.rows - 1
        steps.append([])
        while len(steps[-1]) <= run["steps"]:
            may = len(steps[-1]) < run["steps"] or clock >= end
            if not steps[-1]:
                may = may and clock >= begin and trace.pass_here[clock]
                may = may and (trace.bank_free[clock - 1] or not run["first"])
                may = may and (trace.params_ready[clock - 1] or not (run["tile"] and run["params"]))
            if may and trace.acts_here[clock]:
                (steps[-1] if trace.weights_here[clock] else starved).append(clock)
            clock += 1
    return steps[1:], starved


def ref_operands(config, runs, steps, acts, weights):
    """Return the array's inputs in the clock after each step, and the flags for the accumulators."""
    ws = config.dataflow == "ws"
    acts, weights = iter(acts), iter(weights)
    edges, marks = {}, {}
    for run, clocks in zip(runs, steps, strict=True):
        for clock in clocks:
            begins, ends = int(clock == clocks[0]), int(clock == clocks[-1])
            mark = {"valid": 1, "begin": 1, "end": 0, **{name: run[name] for name in ("first", "tile", "params")}}
            if ws:
                edges[clock + 1] = {"acts": next(acts), "swap": begins}
                marks[clock + 1] = {**mark, "begin": begins, "end": ends & run["last"], "tile": begins & run["tile"]}
            else:
                edges[clock + 1] = {"acts": next(acts), "row": next(weights), "clear": begins, "capture": ends}
                # For the whole block; `RowTags` determines its end.
                marks |= {clock + 1: mark} if ends else {}
    return edges, marks


@pytest.mark.parametrize("allowed", [1.0, 0.3])
@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_feeder(simulate, send, config, stall, allowed):
    """Check every clock of a feeder, with gaps in its streams and with banks and parameters not always available."""
    ws = config.dataflow == "ws"
    runs = passes(config, 60, seed=5)
    count = sum(run["steps"] + 1 for run in runs)
    acts, weights = vectors(6, count, config.rows), vectors(7, count, config.cols)
    feeder = (WsFeeder if ws else OsFeeder)(config=config)
    foreseen = Foreseen(feeder)

    async def allow(ctx):
        generator = random.Random(8)
        while True:
            ctx.set(feeder.bank_free, generator.random() < allowed)
            ctx.set(feeder.params_ready, generator.random() < allowed)
            await ctx.tick()

    benches = [send(foreseen.passes, runs, stall, 9), send(feeder.operands, acts, stall, 10)]
    names = ["bank_free", "params_ready", "acts", "step", "idle", "block", "block_start", "params_taken", "mark"]
    names += ["swap"] if ws else ["row", "clear", "capture", "starved"]
    watch = {name: getattr(feeder, name) for name in names}
    watch |= {"pass_here": feeder.passes.valid, "acts_here": feeder.operands.valid, "passes": feeder.passes}
    if not ws:
        benches.append(send(feeder.weights, weights, stall, 11))
        watch["weights_here"] = feeder.weights.valid
    trace = simulate(foreseen, *benches, beside=[allow], **watch)
    clocks = range(len(trace.step))
    if ws:
        trace.weights_here = [1 for _ in clocks]

    steps, starved = ref_clocks(config, runs, trace)
    firsts = [begin for begin, *_ in steps]
    assert clocks_of(trace.step) == [clock for run in steps for clock in run]
    assert clocks_of(trace.passes) == firsts
    assert [not idle for idle in trace.idle] == [any(run[0] < clock <= run[-1] for run in steps) for clock in clocks]
    begun = {clock: run for clock, run in zip(firsts, runs, strict=True) if run["first"]}
    assert clocks_of(trace.block_start) == list(begun)
    assert [trace.block[clock] for clock in begun] == [run["block"] for run in begun.values()]
    assert clocks_of(trace.params_taken) == [clock for clock, run in begun.items() if run["tile"] and run["params"]]

    edges, marks = ref_operands(config, runs, steps, acts, weights)
    quiet = {"swap": 0} if ws else {"acts": [0] * config.rows, "clear": 0, "capture": 0}
    for clock in clocks:
        want = edges.get(clock, quiet)
        assert {name: getattr(trace, name)[clock] for name in want} == want
    assert {clock: mark for clock, mark in enumerate(trace.mark) if mark["valid"]} == marks
    assert ws or clocks_of(trace.starved) == starved
