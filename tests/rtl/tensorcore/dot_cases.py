"""Cases for dot-product units: terms at every distance, cancellation, range limits, zeros, infinities and NaNs."""

import random

import numpy as np
from tercet.golden.numerics.floats import FORMATS
from tercet.golden.tensorcore.stimuli import floor_dots

__all__ = ["make_cases"]


# Operands.


def exponents(format):
    """Smallest and largest exponent of a normal number."""
    form = FORMATS[format]
    return 1 - form.bias, 2**form.exponent_bits - 1 - form.infinities - form.bias


def spare_bits(format):
    form = FORMATS[format]
    return form.width - 1 - form.exponent_bits - form.fraction_bits


def sign(format, generator):
    """Random sign bit, also a pattern of zero with that sign."""
    return generator.getrandbits(1) << FORMATS[format].width - 1


def number(format, exponent, generator):
    """Number with that exponent; at the smallest one often subnormal, but not zero."""
    form = FORMATS[format]
    ones = 2**form.fraction_bits - 1
    fraction = generator.choice((0, 1, ones, generator.randint(0, ones)))
    biased = exponent + form.bias
    if biased == 1 and generator.random() < 0.5:
        biased, fraction = 0, fraction or 1
    elif biased == 2**form.exponent_bits - 1:
        fraction = min(fraction, ones - 1)
    spare = spare_bits(format)
    return (biased << form.fraction_bits | fraction) << spare | generator.getrandbits(spare) | sign(format, generator)


def infinity(format, generator):
    """Infinity, or NaN if the format has no infinities."""
    form = FORMATS[format]
    fraction = 0 if form.infinities else 2**form.fraction_bits - 1
    pattern = 2**form.exponent_bits - 1 << form.fraction_bits | fraction
    return pattern << spare_bits(format) | sign(format, generator)


def no_number(format, generator):
    """Infinity or a NaN."""
    form = FORMATS[format]
    more = generator.choice((0, 1, 2**form.fraction_bits - 1)) if form.infinities else 0
    return infinity(format, generator) | more << spare_bits(format)


def factors(config, exponent, generator):
    """Two factors whose product has that exponent, or the nearest possible one."""
    (a_low, a_high), (b_low, b_high) = exponents(config.a_format), exponents(config.b_format)
    exponent = min(max(exponent, a_low + b_low), a_high + b_high)
    a = generator.randint(max(a_low, exponent - b_high), min(a_high, exponent - b_low))
    return number(config.a_format, a, generator), number(config.b_format, exponent - a, generator)


def one_infinite(config, pair, generator):
    """Pair with one factor infinite, or NaN if neither format has infinities."""
    a, b = pair
    choices = (infinity(config.a_format, generator), b), (a, infinity(config.b_format, generator))
    has = [FORMATS[format].infinities for format in (config.a_format, config.b_format)]
    return generator.choice([choice for choice, usable in zip(choices, has, strict=True) if usable] or choices)


def addend(config, exponent, generator):
    low, high = exponents(config.out_format)
    return number(config.out_format, min(max(exponent, low), high), generator)


# Cases: pairs of factors, and an addend.


def ends(config):
    """Smallest and largest exponent of a product, and the range of it that the addend can have too."""
    (a_low, a_high), (b_low, b_high) = exponents(config.a_format), exponents(config.b_format)
    low, high = exponents(config.out_format)
    smallest, largest = a_low + b_low, a_high + b_high
    return smallest, largest, max(smallest, low), min(largest, high)


def near(config, most, reach, generator):
    """Terms with that exponent and up to `reach` below it."""
    pairs = [factors(config, most - generator.randint(0, reach), generator) for _ in range(config.l)]
    pairs[0] = factors(config, most, generator)
    return pairs, addend(config, most - generator.randint(-1, reach), generator)


def spread(config, turn, generator):
    """Each distance in turn from the largest product to the addend, then from the addend to the largest product."""
    reach = config.fraction_bits + 3
    _, _, bottom, top = ends(config)
    most = generator.randint(min(bottom + reach, top), top)
    other, distance = divmod(turn, reach + 1)
    if other % 2:
        pairs = [factors(config, most - generator.randint(distance, reach), generator) for _ in range(config.l)]
        pairs[0] = factors(config, most - distance, generator)
        return pairs, addend(config, most, generator)
    return near(config, most, reach, generator)[0], addend(config, most - distance, generator)


def cancel(config, turn, generator):
    """Products in pairs that sum to zero, often with zero as the addend, or the addend and one product."""
    _, _, bottom, top = ends(config)
    pairs, c = near(config, generator.randint(bottom, top), 4, generator)
    for n in range(0, config.l, 2):
        a, b = pairs[n]
        pairs[n + 1] = a ^ 1 << FORMATS[config.a_format].width - 1, b
    if turn % 3 == 0:
        pairs[1] = factors(config, generator.randint(bottom, top), generator)
    return pairs, c if turn % 2 else sign(config.out_format, generator)


def low(config, turn, generator):
    """Around the smallest product, also without an addend, or around the smallest output."""
    smallest, largest, *_ = ends(config)
    if turn % 2 == 0:
        pairs, c = near(config, smallest + generator.randint(0, 4), 3, generator)
        return pairs, c if turn % 4 else sign(config.out_format, generator)
    least = exponents(config.out_format)[0]
    return near(config, min(least + generator.randint(-config.fraction_bits, 4), largest), 3, generator)


def high(config, turn, generator):
    """Around the largest product or the largest output."""
    _, largest, _, top = ends(config)
    return near(config, (largest, top)[turn % 2] - generator.randint(0, 2), 2, generator)


def zeros(config, turn, generator):
    """Zero products at any index, also at all of them; the addend is large, one of the smallest, or zero too."""
    _, _, bottom, top = ends(config)
    pairs, c = near(config, generator.randint(bottom, top), 2, generator)
    share = (0.2, 0.8, 1.0)[turn % 3]
    for n, (a, b) in enumerate(pairs):
        if generator.random() < share:
            either = (sign(config.a_format, generator), b), (a, sign(config.b_format, generator))
            pairs[n] = generator.choice(either)
    least = exponents(config.out_format)[0]
    return pairs, (c, addend(config, least, generator), sign(config.out_format, generator))[turn // 3 % 3]


def special(config, turn, generator):
    """Infinities and NaNs: in the addend, in a factor, times zero, in two terms, or in all factors of two products."""
    _, _, bottom, top = ends(config)
    pairs, c = near(config, generator.randint(bottom, top), 2, generator)
    indices = generator.sample(range(config.l), 2)
    if turn % 5 == 0:
        c = no_number(config.out_format, generator)
    elif turn % 5 == 1:
        pairs[indices[0]] = no_number(config.a_format, generator), pairs[indices[0]][1]
    elif turn % 5 == 2:
        pairs[indices[0]] = infinity(config.a_format, generator), sign(config.b_format, generator)
        pairs[indices[1]] = sign(config.a_format, generator), infinity(config.b_format, generator)
        # One of the two is enough.
        pairs[indices[turn % 2]] = factors(config, bottom, generator)
    elif turn % 5 == 3:
        for n in indices[: 2 - turn % 2]:
            pairs[n] = one_infinite(config, pairs[n], generator)
        if turn % 2:
            c = infinity(config.out_format, generator)
    else:
        for n in indices:
            pairs[n] = no_number(config.a_format, generator), no_number(config.b_format, generator)
    return pairs, c


def floored(config, count, seed):
    """Cases around the floor, if the formats reach it."""
    if not config.reaches_floor:
        return []
    arrays = floor_dots(np.random.default_rng(seed), config, count)
    a, b, c = (array.tolist() for array in arrays)
    return [(list(zip(*factors, strict=True)), addend) for *factors, addend in zip(a, b, c, strict=True)]


def make_cases(config, rounds, seed=0):
    """`rounds` rounds of all kinds, shuffled, the terms of each case too."""
    generator = random.Random(seed)
    made = []
    for turn in range(rounds):
        made += [spread(config, 3 * turn + n, generator) for n in range(3)]
        made += [kind(config, turn, generator) for kind in (cancel, low, high, zeros, special)]
    made += floored(config, 3 * rounds, seed)
    generator.shuffle(made)
    cases = []
    for pairs, c in made:
        generator.shuffle(pairs)
        cases.append(([a for a, _ in pairs], [b for _, b in pairs], c))
    return cases
