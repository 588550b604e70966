"""Ring buffer of operands: a step can be read unchanged up to the clock of its release."""

import random

import pytest
from tercet.golden.tensorcore.cycle_model import RING
from tercet.rtl.tensorcore.operands import Operands

# Bits of a block, maximum blocks per step, parts per block.
SHAPES = [(24, 4, 1), (32, 4, 2), (64, 4, 4), (40, 8, 1), (48, 8, 4)]
# Blocks per step, number of steps.
SIZES = [(4, 3), (1, 5), (2, 1), (3, 4), (1, 1), (1, 1), (4, 1), (2, 6)]


def make(shape):
    width, most, parts = shape
    return Operands(width=width // parts, blocks=most, parts=parts, family="any")


def steps_of(shape, sizes, seed=0):
    """Sizes, and the blocks of each step; steps of the maximum size are added."""
    width, most, _ = shape
    generator = random.Random(seed)
    sizes = [*sizes, (most, 2)]
    count = [blocks for blocks, steps in sizes for _ in range(steps)]
    words = [[generator.getrandbits(width) for _ in range(blocks)] for blocks in count]
    return [{"blocks": blocks - 1, "steps": steps - 1} for blocks, steps in sizes], words


def parts_of(shape, blocks):
    """Parts of blocks in the order of the stream, lowest first."""
    width, _, parts = shape
    part = width // parts
    return [block >> n * part & (2**part - 1) for block in blocks for n in range(parts)]


def read_all(component, steps, got, *, pauses=0.0, seed=0):
    """Bench that reads all parts of each step in random order, and releases the step with the last read."""

    async def bench(ctx):
        generator = random.Random(seed)
        requests = [None] * component.latency
        ctx.set(component.release, 0)

        async def clock(request):
            _, _, part = await ctx.tick().sample(component.part)
            requests.append(request)
            answered = requests.pop(0)
            if answered is not None:
                got.append((*answered, part))

        for number, step in enumerate(steps):
            indices = [(block, part) for block in range(len(step)) for part in range(component.parts)]
            generator.shuffle(indices)
            while not ctx.get(component.ready):
                await clock(None)
            for index in indices:
                while generator.random() < pauses:
                    ctx.set(component.read_block, generator.randrange(component.most))
                    await clock(None)
                ctx.set(component.read_block, index[0])
                ctx.set(component.read_part, index[1])
                ctx.set(component.release, index == indices[-1])
                await clock((number, *index))
                ctx.set(component.release, 0)
        for _ in range(component.latency):
            await clock(None)

    return bench


@pytest.mark.parametrize(
    ("gaps", "pauses"), [(0.0, 0.0), (0.0, 0.7), (0.6, 0.0), (0.4, 0.3)], ids=["none", "reader", "writer", "both"]
)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_came(simulate, send, shape, gaps, pauses):
    """All steps arrive, with the ring mostly full, mostly empty, or in between."""
    component = make(shape)
    sizes, steps = steps_of(shape, SIZES)
    got = []
    benches = (
        send(component.sizes, sizes, stall=gaps / 2, seed=1),
        send(component.blocks, parts_of(shape, [block for step in steps for block in step]), stall=gaps, seed=2),
        read_all(component, steps, got, pauses=pauses, seed=3),
    )
    trace = simulate(component, *benches, blocks=component.blocks, ready=component.ready)
    part = component.width
    want = [steps[number][block] >> n * part & (2**part - 1) for number, block, n, _ in got]
    assert [value for *_, value in got] == want
    assert len(got) == sum(len(step) for step in steps) * component.parts
    # The ring is empty.
    assert not trace.ready[-1]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_takes_a_part_a_clock(simulate, send, shape):
    """One part is accepted per clock while there is room, also across a change of size."""
    component = make(shape)
    sizes = [(2, 1), (1, 1), (component.most, RING - 2)]
    words = list(range(1, 1 + component.parts * (3 + (RING - 2) * component.most)))
    sizes = [{"blocks": size - 1, "steps": steps - 1} for size, steps in sizes]
    benches = (send(component.sizes, sizes), send(component.blocks, words))
    trace = simulate(component, *benches, blocks=component.blocks, ready=component.ready)
    taken = [clock for clock, block in enumerate(trace.blocks) if block is not None]
    assert [trace.blocks[clock] for clock in taken] == words
    assert taken == [n + 1 for n in range(len(words))]
    # The first step is ready two clocks after its last part.
    assert trace.ready.index(1) == taken[2 * component.parts - 1] + 2


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_holds_its_steps(simulate, send, shape):
    """The ring accepts `RING` steps, and one more after each release."""
    component = make(shape)
    blocks = 2
    free = [100, 150]

    async def release(ctx):
        for clock in range(200):
            ctx.set(component.release, clock in free)
            await ctx.tick()

    beside = (
        send(component.sizes, [{"blocks": blocks - 1, "steps": 99}]),
        send(component.blocks, list(range(1, 1000))),
    )
    trace = simulate(component, release, beside=beside, blocks=component.blocks, ready=component.ready)
    taken = [clock for clock, block in enumerate(trace.blocks) if block is not None]
    assert sum(clock < free[0] for clock in taken) == RING * blocks * component.parts
    for clock, until in zip(free, [*free[1:], 200], strict=True):
        # Parts are accepted from the clock after the release.
        assert [later - clock for later in taken if clock <= later < until] == [
            n + 1 for n in range(blocks * component.parts)
        ]
    assert all(trace.ready[free[0] :])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_read_while_overwritten(simulate, send, shape):
    """Reads up to the clock of the release return the old step, although the next one overwrites it at once."""
    component = make(shape)
    width, most, parts = shape
    generator = random.Random(5)
    steps = [[generator.getrandbits(width) for _ in range(most)] for _ in range(4 * RING)]
    got = []

    async def late(ctx):
        # The ring is full before the first step is read.
        await ctx.tick().repeat(RING * most * parts + 10)
        await read_all(component, steps, got, pauses=0.0, seed=1)(ctx)

    beside = (
        send(component.sizes, [{"blocks": most - 1, "steps": len(steps) - 1}]),
        send(component.blocks, parts_of(shape, [block for step in steps for block in step])),
    )
    simulate(component, late, beside=beside)
    part = width // parts
    assert len(got) == len(steps) * most * parts
    for number, block, n, value in got:
        assert value == steps[number][block] >> n * part & (2**part - 1)
