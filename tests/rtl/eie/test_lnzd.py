"""Detection tree: nodes alone and joined, against a list of the non-zeros."""

import random

import pytest
from amaranth import *
from amaranth.lib import wiring
from tercet.rtl.eie.layouts import token_layout
from tercet.rtl.eie.lnzd import Node

SHALLOW = pytest.mark.parametrize("shallow", [False, True], ids=["deep", "shallow"])
TREES = {"1": [1], "2": [2], "3": [3], "4": [4], "4+1": [4, 1], "4+4+4+3": [4, 4, 4, 3]}


class Tree(Elaboratable):
    """A node of leaves, or a node of such nodes."""

    def __init__(self, sizes, shallow):
        self.nodes = [Node(level=1, children=size, shallow=shallow) for size in sizes]
        two = Node(level=2, children=len(sizes), shallow=shallow) if len(sizes) > 1 else None
        self.root = two or self.nodes[0]
        self.enable = Signal()
        self.leaves = [leaf for node in self.nodes for leaf in node.inputs]
        # Number of each leaf: its number in its node in the lower bits, the node's number above.
        self.numbers = [4 * k + j for k, size in enumerate(sizes) for j in range(size)]
        self.o = self.root.o

    def elaborate(self, platform):
        m = Module()
        for k, node in enumerate(self.nodes):
            m.submodules[f"node{k}"] = node
            m.d.comb += node.enable.eq(self.enable)
            if self.root is not node:
                wiring.connect(m, node.o, self.root.inputs[k])
        if self.root not in self.nodes:
            m.submodules.root = self.root
            m.d.comb += self.root.enable.eq(self.enable)
        return m


def random_groups(count, leaves, seed):
    """Return the leaves' activations for each group, in dense, mixed, sparse and empty stretches."""
    generator = random.Random(seed)
    groups = []
    while len(groups) < count:
        density = generator.choice([0, 0.1, 0.5, 0.9, 1])
        for _ in range(generator.randrange(1, 12)):
            groups.append(
                [generator.randrange(-(2**15), 2**15) * (generator.random() < density) for _ in range(leaves)]
            )
    return groups[:count]


def leaf_tokens(groups, leaf):
    return [{"act": group[leaf], "item": int(group[leaf] != 0), "close": 1, "index": 0} for group in groups]


def ref_tokens(groups, numbers):
    """Return activation, item, close and index of every token; the index is None without an item."""
    tokens = []
    for group in groups:
        items = [(act, 1, 0, number) for act, number in zip(group, numbers, strict=True) if act] or [(0, 0, 0, None)]
        tokens += [*items[:-1], (*items[-1][:2], 1, items[-1][3])]
    return tokens


def rtl_tokens(seen):
    return [(t["act"], t["item"], t["close"], t["index"] if t["item"] else None) for t in seen if t is not None]


def run(simulate, send, receive, sizes, shallow, groups, gaps=0.0, pauses=0.0):
    tree = Tree(sizes, shallow)
    want = ref_tokens(groups, tree.numbers)

    async def enable(ctx):
        ctx.set(tree.enable, 1)

    sources = [send(leaf, leaf_tokens(groups, n), gaps, n) for n, leaf in enumerate(tree.leaves)]
    trace = simulate(tree, enable, *sources, receive(tree.o, len(want), pauses, 99), clocks=20_000, o=tree.o)
    assert rtl_tokens(trace.o) == want
    return trace.o


@SHALLOW
@pytest.mark.parametrize(("gaps", "pauses"), [(0.4, 0.0), (0.0, 0.5), (0.3, 0.3), (0.7, 0.1)])
@pytest.mark.parametrize("sizes", TREES.values(), ids=TREES)
def test_order(simulate, send, receive, sizes, shallow, gaps, pauses):
    groups = random_groups(60, sum(sizes), seed=len(sizes))
    run(simulate, send, receive, sizes, shallow, groups, gaps, pauses)


@SHALLOW
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_every_pair_of_groups(simulate, send, receive, size, shallow):
    """Each pattern of items followed by every pattern."""
    generator = random.Random(size)
    patterns = [n for a in range(2**size) for b in range(2**size) for n in (a, b)]
    groups = [[generator.randrange(1, 2**15) * (n >> k & 1) for k in range(size)] for n in patterns]
    run(simulate, send, receive, [size], shallow, groups)


@SHALLOW
@pytest.mark.parametrize("sizes", TREES.values(), ids=TREES)
def test_token_a_clock(simulate, send, receive, sizes, shallow):
    """The first token comes after `latency` clocks per level, then one per clock, including empty ones."""
    groups = random_groups(150, sum(sizes), seed=7)
    seen = run(simulate, send, receive, sizes, shallow, groups)
    levels = 1 if len(sizes) == 1 else 2
    latency = sum(Node(level=n + 1, shallow=shallow).latency for n in range(levels))
    first = next(clock for clock, token in enumerate(seen) if token is not None)
    assert first == latency
    assert None not in seen[first : first + len(rtl_tokens(seen))]


@SHALLOW
@pytest.mark.parametrize("before", range(1, 14))
def test_enable(simulate, send, receive, before, shallow):
    """In the clock after `enable` falls no token is valid; nothing older is left, even in the middle of a group."""
    tree = Tree([4, 2], shallow)
    old = [[1, 0, 3, 4, 5, 6]] * 20
    new = [[5, 0, 8, 2, 6, 3], [0] * 6, [7, 0, 9, 0, 0, 1]]
    want = ref_tokens(new, tree.numbers)

    async def control(ctx):
        """Offer a token at every leaf in every clock until leaves and nodes are cleared together."""
        ctx.set(tree.enable, 1)
        ctx.set(tree.o.ready, before % 2)
        for n, stream in enumerate(tree.leaves):
            ctx.set(stream.payload, leaf_tokens(old, n)[0])
            ctx.set(stream.valid, 1)
        await ctx.tick().repeat(before)
        ctx.set(tree.enable, 0)
        await ctx.tick()
        for stream in tree.leaves:
            ctx.set(stream.valid, 0)
        ctx.set(tree.o.ready, 1)
        assert not ctx.get(tree.o.valid)
        await ctx.tick().repeat(1 + before % 3)
        assert not ctx.get(tree.o.valid)
        ctx.set(tree.enable, 1)

    async def bench(ctx):
        await control(ctx)
        seen = []
        pending = [iter(leaf_tokens(new, n)) for n in range(6)]
        shown = [next(tokens) for tokens in pending]
        while len(seen) < len(want):
            for stream, token in zip(tree.leaves, shown, strict=True):
                ctx.set(stream.valid, token is not None)
                if token is not None:
                    ctx.set(stream.payload, token)
            ready = [stream.ready for stream in tree.leaves]
            _, _, valid, token, *taken = await ctx.tick().sample(tree.o.valid, tree.o.payload, *ready)
            seen += [(token.act, token.item, token.close, token.index if token.item else None)] * valid
            shown = [
                next(tokens, None) if take and token is not None else token
                for token, tokens, take in zip(shown, pending, taken, strict=True)
            ]
        assert seen == want

    simulate(tree, bench)


def test_layout():
    """The number of a subtree forms the upper bits of the index."""
    assert Node(level=2, children=3).o.payload.shape() == token_layout(2)
    assert len(Node(level=2, children=3).inputs) == 3


@pytest.mark.parametrize(
    ("level", "children", "message"),
    [(0, 4, "Level 0 has no"), (1, 0, "Node has 0 subtrees; use 1 to 4"), (1, 5, "Node has 5")],
)
def test_refuses(level, children, message):
    with pytest.raises(ValueError, match=message):
        Node(level=level, children=children)
