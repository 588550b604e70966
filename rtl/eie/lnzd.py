"""Leading non-zero detection: a quadtree that finds the non-zero activations in order, one per clock."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.register_slice import RegisterSlice

from .layouts import token_layout

__all__ = ["Node"]


class Node(wiring.Component):
    """Merge the tokens of up to four subtrees, the lowest first, group by group::

        i0  5 7.  3.        .   ends its group
        i1  -.    9.        -   no item
        i2  2.    -.
        o   5 7 2.  3 9.

    One token per clock, across group boundaries and for empty groups too. A subtree whose last item has been passed on
    holds that token until the group ends; then all subtrees advance together.

    Parameters
    ----------
    level : int
        Levels of nodes in this tree, including this one; at least 1.
    children : int
        Number of subtrees, 1 to 4.
    shallow : bool
        Select the token in the clock in which the subtrees present theirs, and register it once.

    Members
    -------
    enable : In(1)
        While low, tokens taken are lost. In the next clock no token is valid, and the next token begins a group.
    i0 .. i3 : In(stream.Signature(token_layout(level - 1)))
        Tokens of the `children` subtrees.
    o : Out(stream.Signature(token_layout(level)))
        Tokens of this tree, `latency` clocks later; the subtree's number forms the upper bits of their index.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    Notes
    -----
    Source: Han et al., ISCA 2016, section IV; ``spec/eie.md``, "The machine".
    """

    def __init__(self, *, level: int, children: int = 4, shallow: bool = False):
        if level < 1:
            raise ValueError(f"Level {level} has no subtrees; use at least 1")
        if not 1 <= children <= 4:
            raise ValueError(f"Node has {children} subtrees; use 1 to 4")
        self.level, self.children, self.shallow = level, children, shallow
        below = In(stream.Signature(token_layout(level - 1)))
        super().__init__(
            {
                "enable": In(1),
                **{f"i{n}": below for n in range(children)},
                "o": Out(stream.Signature(token_layout(level))),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from the last subtree's token to `o`."""
        return 1 if self.shallow else 3

    @property
    def inputs(self) -> list:
        """Input streams `i0`, `i1`, ..."""
        return [getattr(self, f"i{n}") for n in range(self.children)]

    def elaborate(self, platform) -> Module:
        m = Module()
        # Missing subtrees have no items.
        absent = Signal(token_layout(self.level - 1), init={"close": 1})
        inputs = self.inputs if self.level == 1 or self.shallow else self._near(m)
        tokens = [i.payload for i in inputs] + [absent] * (4 - self.children)
        valid = Signal()  # every subtree shows a token
        room = Signal(init=1)
        m.d.comb += valid.eq(Cat(i.valid for i in inputs).all())
        if self.shallow:
            return self._at_once(m, inputs, tokens, valid)
        if self.level == 1:
            tokens, valid, waits, last = self._leaves(m, tokens, valid, room)
        else:
            waits, last = self._subtrees(m, inputs, tokens, valid, room)
        s1_lower = self._choose(m, "s1_lower", tokens, 0, waits, room)
        s1_upper = self._choose(m, "s1_upper", tokens, 2, waits, room)
        s1_low, s1_item, s1_close = (Signal(name=f"s1_{name}", reset_less=True) for name in ("low", "item", "close"))
        with m.If(room):
            m.d.sync += [s1_low.eq(waits[:2].any()), s1_item.eq(waits.any()), s1_close.eq(last)]
        outlet = self._outlet(m, valid, room)
        m.d.comb += [
            Cat(outlet.act, outlet.index).eq(Mux(s1_low, s1_lower, s1_upper)),
            outlet.item.eq(s1_item),
            outlet.close.eq(s1_close),
        ]
        return m

    def _at_once(self, m: Module, inputs: list, tokens: list, valid: Value) -> Module:
        """Select the first waiting item in one clock, into a single register."""
        move = Signal()
        waits, last = self._subtrees(m, inputs, tokens, valid, move)
        each = [Cat(token.act, token.index, Const(n, 2)) for n, token in enumerate(tokens)]
        first = Mux(waits[:2].any(), Mux(waits[0], each[0], each[1]), Mux(waits[2], each[2], each[3]))
        o = self.o.payload
        m.d.comb += move.eq(~self.o.valid | self.o.ready)
        with m.If(move):
            m.d.sync += [Cat(o.act, o.index).eq(first), o.item.eq(waits.any()), o.close.eq(last)]
        with m.If(~self.enable):
            m.d.sync += self.o.valid.eq(0)
        with m.Elif(move):
            m.d.sync += self.o.valid.eq(valid)
        return m

    def _leaves(self, m: Module, tokens: list, valid: Value, room: Value) -> tuple[list, Value, Value, Value]:
        """Take whole groups, since leaves have one token each.

        Returns the tokens of a group, whether there is one, which of its items wait, and whether it ends. The items
        left are computed a clock ahead, as it is a long way from here to many leaves.
        """
        held = [Signal(token_layout(0), name=f"held{n}", reset_less=True) for n in range(4)]
        some, last = Signal(name="some"), Signal(name="last")
        waits = Signal(4)
        free = Signal()  # a group can be taken
        m.d.comb += free.eq(~some | (room & last))
        m.d.comb += [i.ready.eq(free & valid) for i in self.inputs]
        with m.If(~self.enable):
            m.d.sync += some.eq(0)
        with m.Elif(free):
            m.d.sync += some.eq(valid)
        with m.If(free):
            items = Cat(token.item for token in tokens)
            m.d.sync += [waits.eq(items), last.eq(_at_most(1, items))]
            m.d.sync += [one.eq(token) for one, token in zip(held, tokens, strict=True)]
        with m.Elif(room):
            behind = Cat(0, waits[0], waits[:2].any(), waits[:3].any())
            m.d.sync += [waits.eq(waits & behind), last.eq(_at_most(2, waits))]
        return held, some, waits, last

    def _near(self, m: Module) -> list:
        """Put register slices on the subtrees' tokens: the subtrees are far away, and taking a token is a long path."""
        near = []
        for n, i in enumerate(self.inputs):
            m.submodules[f"inlet{n}"] = inlet = RegisterSlice(shape=token_layout(self.level - 1))
            wiring.connect(m, wiring.flipped(i), inlet.i)
            m.d.comb += inlet.clear.eq(~self.enable)
            near.append(inlet.o)
        return near

    def _subtrees(self, m: Module, inputs: list, tokens: list, valid: Value, room: Value) -> tuple[Value, Value]:
        """Return which subtrees' items wait, and whether the group ends: all tokens close, and at most one waits.

        A token that does not close always has a waiting item.
        """
        close = Cat(token.close for token in tokens)
        done = Signal(4)  # the token at the input has been passed on
        waits = Signal(4)
        go, last = Signal(name="go"), Signal(name="last")
        m.d.comb += [
            go.eq(valid & room),
            waits.eq(Cat(token.item for token in tokens) & ~done),
            last.eq(close.all() & _at_most(1, waits)),
        ]
        # No lower subtree waits, so a token that does not close is the first waiting one.
        front = Cat(1, ~waits[0], ~waits[:2].any(), ~waits[:3].any())
        m.d.comb += [i.ready.eq(go & (last | (front[n] & ~close[n]))) for n, i in enumerate(inputs)]
        with m.If(~self.enable):
            m.d.sync += done.eq(0)
        with m.Elif(go):
            m.d.sync += done.eq((done | (waits & front & close)) & ~last.replicate(4))
        return waits, last

    def _choose(self, m: Module, name: str, tokens: list, n: int, waits: Value, room: Value) -> Value:
        """Register activation and index of the first waiting item of two subtrees.

        If none waits, the second is selected: without an item its activation is 0.
        """
        one, other = (Cat(tokens[k].act, tokens[k].index, Const(k, 2)) for k in (n, n + 1))
        chosen = Signal(len(one), name=name, reset_less=True)
        with m.If(room):
            m.d.sync += chosen.eq(Mux(waits[n], one, other))
        return chosen

    def _outlet(self, m: Module, valid: Value, room: Signal) -> data.View:
        """Hold the selected token until the register slice takes it; `room` is computed a clock ahead."""
        m.submodules.outlet = outlet = RegisterSlice(shape=token_layout(self.level))
        wiring.connect(m, outlet.o, wiring.flipped(self.o))
        s1_valid = Signal()
        taken = ~outlet.o.valid | outlet.o.ready
        with m.If(~self.enable):
            m.d.sync += [s1_valid.eq(0), room.eq(1)]
        with m.Else():
            m.d.sync += [
                s1_valid.eq(valid | ~room),
                room.eq((room & ~valid) | taken | (outlet.i.ready & ~s1_valid)),
            ]
        m.d.comb += [outlet.clear.eq(~self.enable), outlet.i.valid.eq(s1_valid)]
        return outlet.i.payload


def _at_most(count: int, bits: Value) -> Value:
    """Return whether at most `count`, 1 or 2, of four bits are set."""
    lower, upper = bits[:2], bits[2:]
    if count == 1:
        return ~lower.all() & ~upper.all() & ~(lower.any() & upper.any())
    return ~(lower.all() & upper.any()) & ~(lower.any() & upper.all())
