"""Winograd's transforms alone: tiles and sums in, with pauses on both sides, against the golden model."""

import numpy as np
import pytest
from tercet.engines.systolic import SPEC
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.winograd import input_transform, output_transform, weight_transform
from tercet.rtl.systolic.winograd import InputTransform, OutputTransform

PAUSES = [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.6), (0.6, 0.3)]
LOW, HIGH = -(2**31), 2**31 - 1


def tiles(count, seed):
    """Random 4x4 tiles of int8 codes; half of them hold only extremes."""
    rng = np.random.default_rng(seed)
    extreme = rng.random((count, 1, 1)) < 0.5
    return np.where(extreme, rng.choice([-128, 127], (count, 4, 4)), rng.integers(-128, 128, (count, 4, 4)))


def sums(count, seed, depth):
    """Sums of sixteen products over the channels of random and extreme tiles and kernels."""
    rng = np.random.default_rng(seed)
    kernels = np.where(rng.random((count * depth, 1, 1)) < 0.5, -128, rng.integers(-128, 128, (count * depth, 3, 3)))
    products = input_transform(tiles(count * depth, seed)).astype(np.int64) * weight_transform(kernels)
    return products.reshape(count, depth, 4, 4).sum(axis=1)


def words(lanes, width):
    """Each row of lanes as an integer, lane 0 in the least significant bits."""
    return [sum((int(lane) & (1 << width) - 1) << n * width for n, lane in enumerate(row)) for row in lanes]


def run(component, lanes, fixtures, stall=(0.0, 0.0), seed=0):
    """Payloads at both ends by clock, as lists of lanes."""
    simulate, send, receive = fixtures
    payloads = [[int(lane) for lane in row.reshape(-1)] for row in lanes]
    benches = send(component.i, payloads, stall[0], seed), receive(component.o, len(payloads), stall[1], seed + 1)
    return simulate(component, *benches, i=component.i, o=component.o)


def taken(trace):
    return np.array([list(payload) for payload in trace.o if payload is not None])


@pytest.fixture
def fixtures(simulate, send, receive):
    return simulate, send, receive


@pytest.mark.parametrize("stall", PAUSES)
def test_inputs(fixtures, stall):
    given = tiles(120, seed=1)
    trace = run(InputTransform(), given, fixtures, stall)
    np.testing.assert_array_equal(taken(trace), input_transform(given).reshape(-1, 16))


@pytest.mark.parametrize("stall", PAUSES)
def test_outputs(fixtures, stall):
    given = sums(120, seed=2, depth=50)
    trace = run(OutputTransform(), given, fixtures, stall)
    np.testing.assert_array_equal(taken(trace), output_transform(given).reshape(-1, 4))


def test_corners(fixtures):
    """Every entry at both of its bounds."""
    coefficients = [input_transform(tile.reshape(4, 4)).reshape(16) for tile in np.eye(16, dtype=int)]
    signs = np.array(coefficients).T.reshape(16, 4, 4)
    given = np.concatenate([np.where(signs > 0, high, low) for low, high in ((-128, 127), (127, -128))])
    found = taken(run(InputTransform(), given, fixtures))
    np.testing.assert_array_equal(found, input_transform(given).reshape(-1, 16))
    assert {int(found.min()), int(found.max())} == {-512, 510}


def test_extreme_outputs(fixtures):
    """Outputs at the ends of int32 from sums within int32: bits above the result do not matter on the way."""
    given = np.zeros((4, 4, 4), np.int64)
    for n, value in enumerate((LOW, HIGH - 3, LOW, HIGH - 3)):
        given[n, :3, :3] = value if n < 2 else 0
        given[n, 1, 1] = value
    want = output_transform(given).reshape(-1, 4)
    found = taken(run(OutputTransform(), given, fixtures))
    np.testing.assert_array_equal(found, (want + 2**31) % 2**32 - 2**31)
    assert (want[2:] == found[2:]).all()
    assert abs(want[0]).max() > 2**31


def test_the_bias_reaches_all_outputs(fixtures):
    given = np.zeros((1, 4, 4), np.int64)
    given[0, 1, 1] = 4 * -12345
    assert taken(run(OutputTransform(), given, fixtures)).tolist() == [[-12345] * 4]


@pytest.mark.parametrize(("component", "given"), [(InputTransform(), tiles), (OutputTransform(), sums)])
def test_one_tile_per_clock(fixtures, component, given):
    count = 20
    trace = run(component, given(count, 3) if given is tiles else given(count, 3, 2), fixtures)
    first = next(clock for clock, payload in enumerate(trace.i) if payload is not None)
    assert all(payload is not None for payload in trace.i[first : first + count])
    start = first + component.latency
    assert all(payload is None for payload in trace.o[:start])
    assert all(payload is not None for payload in trace.o[start : start + count])


def test_a_payload_waits(fixtures):
    """The output holds, and the stages behind it stop, until the receiver is ready; then nothing was lost."""
    simulate, send, receive = fixtures
    component = InputTransform()
    given = tiles(6, seed=4)
    seen = []

    async def late(ctx):
        await ctx.tick().repeat(15)
        seen.append((ctx.get(component.o.valid), ctx.get(component.i.ready)))
        await receive(component.o, 6)(ctx)

    trace = simulate(
        component, late, beside=[send(component.i, given.reshape(6, 16).tolist())], o=component.o, i=component.i
    )
    assert seen == [(1, 0)]
    assert sum(payload is not None for payload in trace.i[:15]) == component.latency
    np.testing.assert_array_equal(taken(trace), input_transform(given).reshape(-1, 16))


def test_other_widths(fixtures):
    given = np.array([[[-1] * 4] * 4, [[0, -1] * 2] * 4])
    component = InputTransform(width=1)
    assert len(component.o.payload[0]) == 3
    np.testing.assert_array_equal(taken(run(component, given, fixtures)), input_transform(given).reshape(-1, 16))
    assert len(InputTransform(width=9).o.payload[0]) == 11
    with pytest.raises(ValueError, match="Input width 0 has no bits"):
        InputTransform(width=0)
    with pytest.raises(ValueError, match="Sum width 0 has no bits"):
        OutputTransform(width=0)


def test_units_of_the_engine():
    """Both stand among the units of the systolic engine, with the widths of its sums."""
    config = SystolicConfig(acc_width=30)
    assert len(SPEC.unit(config, "winograd_input").o.payload[0]) == 10
    assert len(SPEC.unit(config, "winograd_output").o.payload[0]) == 30
