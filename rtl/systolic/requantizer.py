"""Requantiser: one INT32 sum to one int8 code per clock, bit-exact with the golden model in every rounding mode."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.numerics.requantization import rounding_code
from tercet.golden.systolic.cycle_model import REQUANT_CLOCKS
from tercet.rtl.common.delay import EventDelay
from tercet.rtl.common.pipeline import register
from tercet.rtl.emit import shared
from tercet.rtl.primitives.mult18x18d import Mult18x18D

from .layouts import REQUANT_SETTINGS

__all__ = ["Requantizer", "RequantizerStream"]

# Widths kept while shifting right: a value that does not fit saturates, whatever shift is still to come.
_COARSE, _MIDDLE, _FINE = 27, 15, 12


class Requantizer(wiring.Component):
    """Scale, shift, round, add the zero point, clamp; never stalls::

        acc --> << saturating --> x (32 bits) --+
                                                (x) four products --> p (63 bits)
        multiplier -----------------------------+                       |
              +---------------------------------------------------------+
              +--> first rounding, at bit 31 --> v --> >> n --> rounding --> + zero point --> clamp --> o

    All rounding modes share the datapath. ``single`` is one rounding shift of the product by ``31 - shift``. ``away``
    also decrements the product of a negative sum: a tie, which the shift would round up, then goes down, away from
    zero, and nothing else changes. ``double`` first rounds the product at bit 31 and clears the lower bits; the same
    shift, with positive shifts counted as 0, then rounds again, after decrementing a negative value to the same end.

    Parameters
    ----------
    mac : str
        As of `SystolicConfig`. Those of the ECP5 instantiate four ``MULT18X18D``. ``ice40`` leaves the products to
        synthesis, like ``infer`` and ``ternary``; four ``SB_MAC16`` would be taken from the array.

    Members
    -------
    acc : In(signed(32))
        Sum.
    multiplier : In(31)
        Q31 fraction.
    shift : In(signed(6))
        Power of two, -31 to 30.
    rounding : In(2)
        `tercet.golden.numerics.requantization.rounding_code`; 3 is reserved.
    zero_point, qmin, qmax : In(signed(8))
        Output offset and clamp. These and `rounding` must be stable while results are in flight.
    o : Out(signed(8))
        Code, `latency` clocks later.

    Raises
    ------
    ValueError
        If `mac` is unknown.

    Notes
    -----
    Source: ``golden/numerics/requantization.py``.
    """

    def __init__(self, *, mac: str = "infer"):
        if mac not in REQUANT_CLOCKS:
            raise ValueError(f"mac {mac!r} is unknown; use one of {', '.join(REQUANT_CLOCKS)}")
        self.mac = mac
        self._blocks = "ecp5" in mac  # multiplies in MULT18X18D
        super().__init__(
            {
                "acc": In(signed(32)),
                "multiplier": In(31),
                "shift": In(signed(6)),
                **{name: In(shape) for name, shape in REQUANT_SETTINGS.items()},
                "o": Out(signed(8)),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from `acc` to `o`."""
        return REQUANT_CLOCKS[self.mac]

    def elaborate(self, platform) -> Module:
        m = Module()
        product_clocks = 4 if self._blocks else 1
        double, away = Signal(name="double"), Signal(name="away")
        m.d.comb += [
            double.eq(self.rounding == rounding_code("double")),
            away.eq(self.rounding == rounding_code("away")),
        ]
        x, multiplier, right = self._shift_left(m, double)
        lower = register(m, "p5_lower", x[-1] & away, product_clocks)
        p = self._multiply(m, x, multiplier, lower)
        # From x to p: the products and three clocks of adding.
        p7_right = register(m, "p7_right", right, product_clocks + 2)
        v, v_right = self._round_double(m, p, p7_right, double)
        rounded = self._shift_right(m, v, v_right)
        self._clamp(m, rounded)
        return m

    def _shift_left(self, m: Module, double: Value):
        """Shift the sum left with saturation, in double rounding only.

        Returns the 32-bit sum, the multiplier, and the right shift of the product less 30.
        """
        positive = ~self.shift[-1] & double
        left = register(m, "s0_left", Mux(positive, self.shift[:5], 0))
        s0_right = register(m, "s0_right", Mux(positive, 0, -self.shift)[:7].as_signed())
        acc = register(m, "s0_acc", self.acc)
        multiplier = register(m, "s4_multiplier", self.multiplier, 5)
        right = register(m, "s4_right", s0_right, 4)
        sign = register(m, "s3_sign", acc[-1], 3)
        # By 0, 8, 16 or 24, then by 0, 2, 4 or 6, then by 0 or 1. A shift overflows if it changes the sign on the way:
        # which groups of bits differ from the sign is registered first, and compared with the amount a clock later.
        overflow = pending = Const(0, 1)
        for stage, (step, bits) in enumerate(((8, 2), (2, 2), (1, 1)), start=1):
            low = {8: 3, 2: 1, 1: 0}[step]
            amount = left[low : low + bits]
            shifted = Signal(32, name=f"s{stage}_shifted")
            with m.Switch(amount):
                for n in range(2**bits):
                    with m.Case(n):
                        m.d.comb += shifted.eq(acc << (n * step))
            groups = [acc[31 - n * step : 31 - (n - 1) * step] for n in range(1, 2**bits)]
            mixed = [
                register(m, f"s{stage}_mixed{n}", (g ^ acc[-1].replicate(step)).any()) for n, g in enumerate(groups)
            ]
            overflow = register(m, f"s{stage}_overflow", overflow | pending) if stage > 1 else overflow
            amount = register(m, f"s{stage}_amount", amount)
            pending = Cat((amount > n) & flag for n, flag in enumerate(mixed)).any()
            acc = register(m, f"s{stage}_acc", shifted)
            left = register(m, f"s{stage}_left", left)
        overflow = overflow | pending
        x = register(m, "s4_x", Mux(overflow, Mux(sign, -(2**31), 2**31 - 1)[:32], acc).as_signed())
        return x, multiplier, right

    def _multiply(self, m: Module, x: Value, multiplier: Value, lower: Value) -> Value:
        """Multiply 32 by 31 bits from halves, less one if `lower`: 63 bits, three clocks after the partial products.

        `lower` arrives with the partial products. The lowest of them has no other addition in its first clock, so the
        subtraction adds no delay.
        """
        a = {"h": x[16:].as_signed(), "l": x[:16]}
        b = {"h": multiplier[16:], "l": multiplier[:16]}
        product = {}
        for high, low in ("hh", "hl", "lh", "ll"):
            name = high + low
            width = len(a[high]) + len(b[low])
            if self._blocks:
                m.submodules[f"block_{name}"] = block = shared(Mult18x18D)
                m.d.comb += [block.a.eq(a[high]), block.b.eq(b[low]), block.b_load.eq(1)]
                value = block.p[:width]
            else:
                value = (a[high] * b[low])[:width]
            product[name] = register(m, f"p5_{name}", value.as_signed() if high == "h" else value)
        p6_middle = register(m, "p6_middle", product["hl"] + product["lh"])
        p6_low = register(m, "p6_low", product["ll"] - lower)
        p6_high = register(m, "p6_high", product["hh"], 2)
        p7_middle = register(m, "p7_middle", p6_middle + p6_low[16:].as_signed())
        p7_low = register(m, "p7_low", p6_low[:16])
        p8_high = register(m, "p8_high", (p6_high + (p7_middle >> 16))[:31])
        p8_low = register(m, "p8_low", Cat(p7_low, p7_middle[:16]))
        return Cat(p8_low, p8_high)

    def _round_double(self, m: Module, p: Value, right: Value, double: Value) -> tuple[Value, Value]:
        """Round at bit 31 in double rounding, and prepare the second rounding; two clocks.

        `right` arrives a clock before the product.
        """
        p8_double = register(m, "p8_double", double)
        p8_later = register(m, "p8_later", (right > 0) & double)
        half, negative = p[30], p[-1]
        # Rounding up adds one; a negative value still to be shifted loses one. A value that is negative only before
        # rounding up becomes -1 instead of 0, which the shift rounds to 0 as well.
        up = half & p8_double
        down = negative & p8_later
        p9 = register(m, "p9", p)
        p9_change = register(m, "p9_change", Cat(up ^ down, down & ~up)).as_signed()
        v10_high = register(m, "v10_high", (p9[31:].as_signed() + p9_change)[:32])
        v10_low = register(m, "v10_low", Mux(p8_double, 0, p9[:31]))
        return Cat(v10_low, v10_high).as_signed(), register(m, "v10_right", right, 3)

    def _shift_right(self, m: Module, v: Value, right: Value) -> Value:
        """Shift right by ``30 + right``, 0 to 61, and round half up; saturates to 12 bits; five clocks."""
        amount = (right + 30)[:6]
        v11 = register(m, "v11", v)
        v11_amount = register(m, "v11_amount", amount)
        sign = v[-1]
        same = [
            register(m, f"v11_same{first}", (v[first:last] ^ sign.replicate(last - first)).any() == 0)
            for first, last in ((26, 42), (42, 58), (58, 63))
        ]
        coarse, big = Signal(_COARSE, name="coarse"), Signal(name="big")
        with m.Switch(v11_amount[4:]):
            for n in range(4):
                with m.Case(n):
                    m.d.comb += coarse.eq(v11 >> (16 * n))
                    m.d.comb += big.eq(~Cat(same[n:]).all())
        v12 = register(m, "v12", coarse.as_signed())
        v12_big = register(m, "v12_big", big)
        v12_amount = register(m, "v12_amount", v11_amount[:4])
        v14_sign = register(m, "v14_sign", v11[-1], 3)
        middle, v12_lost = self._shift_part(m, "v12_middle", v12, v12_amount[2:], 4, _MIDDLE)
        v13 = register(m, "v13", middle)
        v13_big = register(m, "v13_big", v12_big | v12_lost)
        fine, v13_lost = self._shift_part(m, "v13_fine", v13, register(m, "v13_amount", v12_amount[:2]), 1, _FINE)
        v14 = register(m, "v14", fine)
        v14_big = register(m, "v14_big", v13_big | v13_lost)
        limit = Mux(v14_sign, -(2 ** (_FINE - 1)), 2 ** (_FINE - 1) - 1)[:_FINE].as_signed()
        return register(m, "v15", Mux(v14_big, limit, ((v14 + 1) >> 1)[:_FINE].as_signed()))

    def _shift_part(self, m: Module, name: str, value: Value, amount: Value, step: int, width: int):
        """Shift right by 0 to 3 steps; return the `width` bits kept, and whether any bit lost differs from the sign."""
        kept, lost = Signal(signed(width), name=name), Signal(name=f"{name}_lost")
        with m.Switch(amount):
            for n in range(4):
                with m.Case(n):
                    top = value[min(n * step + width - 1, len(value) - 1) :]
                    m.d.comb += [kept.eq(value >> (n * step)), lost.eq(top.any() & ~top.all())]
        return kept, lost

    def _clamp(self, m: Module, rounded: Value):
        """Add the zero point and clamp; two clocks.

        The limits are compared with the value before the zero point is added: the sign of a difference comes straight
        from a carry chain.
        """
        low = register(m, "low", self.qmin - self.zero_point)
        high = register(m, "high", self.qmax - self.zero_point)
        c16 = register(m, "c16", (rounded + self.zero_point)[:8].as_signed())
        c16_below = register(m, "c16_below", (rounded - low)[-1])
        c16_above = register(m, "c16_above", (high - rounded)[-1])
        m.d.comb += self.o.eq(register(m, "c17", Mux(c16_below, self.qmin, Mux(c16_above, self.qmax, c16))))


class RequantizerStream(wiring.Component):
    """Requantiser between streams, for measurements and tests; a payload holds a value and its settings.

    Takes a value every clock and requires its result to be taken at once.

    Parameters
    ----------
    mac : str
        As in `Requantizer`.

    Members
    -------
    i : In(stream.Signature(95))
        `FIELDS`, the first in the least significant bits.
    o : Out(stream.Signature(8))
        Codes.
    """

    FIELDS = {"acc": 32, "multiplier": 31, "shift": 6, "rounding": 2, "zero_point": 8, "qmin": 8, "qmax": 8}

    def __init__(self, *, mac: str = "infer"):
        self.mac = mac
        super().__init__({"i": In(stream.Signature(sum(self.FIELDS.values()))), "o": Out(stream.Signature(8))})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.unit = unit = Requantizer(mac=self.mac)
        m.submodules.valid = valid = EventDelay(clocks=unit.latency, width=1)
        # Settings are held between values.
        last = Signal(self.i.payload.shape())
        with m.If(self.i.valid):
            m.d.sync += last.eq(self.i.payload)
        m.d.comb += [
            Cat(getattr(unit, name) for name in self.FIELDS).eq(Mux(self.i.valid, self.i.payload, last)),
            self.i.ready.eq(1),
            valid.i.eq(self.i.valid),
            self.o.valid.eq(valid.o),
            self.o.payload.eq(unit.o),
        ]
        return m
