"""Queue of two entries: order, room, and what it tells a clock ahead."""

import random

import pytest
from tercet.rtl.common.lookahead_queue import LookaheadQueue


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("pause", [0.0, 0.5, 0.9])
def test_entries(simulate, send, stall, pause):
    """Every output in every clock, with an entry taken at random or as soon as there is one."""
    queue = LookaheadQueue(shape=8)
    sent = [(37 * n + 5) % 256 for n in range(200)]
    taken = []

    async def take(ctx):
        generator = random.Random(7)
        inside = []
        while len(taken) < len(sent):
            take = bool(inside) and generator.random() >= pause
            ctx.set(queue.take, take)
            watched = queue.i.valid, queue.i.ready, queue.i.payload, queue.first, queue.coming, queue.upcoming
            _, _, valid, ready, payload, first, coming, upcoming = await ctx.tick().sample(*watched)
            # A place is free in the clock after its entry was taken.
            assert ready == (len(inside) < 2)
            assert not inside or first == inside[0]
            changes = take or not inside
            if take:
                taken.append(inside.pop(0))
            if valid and ready:
                inside.append(payload)
            if changes:
                assert coming == bool(inside)
                assert not inside or upcoming == inside[0]

    simulate(queue, send(queue.i, sent, stall, 2), take, clocks=5000)
    assert taken == sent
