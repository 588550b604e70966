"""Infinities and NaNs among the terms: exhaustive for two products and an addend."""

from itertools import product

import pytest
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.tensorcore.specials import Specials


def run(through, count, cases, latency=3, **pipeline):
    """Run cases of terms (sign, nan, infinite); returns (any_nan, any_infinite, infinite_sign) for each."""
    component = Specials(config=TensorCoreConfig(l=count, **pipeline))
    assert component.latency == latency
    bits = [
        {name: sum(term[n] << k for k, term in enumerate(terms)) for n, name in enumerate(("sign", "nan", "infinite"))}
        for terms in cases
    ]
    out = through(component, bits, **dict.fromkeys(("any_nan", "any_infinite", "infinite_sign"), latency))
    return list(zip(out.any_nan, out.any_infinite, out.infinite_sign, strict=True))


def ref_specials(terms):
    signs = {sign for sign, _, infinite in terms if infinite}
    return int(any(nan for _, nan, _ in terms) or len(signs) == 2), int(bool(signs)), int(1 in signs)


def test_two_exhaustively(through):
    """All flags of three terms. A product of infinity and zero is NaN and infinite at once."""
    cases = list(product(product((0, 1), repeat=3), repeat=3))
    # Interleaved with the reverse order, so that neighbours differ.
    cases = [case for pair in zip(cases, reversed(cases), strict=True) for case in pair]
    want = [ref_specials(terms) for terms in cases]
    assert run(through, 2, cases) == want
    assert len(set(want)) == 6
    # The shortest pipeline has no clock for registers of the terms.
    assert run(through, 2, cases, latency=2, pipeline=4) == want


@pytest.mark.parametrize("count", [4, 16, 32])
def test_each_of_many(through, count):
    """One infinite or NaN term at each index, alone and next to an infinity."""
    nothing = (0, 0, 0)
    cases = []
    for index in range(count + 1):
        for special in product((0, 1), repeat=3):
            terms = [(1 - special[0], 0, 0)] * (count + 1)
            terms[index] = special
            cases.append(terms)
            cases.append([*terms[: index - 1], (1, 0, 1), *terms[index:]] if index else [nothing] * (count + 1))
    assert run(through, count, cases) == [ref_specials(terms) for terms in cases]
