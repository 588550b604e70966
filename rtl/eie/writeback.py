"""Write-back from an accumulator to an activation: shift, round half to even, saturate, ReLU."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.eie.config import EieConfig
from tercet.rtl.common.pipeline import event

__all__ = ["Writeback"]

# Widths kept after the shifts by 16s, 8, 4, 2 and 1: 15 bits of the result, the half bit, and the bits still to be
# shifted out.
_KEPT = (31, 23, 19, 17, 16)


class Writeback(wiring.Component):
    """Convert sums to activations, one per clock, without stalls::

        s1  acc ^ sign, >> 0, 16 or 32      31 bits
        s2  >> 0 or 8                       23 bits
        s3  >> 0 or 4                       19 bits
        s4  >> 0 or 2, saturate             17 bits
        s5  >> 0 or 1, ^ sign               15 bits, half
        s6  round, ReLU                     16 bits, saturated

    A negative sum is inverted, so there are zeros above its magnitude: no sign is shifted in, a 1 lost at the top is an
    overflow, and saturation is all ones. Each stage is one 2:1 multiplexer per bit, and also collects whether a bit
    below half was 1. The largest result is not rounded up. A shallow engine has only the registers of s1, s3 and s5.

    Parameters
    ----------
    config : EieConfig
        ``acc_width``.

    Members
    -------
    valid : In(1)
        `acc` is valid.
    acc : In(signed(acc_width))
        Sum.
    shift : In(6)
        Right shift, 0 to ``acc_width - 1``.
    relu : In(1)
        Set negative activations to 0. `relu` and `shift` must be stable while sums are in flight.
    o_valid : Out(1)
        `act` is valid.
    act : Out(signed(16))
        Activation, `latency` clocks after its sum.
    saturated : Out(1)
        With `o_valid`: the sum divided by ``2**shift`` lies outside [-32768, 32767.5) and, if it is negative, `relu` is
        0.

    Notes
    -----
    Source: ``golden/eie/product.py``, `network_spmv`.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        super().__init__(
            {
                "valid": In(1),
                "acc": In(signed(config.acc_width)),
                "shift": In(6),
                "relu": In(1),
                "o_valid": Out(1),
                "act": Out(signed(16)),
                "saturated": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from `acc` to `act`."""
        return self.config.timing.writeback

    def elaborate(self, platform) -> Module:
        m = Module()
        self._stages = (1, 3, 5) if self.config.shallow else range(1, 7)
        self._sign = [self.acc[-1]]
        for stage in range(1, 6):
            self._sign.append(self._at(m, stage, "sign", self._sign[-1]))
        s1, s1_over, s1_lost = self._shift_coarse(m)
        s2, s2_over, s2_lost = self._shift(m, 2, s1, s1_over, s1_lost)
        s3, s3_over, s3_lost = self._shift(m, 3, s2, s2_over, s2_lost)
        s4, s4_over, s4_lost = self._saturate(m, s3, s3_over, s3_lost)
        self._round(m, s4, s4_over, s4_lost)
        m.d.comb += self.o_valid.eq(event(m, "o_valid", self.valid, self.latency))
        return m

    def _domain(self, stage: int) -> str:
        """Return "sync" if a stage begins with registers, else "comb"."""
        return "sync" if stage in self._stages else "comb"

    def _at(self, m: Module, stage: int, name: str, value: Value) -> Signal:
        """Return a signal at the beginning of a stage, registered or not."""
        signal = Signal(value.shape(), name=f"s{stage}_{name}" if name else f"s{stage}", reset_less=True)
        m.d[self._domain(stage)] += signal.eq(value)
        return signal

    def _set(self, bits: Value, stage: int) -> Value:
        """Return whether any of the magnitude's `bits` is 1 in the sum itself."""
        return (bits ^ self._sign[stage].replicate(len(bits))).any()

    def _shift_coarse(self, m: Module) -> tuple[Value, Value, Value]:
        """Shift the magnitude, with the half bit below it, by 0, 16 or 32.

        Also returns whether it is too large and whether a 1 has been lost, both not yet registered.
        """
        by_16, by_32 = self.shift[4], self.shift[5] if self.config.acc_width > 32 else Const(0)
        raw = Cat(Const(0, 1), self.acc[:-1])
        magnitude = raw ^ self.acc[-1].replicate(len(raw))
        kept = _KEPT[0]
        s1 = Signal(kept, reset_less=True)
        with m.If(by_32):
            m.d[self._domain(1)] += s1.eq(magnitude[32:])
        with m.Elif(by_16):
            m.d[self._domain(1)] += s1.eq(magnitude[16:])
        with m.Else():
            m.d[self._domain(1)] += s1.eq(magnitude)
        s1_above = self._at(m, 1, "above", magnitude[kept:].any())
        s1_far_above = self._at(m, 1, "far_above", magnitude[kept + 16 :].any())
        s1_below = self._at(m, 1, "below", raw[:16].any())
        s1_next_below = self._at(m, 1, "next_below", raw[16:32].any())
        over = Mux(by_16, s1_far_above, s1_above & ~by_32)
        lost = (s1_below & (by_16 | by_32)) | (s1_next_below & by_32)
        return s1, over, lost

    def _shift(self, m: Module, stage: int, value: Value, over: Value, lost: Value) -> tuple[Value, Value, Value]:
        """Shift by 0 or by half of the previous stage's step."""
        kept = _KEPT[stage - 1]
        step = len(value) - kept
        here = self.shift[step.bit_length() - 1]
        return (
            self._at(m, stage, "", Mux(here, value[step:], value[:kept])),
            self._at(m, stage, "over", over | (value[kept:].any() & ~here)),
            self._at(m, stage, "lost", lost | (self._set(value[:step], stage - 1) & here)),
        )

    def _saturate(self, m: Module, s3: Value, over: Value, lost: Value) -> tuple[Value, Value, Value]:
        """Shift by 0 or 2; all ones if a 1 is lost at the top here or in the shift by 1 that follows."""
        by_1, by_2 = self.shift[0], self.shift[1]
        above = (s3[16] & ~by_2 & ~by_1) | (s3[17] & ~by_2) | (s3[18] & ~(by_2 & by_1))
        s4 = Signal(_KEPT[3], reset_less=True)
        with m.If(over | above):
            m.d[self._domain(4)] += s4.eq(~0)
        with m.Else():
            m.d[self._domain(4)] += s4.eq(Mux(by_2, s3[2:], s3))
        s4_over = self._at(m, 4, "over", over | above)
        return s4, s4_over, self._at(m, 4, "lost", lost | (self._set(s3[:2], 3) & by_2))

    def _round(self, m: Module, s4: Value, over: Value, lost: Value) -> None:
        """Shift by 0 or 1, convert back to two's complement, and round; two clocks."""
        by_1 = self.shift[0]
        shifted = Mux(by_1, s4[1:], s4[:16])
        s5 = self._at(m, 5, "", shifted ^ self._sign[4].replicate(16))
        s5_lost = self._at(m, 5, "lost", lost | (self._set(s4[0], 4) & by_1))
        s5_full = self._at(m, 5, "full", shifted[1:].all() & ~self._sign[4])
        s5_zero = self._at(m, 5, "zero", self._sign[4] & self.relu)
        # A positive sum of all ones, half bit included, is out of range by the rounding that it does not get.
        s5_full_half = shifted.all() & ~self._sign[4]
        s5_saturated = self._at(m, 5, "saturated", s5_full_half | (over & self._sign[4] & ~self.relu))
        m.d.comb += self.saturated.eq(self._at(m, 6, "saturated", s5_saturated))
        half, value = s5[0], Cat(s5[1:], self._sign[5])
        s6 = Signal(16, reset_less=True)
        with m.If(s5_zero):
            m.d[self._domain(6)] += s6.eq(0)
        with m.Else():
            m.d[self._domain(6)] += s6.eq(value + (half & (s5_lost | value[0]) & ~s5_full))
        m.d.comb += self.act.eq(s6)
