"""The description of the systolic engine's interface."""

from tercet.golden.systolic import SystolicConfig
from tercet.rtl.systolic.generate import interface


def test_latency():
    config = SystolicConfig(rows=3, cols=4, acc_depth=8)
    assert interface(config)["latency"]["example"]["cycles"] == config.cycles(64, 64, 64)
