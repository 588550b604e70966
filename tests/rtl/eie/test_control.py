"""Central control alone: every clock of a program against the phases of its steps."""

import random
from typing import Any

import pytest
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.program import step_fields
from tercet.rtl.eie.control import Control
from tercet.rtl.eie.layouts import program_width, step_beats, step_words

SIZES: dict[str, Any] = {"act_depth": 16, "pointer_depth": 64, "constant_depth": 64, "program_depth": 6}
CONFIGS = {str(n_pe): EieConfig(n_pe=n_pe, **SIZES) for n_pe in (1, 4, 16, 256)}
# Steps of two words.
CONFIGS["2 beats"] = EieConfig(**{**SIZES, "act_depth": 2**15, "pointer_depth": 2**20, "constant_depth": 2**16})
EVENTS = ("ready", "store", "restart", "start", "scan", "sweep", "sweep_first", "result", "unload", "unload_last")
PHASES = ("computing", "loading", "unloading")
HELD = ("codebook", "shift", "relu", "deliver")

LOAD_ONE = {"load": 1, "groups": 1}
MORE = {"load": 1, "compute": 1}
LOAD_FIRST = {"load": 1, "sweep": 1, "groups": 3, "rows": 5, "biases": 7}
LAYER = {"compute": 1, "sweep": 1, "deliver": 1, "groups": 3, "rows": 4, "pointers": 9, "biases": 20, "results": 4}
LAST = {**LAYER, "last": 1, "relu": 1, "shift": 12, "codebook": 2}
PROGRAMS = {
    "one layer": [LOAD_FIRST, LAST],
    "smallest": [{**LOAD_FIRST, "groups": 1, "rows": 1}, {**LAST, "groups": 1, "rows": 1}],
    "largest": [
        {**LOAD_FIRST, "groups": 16, "rows": 16},
        {**LAST, "groups": 16, "rows": 16, "results": 16, "biases": 47},
    ],
    "three layers": [LOAD_FIRST, {**LAYER, "codebook": 1}, {**LAYER, "rows": 9, "shift": 3, "relu": 1}, LAST],
    "fewer results than rows": [LOAD_FIRST, {**LAYER, "results": 1}, {**LAYER, "rows": 9}, {**LAST, "results": 0}],
    "long vector": [LOAD_FIRST, {"compute": 1, "groups": 3}, {**MORE, "groups": 2}, {**LAST, "load": 1}],
    "nothing, and no delivery": [{}, LOAD_ONE, {**LAYER, "deliver": 0}, {}, {"sweep": 1, "rows": 2}, LAST],
    # The step at the last address of the memory is the last one, whatever its flag.
    "full": [LOAD_FIRST, *[LAYER] * 4, {**LAST, "last": 0}],
}


class Surroundings:
    """Random inputs that the control waits for, and the number of clocks of each scan."""

    def __init__(self, busy, seed):
        self._busy, self._seed = busy, seed
        generator = random.Random(seed)
        self.scans = [generator.choice([0, 1, 2, 5, 17]) for _ in range(100)]

    def __call__(self, name, clock):
        """Return the input `name` in a clock: activations available, room for a group, or all groups delivered."""
        return int(random.Random(f"{self._seed} {name} {clock}").random() >= self._busy)


def ref_clocks(config, steps, vectors, around):
    """Return outputs and step of every clock, from the one after `run` to the last of the run."""
    clocks, scans = [], iter(around.scans)

    def clock(phase, **events):
        clocks.append({**dict.fromkeys((*EVENTS, *PHASES), 0), **events, phase: 1})
        clocks[-1]["source"], clocks[-1]["step"] = source, step
        return len(clocks)

    def until(name, phase, count, **events):
        """Add clocks until input `name` has been 1 in `count` of them."""
        given = {"acts": ("store", None), "room": ("unload", "unload_last"), "left": (None, None)}[name]
        while count:
            present = around(name, len(clocks))
            flags = {given[0]: present, given[1]: int(count == 1)}
            clock(phase, **events, **{flag: value for flag, value in flags.items() if flag})
            count -= present

    # Clocks until the first step, or its first word, has been fetched.
    fetch = 1 if config.shallow else 3
    source, step, fetched = 0, None, fetch
    for _ in range(vectors):
        for place, each in enumerate(steps):
            get = each.get
            begin = "loading" if get("load") or not get("compute") else "computing"
            # The step was fetched while the previous one ran.
            for _ in range(max(0, fetched - len(clocks))):
                clock("loading")
            for left in reversed(range(config.timing.step)):
                clock(begin)
                step = place if not left else None
            fetched = len(clocks) + fetch
            if get("load"):
                clock("loading", restart=1)
                until("acts", "loading", get("groups"), ready=1)
            phase = "computing" if get("compute") else "loading"
            clock(phase, restart=1, start=get("compute", 0))
            if get("compute"):
                for _ in range(next(scans)):
                    clock(phase, scan=1)
                for _ in range(1 + config.drain_clocks):
                    clock(phase)
            if get("sweep"):
                for row in range(get("rows")):
                    clock(phase, sweep=1, sweep_first=int(row == 0), result=int(row < get("results", 0)))
                for left in reversed(range(config.settle_clocks)):
                    clock(phase, restart=int(left == 0))
                source ^= get("deliver", 0)
        until("room", "unloading", steps[-1]["rows"])
        until("left", "unloading", 1)
    return clocks


def run(simulate, config, steps, vectors, around, first_step=0, runs=1):
    """Write the program and run it, with inputs from `around` and `done` after each scan."""
    control = Control(config=config)

    async def write(ctx):
        fields = step_fields(config)
        ctx.set(control.program, 1)
        for place, each in enumerate(steps, first_step):
            packed, low = 0, 0
            for name, width in fields.items():
                packed |= each.get(name, 0) << low
                low += width
            width, words = program_width(config), step_words(config)
            for word in range(words):
                ctx.set(control.program_address, place * words + word)
                ctx.set(control.program_data, packed >> width * word & 2**width - 1)
                await ctx.tick()
        ctx.set(control.program, 0)

    async def bench(ctx):
        await write(ctx)
        for _ in range(runs):
            ctx.set(control.run, 1)
            ctx.set(control.first_step, first_step)
            ctx.set(control.vectors, vectors)
            await ctx.tick()
            ctx.set(control.run, 0)
            ctx.set(control.vectors, 77)
            scans, left, end, clock = iter(around.scans), 0, 0, 0
            while ctx.get(control.running):
                ctx.set(control.acts_valid, around("acts", clock))
                ctx.set(control.room, around("room", clock))
                ctx.set(control.delivered, around("left", clock))
                started = ctx.get(control.start)
                # `done` falls a clock after the scan.
                ctx.set(control.done, left == 0 and end)
                end = 0 if end and not ctx.get(control.compute) and left == 0 else end
                await ctx.tick()
                if started:
                    left, end = next(scans), 1
                elif left:
                    left -= 1
                clock += 1
            await ctx.tick().repeat(4)

    setup = ("restart", "scan", "store", "unload", "source", *HELD)
    watch = {f"setup_{name}": control.setup[name] for name in setup}
    names = (
        "start",
        "compute",
        "sweep",
        "sweep_first",
        "result",
        "unload",
        "unload_last",
        "bias_address",
        "acts_ready",
    )
    names += PHASES
    watch |= {name: getattr(control, name) for name in (*names, "running", "step")}
    return simulate(control, bench, clocks=30_000, **watch)


def windows(trace):
    """Return first clock and end of each run."""
    edges = zip([0, *trace.running], trace.running, strict=False)
    changes = [clock for clock, (before, now) in enumerate(edges) if before != now]
    return list(zip(changes[::2], changes[1::2], strict=True))


def rtl_clocks(trace, first, end):
    """Return the clocks of `ref_clocks` without the step; `sweep_first` is masked by `sweep`."""
    clocks = []
    for clock in range(first, end):
        clocks.append(
            {
                "ready": trace.acts_ready[clock],
                "store": trace.setup_store[clock],
                "restart": trace.setup_restart[clock],
                "start": trace.start[clock],
                "scan": trace.setup_scan[clock],
                "sweep": trace.sweep[clock],
                "sweep_first": trace.sweep_first[clock] & trace.sweep[clock],
                "result": trace.result[clock],
                "unload": trace.unload[clock],
                "unload_last": trace.unload_last[clock],
                **{name: getattr(trace, name)[clock] for name in PHASES},
                "source": trace.setup_source[clock],
            }
        )
        assert trace.compute[clock] == trace.setup_scan[clock]
        assert trace.setup_unload[clock] == trace.unload[clock]
    return clocks


def check(config, trace, steps, vectors, around, source=0, window=0):
    first, end = windows(trace)[window]
    want = ref_clocks(config, steps, vectors, around)
    for each in want:
        each["source"] ^= source
    found = rtl_clocks(trace, first, end)
    for clock, (ours, reference) in enumerate(zip(found, want, strict=False)):
        reference = dict(reference)
        place = reference.pop("step")
        # `unload_last` is only meaningful while unloading.
        ours["unload_last"] &= ours["unloading"]
        assert ours == reference, clock
        if place is not None:
            got = trace.step[first + clock]
            assert {**dict.fromkeys(got, 0), **steps[place]} | {"last": got["last"]} == got
            assert got["last"] == int(place == len(steps) - 1)
            assert all(getattr(trace, f"setup_{name}")[first + clock] == steps[place].get(name, 0) for name in HELD)
    assert len(found) == len(want)
    # The address of a row's bias follows the row.
    rows = [clock for clock, each in enumerate(want) if each["sweep"]]
    number = 0
    for clock in rows:
        number = 0 if want[clock]["sweep_first"] else number + 1
        biases = steps[want[clock]["step"]].get("biases", 0)
        assert trace.bias_address[first + clock + config.timing.bias] == biases + number
    return want


@pytest.mark.parametrize("busy", [0.0, 0.6])
@pytest.mark.parametrize("vectors", [1, 2])
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(simulate, pipeline, name, vectors, busy):
    config, steps, around = pipeline(CONFIGS["4"]), PROGRAMS[name], Surroundings(busy, seed=len(name))
    trace = run(simulate, config, steps, vectors, around)
    check(config, trace, steps, vectors, around)


@pytest.mark.parametrize("name", CONFIGS)
def test_configs(simulate, pipeline, name):
    """The clocks in which sums are in flight depend on the tree."""
    config, steps, around = pipeline(CONFIGS[name]), PROGRAMS["three layers"], Surroundings(0.3, seed=1)
    assert (step_beats(config) == 2) == (name == "2 beats")
    trace = run(simulate, config, steps, 2, around)
    check(config, trace, steps, 2, around)


def test_counted_clocks(simulate, pipeline):
    """Every clock of a run belongs to one counter."""
    config, steps, around = pipeline(CONFIGS["4"]), PROGRAMS["one layer"], Surroundings(0.0, seed=3)
    trace = run(simulate, config, steps, 1, around)
    want = check(config, trace, steps, 1, around)
    assert all(sum(clock[name] for name in PHASES) == 1 for clock in want)
    for name in PHASES:
        inside = getattr(trace, name)
        assert sum(inside) == sum(clock[name] for clock in want), name
    # Clocks of the second step: its start, the scan and the clock in which it is done, the rest.
    begin, end = 1 + config.timing.step, config.drain_clocks + LAST["rows"] + config.settle_clocks
    assert sum(trace.computing) == begin + around.scans[0] + 1 + end
    assert sum(trace.unloading) == LAST["rows"] + 1


def test_first_step(simulate, pipeline):
    """A program that does not start at step 0 starts at `first_step`, for each vector."""
    config, steps, around = pipeline(CONFIGS["4"]), PROGRAMS["three layers"], Surroundings(0.3, seed=4)
    trace = run(simulate, config, steps, 3, around, first_step=2)
    check(config, trace, steps, 3, around)


def test_one_run_after_the_other(simulate, pipeline):
    """The buffers keep their roles between runs: three deliveries per run swap them."""
    config, steps, around = pipeline(CONFIGS["4"]), PROGRAMS["three layers"], Surroundings(0.3, seed=5)
    trace = run(simulate, config, steps, 1, around, runs=3)
    assert len(windows(trace)) == 3
    for window in range(3):
        check(config, trace, steps, 1, around, source=window % 2, window=window)
