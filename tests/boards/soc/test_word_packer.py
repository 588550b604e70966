"""Word packer with streams of several widths."""

import random

import pytest
from tercet.boards.soc.word_packer import WordPacker

SIZES = [1, 3, 2, 9]


def build(simulate, requests, pause=0.0):
    """Run requests of stream, word count and bytes; return for each its words and byte clocks, and `whole`."""
    builder = WordPacker(sizes=SIZES)
    generator, answers = random.Random(1), []

    async def bench(ctx):
        log = []

        async def tick():
            log.append(tuple(map(ctx.get, (builder.take, builder.write, builder.word))))
            await ctx.tick()

        async def strobe(signal):
            ctx.set(signal, 1)
            await tick()
            ctx.set(signal, 0)

        for select, words, given in requests:
            ctx.set(builder.select, select)
            await tick()
            ctx.set(builder.words, words)
            await strobe(builder.begin)
            ctx.set(builder.words, 0)
            log.clear()
            for byte in given:
                while generator.random() < pause:
                    await tick()
                ctx.set(builder.byte, byte)
                await strobe(builder.take)
                ctx.set(builder.byte, 0x55)
            await tick()
            whole = ctx.get(builder.whole)
            await tick()
            taken = [clock for clock, (take, _, _) in enumerate(log) if take]
            unused = 8 * (max(SIZES) - SIZES[select])
            come = [(clock, word >> unused) for clock, (_, write, word) in enumerate(log) if write]
            answers.append((come, taken, whole))

    simulate(builder, bench, clocks=100_000)
    return answers


def split(select, words, given):
    """Return the complete words, the index of the last byte of each, and whether the length matches exactly."""
    size = SIZES[select]
    whole = [given[n : n + size] for n in range(0, len(given) - size + 1, size)][:words]
    ends = [size * n + size - 1 for n in range(len(whole))]
    return [int.from_bytes(word, "little") for word in whole], ends, len(given) == words * size


@pytest.mark.parametrize("pause", [0.0, 0.7])
def test_words(simulate, pause):
    """Exact, short, long and empty requests; nothing carries over from one to the next."""
    generator = random.Random(0)
    requests = []
    for _ in range(60):
        select, words = generator.randrange(len(SIZES)), generator.randrange(5)
        size = max(0, SIZES[select] * words + generator.choice([0, 0, 0, 1, -1, SIZES[select], -SIZES[select]]))
        requests.append((select, words, generator.randbytes(size)))
    verdicts = set()
    for request, (come, taken, whole) in zip(requests, build(simulate, requests, pause), strict=True):
        words, ends, right = split(*request)
        assert come == [(taken[end] + 2, word) for end, word in zip(ends, words, strict=True)]
        assert whole == right
        verdicts.add(right)
    assert verdicts == {True, False}


def test_many_words(simulate):
    """More words than fit in an 8-bit count."""
    given = random.Random(2).randbytes(3 * 300)
    [(come, _, whole)] = build(simulate, [(1, 300, given)])
    assert [word for _, word in come] == split(1, 300, given)[0]
    assert whole


@pytest.mark.parametrize("wrong", ["a byte too many", "a byte too few"])
def test_single_bytes(simulate, wrong):
    """Also checked for words of one byte."""
    given = bytes(range(8))
    [(come, _, whole)] = build(simulate, [(0, 7 if wrong == "a byte too many" else 9, given)])
    assert len(come) == min(8, 7 if wrong == "a byte too many" else 9)
    assert not whole
