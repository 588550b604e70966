"""Interface description of the systolic engine."""

from tercet.engines.systolic import SPEC
from tercet.golden.systolic.config import SystolicConfig


def test_latency():
    config = SystolicConfig(rows=3, cols=4, acc_depth=8)
    assert SPEC.interface(config)["latency"]["example"]["cycles"] == config.cycles(64, 64, 64)
