"""The requantiser's RTL against the golden model: corners of everything, and many random values."""

import itertools
import re

import numpy as np
import pytest
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.quantize import requantize
from tercet.rtl import primitives
from tercet.rtl.common.delay import Delay
from tercet.rtl.emit import verilog
from tercet.rtl.systolic.requantizer import Requantizer
from tercet.sim import simulators
from tercet.sim.bench import Job, StreamPort, run
from tercet.sim.packing import join

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
SIMULATORS = [found.name for found in simulators.available() if found.simulator is not None]
FIELDS = {"acc": 32, "multiplier": 31, "shift": 6, "single": 1, "zero_point": 8, "qmin": 8, "qmax": 8}


class Streamed(wiring.Component):
    """A requantiser between streams that never wait; its settings come with the values and must stay the same."""

    def __init__(self, mac):
        self.mac = mac
        payload = sum(FIELDS.values())
        super().__init__({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = Requantizer(mac=self.mac)
        m.submodules.valid = valid = Delay(clocks=unit.latency, width=1)
        last = Signal(sum(FIELDS.values()))
        with m.If(self.i.valid):
            m.d.sync += last.eq(self.i.payload)
        values = Mux(self.i.valid, self.i.payload, last)
        m.d.comb += [
            Cat(getattr(unit, name) for name in FIELDS).eq(values),
            self.i.ready.eq(1),
            valid.i.eq(self.i.valid),
            self.o.valid.eq(valid.o),
            self.o.payload.eq(unit.o),
        ]
        return m


def rtl_requantize(jobs, *, mac="infer", simulator=None, edit=None):
    """Each job: acc, multiplier, shift (arrays), zero_point, qmin, qmax, rounding."""
    text = verilog(Streamed(mac), name="streamed")
    if edit is not None:
        text = edit(text)
    sources = {"streamed.v": text, **{path.name: path.read_text() for path in primitives.used(text)}}
    ports = [StreamPort("i", sum(FIELDS.values()), "in"), StreamPort("o", 8, "out")]
    encoded = []
    for acc, multiplier, shift, zero_point, qmin, qmax, rounding in jobs:
        values = [acc, multiplier, shift, rounding == "single", zero_point, qmin, qmax]
        columns = [(np.broadcast_to(v, len(acc)), width) for v, width in zip(values, FIELDS.values(), strict=True)]
        encoded.append(Job({"i": join(*columns)}, {"o": len(acc)}))
    results = run(sources, "streamed", ports, encoded, simulator=simulator)
    return [result.outputs["o"].view(np.int8)[:, 0] for result in results]


def ref_requantize(job):
    acc, *rest = job
    return requantize(np.asarray(acc)[None, :], *rest)[0]


def corners(rounding):
    accs = {0, 1, 2, 3, 127, 128, 255, 256, 12345678, 2**29, 2**30 - 1, 2**30, 3 * 2**29, INT32_MAX, INT32_MAX - 1}
    accs |= {-a for a in accs} | {INT32_MIN, INT32_MIN + 1}
    multipliers = (0, 1, 3, 127, 2**29, 2**30 - 1, 2**30, 2**30 + 1, 3 * 2**29, 1518500250, 2**31 - 2, 2**31 - 1)
    every = np.array(list(itertools.product(sorted(accs), multipliers, range(-31, 31))))
    return (*every.T, 0, -128, 127, rounding)


def random_job(count, seed, rounding):
    """Half of the results near the int8 range, a part of them ties; the clamp often in between."""
    rng = np.random.default_rng(seed)
    acc = rng.integers(INT32_MIN, INT32_MAX, count, endpoint=True) >> rng.integers(0, 31, count)
    multiplier = rng.integers(0, INT32_MAX, count, endpoint=True)
    short = rng.random(count) < 0.2
    multiplier = np.where(short, (multiplier >> 26) << 26, multiplier)
    bits = np.log2(np.abs(acc) + 1.0) + np.log2(multiplier + 1.0) - 31
    near = np.clip(np.round(rng.uniform(-1, 9, count) - bits), -31, 30).astype(np.int64)
    shift = np.where(rng.random(count) < 0.7, near, rng.integers(-31, 30, count, endpoint=True))
    qmin, qmax = np.sort(rng.choice([-128, -128, -100, -1, 0, 1, 99, 127, 127], 2))
    return acc, multiplier, shift, int(rng.choice([-128, -1, 0, 5, 127])), int(qmin), int(qmax), rounding


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("mac", ["infer", "ecp5"])
def test_corners(mac, simulator):
    jobs = [corners("double"), corners("single")]
    if simulator == "icarus":
        jobs = [tuple(v[::7] if isinstance(v, np.ndarray) else v for v in job) for job in jobs]
    for job, out in zip(jobs, rtl_requantize(jobs, mac=mac, simulator=simulator), strict=True):
        np.testing.assert_array_equal(out, ref_requantize(job))


def test_random():
    """A million, in forty settings of zero point and clamp."""
    jobs = [random_job(25_000, seed, ("double", "single")[seed % 2]) for seed in range(40)]
    for job, out in zip(jobs, rtl_requantize(jobs), strict=True):
        np.testing.assert_array_equal(out, ref_requantize(job))


def test_saturation_of_every_zero_point():
    """The largest and smallest sums end at the clamp, wherever the zero point is."""
    acc = np.array([INT32_MIN, INT32_MAX, 300, -300, 0])
    jobs = [(acc, 2**31 - 1, shift, zero, -128, 127, "double") for zero in (-128, 0, 127) for shift in (0, 30)]
    for job, out in zip(jobs, rtl_requantize(jobs), strict=True):
        np.testing.assert_array_equal(out, ref_requantize(job))


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"\$signed\(p9_right\) >", "$signed(p9_right) >="),
        (r"\$signed\(v14\) \+", "$signed(v14) -"),
    ],
)
def test_broken_rtl_is_caught(pattern, replacement):
    def edit(text):
        broken, changes = re.subn(pattern, replacement, text)
        assert changes
        return broken

    job = corners("double")
    out = rtl_requantize([job], edit=edit)[0]
    assert (out != ref_requantize(job)).any()


def test_refuses():
    with pytest.raises(ValueError, match="mac 'asic' is unknown; use one of infer, ecp5, ice40"):
        Requantizer(mac="asic")
