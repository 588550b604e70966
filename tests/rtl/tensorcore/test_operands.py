"""The ring of operands: what is read is what came, up to the clock in which its place is given free."""

import random

import pytest
from tercet.golden.tensorcore.cycle_model import RING
from tercet.rtl.tensorcore.operands import Operands

# Bits of a block, most blocks of a step, parts of a block.
SHAPES = [(24, 4, 1), (32, 4, 2), (64, 4, 4), (40, 8, 1), (48, 8, 4)]
# Blocks of a step, and steps.
SIZES = [(4, 3), (1, 5), (2, 1), (3, 4), (1, 1), (1, 1), (4, 1), (2, 6)]


def make(shape):
    width, most, parts = shape
    return Operands(width=width // parts, blocks=most, parts=parts, family="any")


def steps_of(shape, sizes, seed=0):
    """Of each step its blocks; sizes of as many blocks as there can be are among them."""
    width, most, _ = shape
    generator = random.Random(seed)
    sizes = [*sizes, (most, 2)]
    count = [blocks for blocks, steps in sizes for _ in range(steps)]
    words = [[generator.getrandbits(width) for _ in range(blocks)] for blocks in count]
    return [{"blocks": blocks - 1, "steps": steps - 1} for blocks, steps in sizes], words


def parts_of(shape, blocks):
    """What comes: each block in parts, the lowest first."""
    width, _, parts = shape
    part = width // parts
    return [block >> place * part & (2**part - 1) for block in blocks for place in range(parts)]


def read_all(component, steps, got, *, pauses=0.0, seed=0):
    """A bench that asks for all parts of each step in any order, and gives the step free with the last one."""

    async def bench(ctx):
        generator = random.Random(seed)
        asked = [None] * component.latency
        ctx.set(component.release, 0)

        async def clock(wanted):
            _, _, part = await ctx.tick().sample(component.part)
            asked.append(wanted)
            now = asked.pop(0)
            if now is not None:
                got.append((*now, part))

        for number, step in enumerate(steps):
            places = [(block, part) for block in range(len(step)) for part in range(component.parts)]
            generator.shuffle(places)
            while not ctx.get(component.ready):
                await clock(None)
            for place in places:
                while generator.random() < pauses:
                    ctx.set(component.read_block, generator.randrange(component.most))
                    await clock(None)
                ctx.set(component.read_block, place[0])
                ctx.set(component.read_part, place[1])
                ctx.set(component.release, place == places[-1])
                await clock((number, *place))
                ctx.set(component.release, 0)
        for _ in range(component.latency):
            await clock(None)

    return bench


@pytest.mark.parametrize(
    ("gaps", "pauses"), [(0.0, 0.0), (0.0, 0.7), (0.6, 0.0), (0.4, 0.3)], ids=["none", "reader", "writer", "both"]
)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_came(simulate, send, shape, gaps, pauses):
    """All steps, with the ring full most of the time, empty, or in between."""
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
    want = [steps[number][block] >> place * part & (2**part - 1) for number, block, place, _ in got]
    assert [value for *_, value in got] == want
    assert len(got) == sum(len(step) for step in steps) * component.parts
    # Nothing is here any more.
    assert not trace.ready[-1]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_takes_a_part_a_clock(simulate, send, shape):
    """Parts come in without a gap, also from one size to the next, as long as there is room."""
    component = make(shape)
    sizes = [(2, 1), (1, 1), (component.most, RING - 2)]
    words = list(range(1, 1 + component.parts * (3 + (RING - 2) * component.most)))
    sizes = [{"blocks": size - 1, "steps": steps - 1} for size, steps in sizes]
    benches = (send(component.sizes, sizes), send(component.blocks, words))
    trace = simulate(component, *benches, blocks=component.blocks, ready=component.ready)
    taken = [clock for clock, block in enumerate(trace.blocks) if block is not None]
    assert [trace.blocks[clock] for clock in taken] == words
    assert taken == [n + 1 for n in range(len(words))]
    # The first step is here two clocks after its last part.
    assert trace.ready.index(1) == taken[2 * component.parts - 1] + 2


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_holds_its_steps(simulate, send, shape):
    """As many steps as the ring has are taken in, and one more once the oldest is given free."""
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
        # In the clock after, the place is free.
        assert [later - clock for later in taken if clock <= later < until] == [
            n + 1 for n in range(blocks * component.parts)
        ]
    assert all(trace.ready[free[0] :])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_read_while_overwritten(simulate, send, shape):
    """What is asked for up to the clock of the release is right, although the next step takes its place at once."""
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
    for number, block, place, value in got:
        assert value == steps[number][block] >> place * part & (2**part - 1)
