"""Fixture common to the AXI tests of all engines."""

from pathlib import Path

import numpy as np
import pytest
from tercet.sim.build import build, run


@pytest.fixture
def over_axi(request, tmp_path, monkeypatch):
    """Run a cocotb bench of the test's folder on an engine, with a job that the bench reads from a file."""
    pytest.importorskip("cocotbext.axi")

    def simulate(spec, config, simulator, bench, job):
        np.savez(tmp_path / "jobs.npz", **job)
        # The bench, and what all benches share.
        for folder in (request.path.parent, Path(__file__).parent):
            monkeypatch.syspath_prepend(str(folder))
        built = build({f"{spec.name}.v": spec.verilog(config)}, spec.name, simulator)
        run(built, bench, env={"TERCET_JOBS": str(tmp_path / "jobs.npz")})

    return simulate
