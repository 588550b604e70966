"""Depthwise unit: a window over the pixels of each channel, multiplied by several kernel columns per clock."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu.config import NpuConfig
from tercet.golden.npu.latencies import depthwise_clocks
from tercet.rtl.common.lut_multiplier import LutMultiplier
from tercet.rtl.common.pipeline import register
from tercet.rtl.common.side_by_side import SideBySide
from tercet.rtl.emit import shared

__all__ = ["DepthwiseLane", "DepthwiseLanes", "DepthwiseUnit", "sum_width"]


def sum_width(config: NpuConfig) -> int:
    """Width in bits of a sum of `depthwise_taps` products."""
    return 16 + (config.depthwise_taps - 1).bit_length()


class DepthwiseLane(wiring.Component):
    """Channel of the depthwise unit: window, weights, and the sum of their products::

        code ----+-->[window 0]----+-->[window 1]----+-->[window 2]
                         |                 |                 |
        weights -->[shadow]-->[active]-->(x)  likewise (x)      (x)
                                          +-----------(+)--------+--> sum

    ``load[w]`` stores the passing weights in the shadow registers of slots ``w * weight_rows`` onwards; ``swap`` comes
    with the first code of a pass and copies all shadows to ``active``. With both in one clock, the old shadows become
    active.

    Parameters
    ----------
    config : NpuConfig
        Taps and weight rows.

    Members
    -------
    code : In(signed(8))
        Code of the newest pixel.
    step : In(1)
        `code` is valid: the window advances.
    swap : In(1)
        From this step on, multiply by the weights loaded before.
    load : In(tap_words)
        One-hot or 0: the slots that take `weights`.
    weights : In(8 * weight_rows)
        Weights of consecutive slots, lowest slot in the least significant bits.
    sum : Out(signed(sum_width(config)))
        Sum over slot ``s`` of its weight and the code of the ``s``-th newest step.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        super().__init__(
            {
                "code": In(signed(8)),
                "step": In(1),
                "swap": In(1),
                "load": In(config.tap_words),
                "weights": In(8 * config.memory_word_rows),
                "sum": Out(signed(sum_width(config))),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from a step to its sum."""
        return depthwise_clocks(self.config.depthwise_taps)

    def elaborate(self, platform) -> Module:
        m = Module()
        products = []
        newer = self.code
        for slot in range(self.config.depthwise_taps):
            word, position = divmod(slot, self.config.memory_word_rows)
            window, shadow, active = (
                Signal(signed(8), name=f"{name}_{slot}", reset_less=True) for name in ("s1_window", "shadow", "active")
            )
            with m.If(self.step):
                m.d.sync += window.eq(newer)
            with m.If(self.load[word]):
                m.d.sync += shadow.eq(self.weights.word_select(position, 8))
            with m.If(self.swap):
                m.d.sync += active.eq(shadow)
            m.submodules[f"product_{slot}"] = product = shared(LutMultiplier, family=self.config.family)
            m.d.comb += [product.a.eq(window), product.b.eq(active)]
            products.append(product.o)
            newer = window
        m.d.comb += self.sum.eq(self._total(m, products))
        return m

    def _total(self, m: Module, terms: list[Value]) -> Value:
        """Add the terms in a tree with a register behind each level, where an odd term waits."""
        level = 0
        while len(terms) > 1:
            level += 1
            pairs = [lower + upper for lower, upper in zip(terms[0::2], terms[1::2], strict=False)]
            odd = terms[2 * len(pairs) :]
            terms = [register(m, f"sum_{level}_{n}", term) for n, term in enumerate(pairs + odd)]
        return terms[0]


class DepthwiseLanes(SideBySide):
    """All channels."""

    unit = DepthwiseLane
    split = frozenset({"code", "weights", "sum"})


class DepthwiseUnit(wiring.Component):
    """Sums of products along a kernel row, for `cols` channels at a time; see `DepthwiseLane`.

    Window and weights change in the same clock, so the sums that follow a swap may still include codes of the pass
    before; the user knows which sums are valid.

    Parameters
    ----------
    config : NpuConfig
        Columns, taps, weight rows and family.

    Members
    -------
    bytes : In(8 * cols)
        Codes of a read, channel 0 in the least significant bits.
    step : In(1)
        `bytes` are valid: the window advances.
    swap : In(1)
        With the first step of a pass: this and the following steps use the weights loaded before.
    load : In(tap_words)
        One-hot or 0: the memory word that is on `weights`.
    weights : In(8 * weight_rows * cols)
        Memory word ``w``: byte ``g * cols + c`` is slot ``w * weight_rows + g`` of channel ``c``. Slots from
        `depthwise_taps` on are ignored.
    sums : Out(cols * sum_width(config))
        Sum of each channel, signed, `latency` clocks after its step.

    Raises
    ------
    ValueError
        If the configuration has no depthwise unit.
    """

    def __init__(self, *, config: NpuConfig):
        if not config.depthwise_taps:
            raise ValueError("depthwise_taps 0 omits the depthwise unit; use at least 1")
        self.config = config
        super().__init__(
            {
                "bytes": In(8 * config.cols),
                "step": In(1),
                "swap": In(1),
                "load": In(config.tap_words),
                "weights": In(8 * config.memory_word_rows * config.cols),
                "sums": Out(config.cols * sum_width(config)),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from a step to its sums."""
        return depthwise_clocks(self.config.depthwise_taps)

    def elaborate(self, platform) -> Module:
        m = Module()
        cols, rows = self.config.cols, self.config.memory_word_rows
        m.submodules.lanes = lanes = shared(DepthwiseLanes, config=self.config, count=cols)
        by_channel = Cat(self.weights.word_select(row * cols + col, 8) for col in range(cols) for row in range(rows))
        m.d.comb += [
            lanes.code.eq(self.bytes),
            lanes.step.eq(self.step),
            lanes.swap.eq(self.swap),
            lanes.load.eq(self.load),
            lanes.weights.eq(by_channel),
            self.sums.eq(lanes.sum),
        ]
        return m
