"""Four branches of the tree that joins the PEs, with registers for all signals on their way down and up."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out
from tercet.golden.eie.config import EieConfig
from tercet.rtl.common.pipeline import register
from tercet.rtl.emit import shared

from .layouts import LOADED, broadcast_layout, load_layout, setup_layout, token_layout
from .lnzd import Node
from .tile import Tile

__all__ = ["Cluster"]

# Fields of the broadcast and of the setup that trigger an action.
_EVENTS = ("column", "sweep", "scan", "restart", "store", "unload")


class Cluster(wiring.Component):
    """Up to four clusters of the level below, or tiles; all are full except possibly the last::

              broadcast, setup, load, acts        tokens      full, done, busy, filler, saturated, unloaded
                          |                         ^                     ^
                     [registers]                 [Node]      [or, and, sums, in registers]
                       | | | |                   ^ ^ ^ ^               ^ ^ ^ ^
                      four branches             four branches        four branches

    A shallow engine has no registers here.

    Parameters
    ----------
    config : EieConfig
        Engine configuration.
    level : int
        Levels of clusters, including this one.
    count : int
        PEs in the cluster, 1 to ``4**level``.

    Members
    -------
    broadcast, setup, load : In
        See `broadcast_layout`, `setup_layout` and `load_layout`.
    acts, unloaded : In and Out(16 * count)
        Activations, the first PE's in the least significant bits.
    tokens : Out(stream.Signature(token_layout(level)))
        Non-zero activations of all PEs in ascending order.
    full : Out(1)
        A queue is full.
    done : Out(1)
        All PEs have read their last column.
    busy, filler, saturated : Out
        Number of PEs that issue an entry, that issue a filler, and that write a saturated result, `count_latency`
        clocks later.
    """

    # Otherwise synthesis merges the identical registers of all clusters into one set, with wires across the chip.
    keep_hierarchy = True

    def __init__(self, *, config: EieConfig, level: int, count: int):
        if not 1 <= count <= 4**level:
            raise ValueError(f"Cluster of {count} PEs in {level} levels; use 1 to {4**level}")
        self.config, self.level, self.count = config, level, count
        super().__init__(
            {
                "broadcast": In(broadcast_layout(config)),
                "setup": In(setup_layout(config)),
                "load": In(load_layout(config, level)),
                "acts": In(16 * count),
                "tokens": Out(stream.Signature(token_layout(level))),
                "full": Out(1),
                "done": Out(1),
                "busy": Out(range(count + 1)),
                "filler": Out(range(count + 1)),
                "saturated": Out(range(count + 1)),
                "unloaded": Out(16 * count),
            }
        )

    @property
    def count_latency(self) -> int:
        """Clocks from what the PEs count to the sum of all PEs."""
        return 0 if self.config.shallow else 2 * self.level

    def elaborate(self, platform) -> Module:
        m = Module()
        shallow = self.config.shallow
        each = 4 ** (self.level - 1)
        sizes = [min(each, self.count - first) for first in range(0, self.count, each)]
        broadcast, setup = self._below(m, self.broadcast), self._below(m, self.setup)
        acts = register(m, "acts_below", self.acts, not shallow)
        kind = {"shallow": True} if shallow else {}
        m.submodules.node = node = shared(Node, level=self.level, children=len(sizes), **kind)
        m.d.comb += node.enable.eq(setup.scan)
        branches = []
        for n, size in enumerate(sizes):
            branch = self._branch(size)
            m.submodules[f"branch{n}"] = branch
            branches.append(branch)
            lanes = slice(16 * each * n, 16 * (each * n + size))
            wiring.connect(m, branch.tokens, getattr(node, f"i{n}"))
            m.d.comb += [
                branch.broadcast.eq(broadcast),
                branch.setup.eq(setup),
                branch.acts.eq(acts[lanes]),
                branch.load.eq(self._load(m, n)),
            ]
        wiring.connect(m, node.o, wiring.flipped(self.tokens))
        m.d["comb" if shallow else "sync"] += [
            self.full.eq(Cat(branch.full for branch in branches).any()),
            self.done.eq(Cat(branch.done for branch in branches).all()),
            *(getattr(self, name).eq(self._count(m, name, branches)) for name in ("busy", "filler", "saturated")),
        ]
        unloaded = Cat(branch.unloaded for branch in branches)
        m.d.comb += self.unloaded.eq(register(m, "unloaded_here", unloaded, not shallow))
        return m

    def _count(self, m: Module, name: str, branches: list) -> Value | int:
        """Return the sum of the branches' counts; they come from far away, so they are added a clock later."""
        counts = [getattr(branch, name) for branch in branches]
        if self.config.shallow:
            return sum(counts)
        # Reset, so that nothing is counted after it.
        here = [Signal.like(count, name=f"{name}_{n}") for n, count in enumerate(counts)]
        m.d.sync += [own.eq(count) for own, count in zip(here, counts, strict=True)]
        return sum(here)

    def _below(self, m: Module, above: View) -> View:
        """Register a payload on its way to all branches; only fields that trigger an action are reset."""
        if self.config.shallow:
            return above
        layout = above.shape()
        fields = []
        for name, field in layout:
            here = Signal(field.shape, name=f"{name}_below", reset_less=name not in _EVENTS)
            m.d.sync += here.eq(above[name])
            fields.append(here)
        return View(layout, Cat(fields))

    def _branch(self, size: int):
        if self.level == 1:
            return shared(Tile, config=self.config)
        return shared(Cluster, config=self.config, level=self.level - 1, count=size)

    def _load(self, m: Module, branch: int) -> Value:
        """Pass on a load word for this branch; each branch has its own registers, since branches are far apart."""
        load: View = self.load  # pyright: ignore[reportAssignmentType]
        here = load.every | (load.pe[2 * self.level - 2 :] == branch)
        strobes = Cat(load[name] for name in LOADED)
        below = []
        for name, field in load_layout(self.config, self.level - 1):
            if not field.width:
                continue  # `pe` has no bits below level 1
            if self.config.shallow:
                below.append(load[name] & here if name in LOADED else load[name][: field.width])
                continue
            kept = Signal(field.shape, name=f"load_{name}_{branch}", reset_less=name not in LOADED)
            below.append(kept)
            if name in LOADED:
                m.d.sync += kept.eq(load[name] & here)
            else:
                with m.If(strobes.any() & here):
                    m.d.sync += kept.eq(load[name])
        return Cat(below)
