"""Infinities and NaNs among the terms: everything that two products and an addend can be."""

from itertools import product

import pytest
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.tensorcore.specials import Specials


def run(through, count, cases):
    """Flags of terms (sign, nan, infinite), for each case (any_nan, any_infinite, infinite_sign)."""
    component = Specials(config=TensorCoreConfig(l=count))
    assert component.latency == 2
    bits = [
        {name: sum(term[n] << k for k, term in enumerate(terms)) for n, name in enumerate(("sign", "nan", "infinite"))}
        for terms in cases
    ]
    out = through(component, bits, any_nan=2, any_infinite=2, infinite_sign=2)
    return list(zip(out.any_nan, out.any_infinite, out.infinite_sign, strict=True))


def ref_specials(terms):
    signs = {sign for sign, _, infinite in terms if infinite}
    return int(any(nan for _, nan, _ in terms) or len(signs) == 2), int(bool(signs)), int(1 in signs)


def test_two_exhaustively(through):
    """Every flag of each of the three terms; a product of infinity and zero is NaN and infinite at once."""
    cases = list(product(product((0, 1), repeat=3), repeat=3))
    # Forwards and backwards, so that neighbours differ in all ways.
    cases = [case for pair in zip(cases, reversed(cases), strict=True) for case in pair]
    got = run(through, 2, cases)
    assert got == [ref_specials(terms) for terms in cases]
    assert len(set(got)) == 6


@pytest.mark.parametrize("count", [4, 16, 32])
def test_each_of_many(through, count):
    """One term that is infinite or NaN, in each place, alone and with an infinity in the next."""
    nothing = (0, 0, 0)
    cases = []
    for place in range(count + 1):
        for special in product((0, 1), repeat=3):
            terms = [(1 - special[0], 0, 0)] * (count + 1)
            terms[place] = special
            cases.append(terms)
            cases.append([*terms[: place - 1], (1, 0, 1), *terms[place:]] if place else [nothing] * (count + 1))
    assert run(through, count, cases) == [ref_specials(terms) for terms in cases]
