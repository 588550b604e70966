"""Shifts by groups of 8 bits, at widths with and without a 4:1 multiplexer."""

import random

import pytest
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.shift import shift_groups_left, shift_groups_right


class Both(wiring.Component):
    def __init__(self, width):
        super().__init__({"value": In(width), "groups": In(2), "left": Out(width), "right": Out(width)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.left.eq(shift_groups_left(m, "l", "any", self.value, self.groups)),
            self.right.eq(shift_groups_right(m, "r", "any", self.value, self.groups)),
        ]
        return m


@pytest.mark.parametrize("width", [1, 8, 9, 16, 17, 26, 32, 40])
def test_both_ways(through, width):
    generator = random.Random(width)
    cases = [{"value": generator.getrandbits(width), "groups": n % 4} for n in range(80)]
    got = through(Both(width), cases, left=0, right=0)
    assert got.left == [case["value"] << 8 * case["groups"] & 2**width - 1 for case in cases]
    assert got.right == [case["value"] >> 8 * case["groups"] for case in cases]
