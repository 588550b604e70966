"""Two engines side by side, to use the multipliers of the largest ECP5."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.emit import prototype, shared

from .engine import Engine

__all__ = ["Pair"]


class Pair(wiring.Component):
    """Two engines that share nothing but the clock.

    Parameters
    ----------
    config : TensorCoreConfig
        Configuration of each engine.

    Members
    -------
    first, second
        Members of `Engine`.
    """

    def __init__(self, *, config: TensorCoreConfig):
        self.config = config
        signature = prototype(Engine, config=config).signature
        super().__init__({"first": Out(signature), "second": Out(signature)})

    def elaborate(self, platform) -> Module:
        m = Module()
        for name in ("first", "second"):
            m.submodules[name] = engine = shared(Engine, config=self.config)
            wiring.connect(m, wiring.flipped(getattr(self, name)), engine)  # pyright: ignore[reportArgumentType]
        return m
