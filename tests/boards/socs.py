"""Small boards for tests, and helpers to open them."""

import contextlib
import dataclasses

import numpy as np
from tercet.boards.host.device import Device
from tercet.boards.host.link import HostLink
from tercet.boards.host.port import open_port
from tercet.boards.host.soc_config import SocConfig
from tercet.boards.simulated.board import SimulatedBoard
from tercet.boards.soc.soc import soc_sources
from tercet.golden.compress.model import CompressedLayer
from tercet.golden.eie.config import EieConfig
from tercet.golden.engines import engine_model as engine
from tercet.golden.npu.config import NpuConfig
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.tensorcore.config import TensorCoreConfig

CONFIGS = {
    "systolic": SystolicConfig(rows=2, cols=2, acc_depth=16, requant_lanes=1),
    "eie": EieConfig(n_pe=2, matrix_depth=256, pointer_depth=256, act_depth=64, constant_depth=64),
    "tensorcore": TensorCoreConfig(m=2, n=2, l=2, fold=4, pipeline=5),
    "npu": NpuConfig(
        rows=4,
        cols=4,
        weight_rows=2,
        requant_lanes=2,
        acc_depth=16,
        buffer_bytes=1024,
        weight_bytes=4096,
        channels=256,
        operators=16,
        tables=4,
    ),
}


def soc_of(name: str, depth: int = 64, **fields) -> SocConfig:
    """Return a configuration with an engine of `CONFIGS`."""
    config = CONFIGS[name]
    depths = tuple((port.name, depth) for port in engine(name).streams(config))
    return SocConfig(name, config, depths, **{"clock_hz": 24_000_000, "baud": 3_000_000, "board": "bench", **fields})


FAULTS = soc_of("systolic", 128, frame_bytes=1024)
"""Configuration for fault injection."""


TWO_CLOCKS = dataclasses.replace(
    FAULTS,
    config=dataclasses.replace(CONFIGS["systolic"], mac="ecp5"),
    clock_hz=140_000_000,
    link_hz=50_000_000,
)
"""The same with a clock for the engine, and with the memories of ECP5."""

RATIOS = {"140:50": None, "alike": 1.0, "slower": 0.2137, "faster": 4.91}
"""Clocks of the engine for each of the link to simulate it at."""


@contextlib.contextmanager
def running(soc: SocConfig, mode: str = "bytes", engine_clocks: float | None = None):
    """Run a simulated board."""
    sources = soc_sources(soc, uart=mode != "bytes")
    with SimulatedBoard(soc, sources, mode=mode, engine_clocks=engine_clocks) as board:
        yield board


@contextlib.contextmanager
def opened(soc: SocConfig, mode: str = "bytes", **options):
    """Open a `Device` on a simulated board."""
    with running(soc, mode) as board, open_port(board.path, soc.baud) as port:
        yield Device(HostLink(port, timeout=20.0), **options)


def int8(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """Return a random int8 array."""
    return generator.integers(-128, 128, shape).astype(np.int8)


def same(got: np.ndarray, want: np.ndarray) -> None:
    """Assert equal bits, dtype and shape."""
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    assert got.tobytes() == want.tobytes()


def compressed() -> tuple[list[CompressedLayer], np.ndarray]:
    """Return a small compressed network and inputs."""
    generator = np.random.default_rng(5)
    layers = []
    for n_in, n_out in ((12, 10), (10, 4)):
        codes = (generator.integers(1, 16, (n_out, n_in)) * (generator.random((n_out, n_in)) < 0.4)).astype(np.uint8)
        centroids = np.concatenate(([0], generator.standard_normal(15) * 0.5)).astype(np.float32)
        layers.append(CompressedLayer(codes, centroids, generator.standard_normal(n_out).astype(np.float32), 4))
    return layers, generator.random((6, 12))
