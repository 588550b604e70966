"""A new engine, defined and registered here only, supports everything that the built-in engines do."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from click.testing import CliRunner
from tercet.boards.catalog import soc_config
from tercet.boards.host.device import Device
from tercet.cli import main
from tercet.engines import ENGINES, EngineSpec, register
from tercet.golden.config import check_fields, option
from tercet.golden.engine import BoardPreset, EngineModel
from tercet.golden.engines import MODELS
from tercet.golden.packing import pack, unpack
from tercet.golden.registers import Register
from tercet.golden.streams import Job, StreamPort
from tercet.rtl.common.engine import CounterBank, control_members
from tercet.sim import simulators
from tercet.sim.engine import run_engine


@dataclass(frozen=True, kw_only=True)
class AccumulatorConfig:
    """Samples per sum, and their width."""

    length: int = option(4, "samples of a sum", (1, 256))
    width: int = option(12, "bits of a sample", (2, 16))

    def __post_init__(self):
        check_fields(self)


class AccumulatorModel(EngineModel):
    """Model of an engine that sums samples."""

    name, summary, year, letters = "accumulator", "sums of samples", 1642, "TACC"
    config_class = AccumulatorConfig
    counters = {"taken": "samples", "held": "clocks in which a sum waited"}
    roles = {"samples": "samples (sums, length)"}
    form, example = "SUMS", "5"
    examples = {"generate": ("--length 8",), "sim": ("--length 8 --shape 100",), "synth": ("--device ecp5-25k",)}
    board_presets = {"ecp5-85k": BoardPreset({"length": 3}, {"samples": 64, "sums": 32}, 50_000_000)}

    def streams(self, config):
        return (
            StreamPort("samples", config.width, "in", "a sample, two's complement"),
            StreamPort("sums", 33, "out", "a sum of 32 bits"),
        )

    def operands(self, config, *arrays, **options):
        (samples,) = (np.asarray(array) for array in arrays)
        if samples.ndim != 2 or samples.shape[1] != config.length:
            raise ValueError(f"Samples have shape {samples.shape}; use (sums, {config.length})")
        return samples.astype(np.int64)

    def random(self, config, rng, sizes):
        return rng.integers(-(2 ** (config.width - 1)), 2 ** (config.width - 1), (sizes[0], config.length))

    def job(self, config, operands):
        return Job({"samples": pack(operands.reshape(-1, 1), config.width)}, {"sums": len(operands)})

    def collect(self, config, operands, outputs):
        return unpack(outputs["sums"], 32, 1)[:, 0].astype(np.int32)

    def golden(self, config, operands):
        return operands.sum(axis=1).astype(np.int32)

    def cycles(self, config, operands):
        return operands.size + 1

    def size(self, config):
        return f"{config.length} samples"

    def multipliers(self, config):
        return 0.5  # an addition is half of a multiply-add

    def own_registers(self):
        return {"numbers": Register(0x10, "r", "length and width", {"length": (0, 16), "width": (16, 8)})}


MODEL = AccumulatorModel()


class Accumulator(wiring.Component):
    """Sum `length` consecutive samples. One sample per clock, latency 1."""

    def __init__(self, *, config):
        self.config = config
        result = data.StructLayout({"data": signed(32), "last": 1})
        streams = {"samples": In(stream.Signature(signed(config.width))), "sums": Out(stream.Signature(result))}
        super().__init__({**streams, **control_members(MODEL)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.bank = bank = CounterBank(steps=dict.fromkeys(MODEL.counters, 1))
        taken, number = Signal(), Signal(range(self.config.length))
        first, final = number == 0, number == self.config.length - 1
        m.d.comb += [
            self.samples.ready.eq(~self.sums.valid | self.sums.ready),
            taken.eq(self.samples.valid & self.samples.ready),
            self.sums.payload.last.eq(1),
            bank.steps.taken.eq(taken),
            bank.steps.held.eq(self.sums.valid & ~self.sums.ready),
            bank.clear.eq(self.clear),
            self.counters.eq(bank.counts),
            self.running.eq(self.sums.valid | (number != 0)),
        ]
        with m.If(self.samples.ready):
            m.d.sync += self.sums.valid.eq(taken & final)
        with m.If(taken):
            m.d.sync += self.sums.payload.data.eq(Mux(first, 0, self.sums.payload.data) + self.samples.payload)
            m.d.sync += number.eq(Mux(final, 0, number + 1))
        return m


@pytest.fixture
def spec():
    accumulator = EngineSpec(
        model=MODEL,
        component=Accumulator,
        facts=lambda config: {"order": "sum by sum", "latency": {"first": config.length + 1}, "golden": "numpy.sum"},
    )
    register(accumulator)
    yield accumulator
    del ENGINES["accumulator"], MODELS["accumulator"]


def tercet(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_simulated(spec, stall):
    rng = np.random.default_rng(0)
    config = AccumulatorConfig(length=3, width=9)
    items = [MODEL.random(config, rng, (count,)) for count in (1, 50)]
    for item, run in zip(items, run_engine(spec, config, items, stall=stall), strict=True):
        np.testing.assert_array_equal(run.out, MODEL.golden(config, item))
        assert run.counters["taken"] == item.size
        assert stall or (run.cycles == MODEL.cycles(config, item) and run.counters["held"] == 0)


def test_on_the_command_line(spec, tmp_path):
    assert "sums of samples" in tercet("list")
    assert "accumulator" in tercet("generate", "--help")
    tercet("generate", "accumulator", "--length", 8, "-o", tmp_path / "files")
    manifest = json.loads((tmp_path / "files" / "manifest.json").read_text())
    assert manifest["parameters"] == {"length": 8, "width": 12}
    assert [port["name"] for port in manifest["ports"]] == ["s_axis_samples", "m_axis_sums", "s_axil"]
    assert "RTL equals golden model" in tercet("sim", "accumulator", "--length", 8, "--shape", 20, "--stall", 0.2)
    samples = np.arange(8).reshape(2, 4)
    np.save(tmp_path / "x.npy", samples)
    assert "yes" in tercet("sim", "accumulator", "--samples", tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), [6, 22])


def test_on_an_fpga(spec):
    output = tercet("synth", "accumulator", "--length", 2, "--device", "up5k", "--seeds", 1, "--freq", 50)
    assert "fmax, median" in output


def test_on_a_board(spec):
    try:
        simulators.find("verilator")
    except simulators.SimulatorNotFound as error:
        pytest.skip(str(error))
    assert soc_config("ulx3s-85f", "accumulator").peak_gops == 0.05
    samples = np.random.default_rng(1).integers(-2048, 2048, (20, 3))
    with Device.open("sim:ulx3s-85f,bytes", engine="accumulator") as device:
        np.testing.assert_array_equal(device.compute(samples), samples.sum(axis=1))
        assert device.counters()["taken"] == samples.size
        with pytest.raises(ValueError, match="The job needs 75 words of samples, but the board has room for 64"):
            device.compute(np.zeros((25, 3), int))


def test_duplicate_name(spec):
    with pytest.raises(ValueError, match="Engine name 'accumulator' is taken; use another name"):
        register(EngineSpec(model=MODEL, component=Accumulator))


def test_streams_that_differ_from_the_model():
    class Narrow(Accumulator):
        def __init__(self, *, config):
            super().__init__(config=AccumulatorConfig(length=config.length, width=config.width - 1))

    with pytest.raises(TypeError, match="Engine accumulator has streams .* but its model declares"):
        EngineSpec(model=MODEL, component=Narrow)
