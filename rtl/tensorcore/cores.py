"""Several cores that compute one block side by side."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.emit import prototype, shared

from .core import Core
from .sequencer import issue_layout

__all__ = ["Cores", "multiplier_paths"]


class Cores(wiring.Component):
    """Cores in lockstep: all take the same rows of A, and each its own columns of B, C and D::

                     columns of core 0     columns of core 1
                            |                     |
        rows of A --+--> [Core] ---> d            |
                    +------------------------> [Core] ---> d

    One sequencer serves all, so addresses, latency and the order of results are those of a single core whose rows of
    units are `cores` times as long. Each core has its own registers for what fans out to its units: the units of one
    core are close to each other, those of two are not.

    Parameters
    ----------
    config : TensorCoreConfig
        Configuration of the engine.

    Members
    -------
    issue, item, a, b, c, retire, arrive, d, close
        As in `Core`; `b` has the columns of all cores, the first core's in the least significant bits, and a row of `c`
        and `d` has the elements of all cores in the same order.
    """

    def __init__(self, *, config: TensorCoreConfig):
        self.config = config
        self._core = core = prototype(Core, config=config)
        super().__init__(
            {
                "issue": In(1),
                "item": In(issue_layout(config)),
                "a": In(len(core.a)),
                "b": In(config.cores * len(core.b)),
                "c": In(config.cores * len(core.c)),
                "retire": Out(1),
                "arrive": Out(1),
                "d": Out(config.cores * len(core.d)),
                "close": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from issue to results."""
        return self._core.latency

    @property
    def under_way(self) -> int:
        """Clocks from issue to `retire`."""
        return self._core.under_way

    def elaborate(self, platform) -> Module:
        m = Module()
        count, (rows, _) = self.config.cores, Core.size(self.config)
        row = len(self._core.d) // rows  # bits of a core's row of C or D
        for n in range(count):
            m.submodules[f"core_{n}"] = core = shared(Core, config=self.config)
            m.d.comb += [
                core.issue.eq(self.issue),
                core.item.eq(self.item),
                core.a.eq(self.a),
                core.b.eq(self.b.word_select(n, len(core.b))),
                core.c.eq(Cat(self.c.word_select(r * count + n, row) for r in range(rows))),
                *(self.d.word_select(r * count + n, row).eq(core.d.word_select(r, row)) for r in range(rows)),
            ]
            if n == 0:
                m.d.comb += [self.retire.eq(core.retire), self.arrive.eq(core.arrive), self.close.eq(core.close)]
        return m


def multiplier_paths(config: TensorCoreConfig) -> list[list[str]]:
    """Instance paths of the multiplier blocks of one or several cores, as a flat netlist names them.

    Returns
    -------
    list of list of str
        Path below `Cores`, or below the grid of a single core, by row of units and product, and by column of units;
        none unless the units instantiate ``MULT18X18D``.
    """
    if config.family != "ecp5":
        return []
    rows, cols = Core.size(config)
    product = "multiplier_{}" if config.integers else "product_{}.multiplier"
    cores = [f"core_{n}.grid." for n in range(config.cores)] if config.cores > 1 else [""]
    return [
        [f"{core}dot_{row}_{col}.{product.format(n)}.block.mult" for core in cores for col in range(cols)]
        for row in range(rows)
        for n in range(config.l)
    ]
