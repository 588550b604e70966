"""Frame reader alone: every kind of frame, frames that do not fit, which are skipped word by word, and runs."""

import random
from typing import Any

import pytest
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.program import EVERY_PE, FRAME_FIELDS, FRAMES
from tercet.rtl.eie.frames import FrameReader
from tercet.rtl.eie.layouts import LOADED, program_width, step_beats
from tercet.rtl.eie.shallow_frames import ShallowFrameReader

SIZES: dict[str, Any] = {"matrix_depth": 20, "pointer_depth": 33, "constant_depth": 16, "program_depth": 5}
CONFIGS = {str(n_pe): EieConfig(n_pe=n_pe, **SIZES) for n_pe in (1, 4, 6, 256)}
# Wide enough for steps of two words.
CONFIGS["2 beats"] = EieConfig(
    n_pe=4, matrix_depth=20, pointer_depth=2**20, constant_depth=2**16, act_depth=2**15, program_depth=5
)
PROGRAM, RUN = FRAMES.index("program"), FRAMES.index("run")


def clocks_of(config):
    """Return the clocks from a head to its first word, and from a word to its memory."""
    return (2, 0) if config.shallow else (4, 1)


def depth(config, kind):
    """Return the depth of the memory for a kind of frame; for a run, of the program in steps."""
    steps = config.program_depth
    depths = (config.matrix_depth, config.pointer_depth, config.constant_depth, steps * step_beats(config), steps)
    return depths[kind]


def fits(config, kind, pe, address, count):
    if kind == RUN:
        return address < config.program_depth and count > 0
    known = kind == PROGRAM or pe < config.n_pe or pe == EVERY_PE
    return kind < RUN and known and address + count <= depth(config, kind)


def frame(generator, kind, pe, address, count):
    words = [generator.getrandbits(64) for _ in range(0 if kind == RUN else count)]
    head, low = 0, 0
    for value, width in zip((kind, pe, address, count), FRAME_FIELDS.values(), strict=True):
        assert 0 <= value < 2**width
        head |= value << low
        low += width
    return (kind, pe, address, count), [head, *words]


def ref_reader(config, frames):
    """Return the words for memories, the runs, and whether a frame was skipped."""
    loads, runs, error = [], [], False
    for (kind, pe, address, count), (_, *words) in frames:
        if not fits(config, kind, pe, address, count):
            error = True
        elif kind == RUN:
            runs.append((address, count))
        else:
            where = None if kind == PROGRAM else "every" if pe == EVERY_PE else pe
            # A word of a program may be split into several.
            width = program_width(config) if kind == PROGRAM else 64
            parts = [word >> low & 2**width - 1 for word in words for low in range(0, 64, width)]
            first = address * 64 // width
            loads += [(kind, where, first + n, part) for n, part in enumerate(parts)]
    return loads, runs, error


def run(simulate, send, config, frames, gaps=0.0, clocks_of_run=7):
    """Return the trace, and the loads and runs by clock."""
    reader = (ShallowFrameReader if config.shallow else FrameReader)(config=config)
    words = [word for _, words in frames for word in words]

    async def runner(ctx):
        generator = random.Random(1)
        while True:
            _, _, start = await ctx.tick().sample(reader.run)
            if start:
                ctx.set(reader.running, 1)
                for _ in range(generator.randrange(1, clocks_of_run + 1)):
                    await ctx.tick()
                ctx.set(reader.running, 0)

    load = {name: reader.load[name] for name in (*LOADED, "every", "pe", "address", "data")}
    names = ("program", "run", "first_step", "vectors", "running", "error", "i")
    watch = load | {name: getattr(reader, name) for name in names}
    watch["program_data"] = reader.program_data
    watch["program_address"] = reader.program_address if config.shallow else reader.load.address
    trace = simulate(reader, send(reader.i, words, gaps, 5), beside=[runner], clocks=20_000, **watch)
    strobes = list(zip(trace.matrix, trace.pointers, trace.constants, trace.program, strict=True))
    assert max(map(sum, strobes)) <= 1
    loads = {}
    for clock, strobe in enumerate(strobes):
        if any(strobe):
            kind = strobe.index(1)
            if kind == PROGRAM:
                loads[clock] = (kind, None, trace.program_address[clock], trace.program_data[clock])
            else:
                where = "every" if trace.every[clock] else trace.pe[clock]
                loads[clock] = (kind, where, trace.address[clock], trace.data[clock])
    runs = {clock: (trace.first_step[clock], trace.vectors[clock]) for clock, on in enumerate(trace.run) if on}
    return trace, loads, runs


def check(config, trace, loads, runs, frames):
    want_loads, want_runs, error = ref_reader(config, frames)
    assert list(loads.values()) == want_loads
    assert list(runs.values()) == want_runs
    assert trace.error[-1] == int(error)


def legal_frames(config, count, seed):
    """Frames of every kind, with PEs up to the last, and lengths of 0 words up to the limit."""
    generator = random.Random(seed)
    frames = []
    for number in range(count):
        kind = number % 5
        pe = generator.choice([EVERY_PE, number // 5 % config.n_pe, config.n_pe - 1, generator.randrange(config.n_pe)])
        end = depth(config, kind)
        if kind == RUN:
            address, length = generator.randrange(end), generator.choice([1, 2, 2**24 - 1])
        else:
            length = generator.choice([0, 1, 2, min(end, 12)])
            address = generator.choice([0, end - length, generator.randrange(end - length + 1)])
        frames.append(frame(generator, kind, pe, address, length))
    return frames


@pytest.mark.parametrize("gaps", [0.0, 0.5])
@pytest.mark.parametrize("name", CONFIGS)
def test_frames(simulate, pipeline, send, name, gaps):
    config = pipeline(CONFIGS[name])
    assert (step_beats(config) == 2) == (name == "2 beats")
    frames = legal_frames(config, 60, seed=3)
    trace, loads, runs = run(simulate, send, config, frames, gaps)
    check(config, trace, loads, runs, frames)
    assert not any(trace.error)


@pytest.mark.parametrize("kind", range(3), ids=LOADED)
@pytest.mark.parametrize("n_pe", [1, 6, 256])
def test_every_pe(simulate, pipeline, send, kind, n_pe):
    """One word for each PE, then one for all."""
    config, generator = pipeline(CONFIGS[str(n_pe)]), random.Random(n_pe)
    numbers = range(n_pe) if n_pe < 10 else [0, 1, 63, 64, 200, 255]
    frames = [frame(generator, kind, pe, 3, 1) for pe in (*numbers, EVERY_PE)]
    trace, loads, runs = run(simulate, send, config, frames)
    check(config, trace, loads, runs, frames)
    assert [where for _, where, *_ in loads.values()] == [*numbers, "every"]


def illegal_frames(config):
    """Frames one step beyond each limit, most with words that could be mistaken for heads."""
    generator = random.Random(0)
    frames = []
    for kind in range(4):
        end = depth(config, kind)
        frames += [frame(generator, kind, 0, end - 2, 3), frame(generator, kind, 0, end, 1)]
        frames += [frame(generator, kind, 0, 2**24 - 1, 9), frame(generator, kind, EVERY_PE, end + 1, 0)]
        if end < 200:
            frames.append(frame(generator, kind, EVERY_PE, 0, end + 1))
    for kind in range(3):
        frames += [frame(generator, kind, config.n_pe, 0, 2), frame(generator, kind, EVERY_PE - 1, 1, 2)]
    frames += [frame(generator, kind, 0, 0, kind % 4) for kind in range(RUN + 1, 16)]
    frames += [frame(generator, RUN, 0, 0, 0), frame(generator, RUN, 0, config.program_depth, 1)]
    frames += [frame(generator, RUN, 0, 2**23, 5)]
    return frames


@pytest.mark.parametrize("name", ["1", "6", "2 beats"])
def test_skips(simulate, pipeline, send, name):
    """Frames that do not fit, each between frames that do, write no word and set `error`."""
    config, generator = pipeline(CONFIGS[name]), random.Random(2)
    frames = []
    for number, bad in enumerate(illegal_frames(config)):
        assert not fits(config, *bad[0]), bad[0]
        frames += [bad, frame(generator, number % 3, EVERY_PE, number % 4, 1 + number % 2)]
    trace, loads, runs = run(simulate, send, config, frames)
    check(config, trace, loads, runs, frames)
    assert not runs


def test_each_is_marked(simulate, pipeline, send):
    """Every single frame that does not fit sets `error` permanently; the frame before it does not."""
    config, generator = pipeline(CONFIGS["6"]), random.Random(4)
    head, _ = clocks_of(config)
    for bad in illegal_frames(config):
        frames = [frame(generator, 0, 0, 0, 1), bad, frame(generator, 1, 0, 0, 1)]
        trace, loads, runs = run(simulate, send, config, frames)
        check(config, trace, loads, runs, frames)
        heads = [clock for clock, word in enumerate(trace.i) if word is not None]
        assert trace.error.index(1) == heads[2] + head, bad[0]
        assert all(trace.error[heads[2] + head :])


def test_clocks(simulate, pipeline, send):
    """One memory word per clock, a fixed delay after the head; the next head follows the last word immediately."""
    config, generator = pipeline(CONFIGS["4"]), random.Random(5)
    frames = [frame(generator, kind, 1, 0, count) for kind in range(4) for count in (1, 4, 5)]
    trace, loads, runs = run(simulate, send, config, frames)
    check(config, trace, loads, runs, frames)
    head, latency = clocks_of(config)
    words, clock = [], 0
    for (kind, *_, count), _ in frames:
        count *= 64 // program_width(config) if kind == PROGRAM else 1
        words += range(clock + head, clock + head + count)
        clock += head + count
    assert list(loads) == [at + latency for at in words]


@pytest.mark.parametrize("clocks", [1, 2, 30])
def test_run_waits(simulate, pipeline, send, clocks):
    """Nothing is accepted from a run's head to the end of the run; `run` lasts one clock."""
    config, generator = pipeline(CONFIGS["4"]), random.Random(6)
    frames = [frame(generator, RUN, 0, n, n + 1) for n in range(5)] + [frame(generator, 0, 0, 0, 1)]
    trace, loads, runs = run(simulate, send, config, frames, clocks_of_run=clocks)
    check(config, trace, loads, runs, frames)
    heads = [clock for clock, word in enumerate(trace.i) if word is not None]
    for start, head, after in zip(runs, heads, heads[1:], strict=False):
        assert start == head + clocks_of(config)[0]
        assert all(trace.running[start + 1 : after - 1])
        assert not any(trace.running[after - 1 : after + 1])
