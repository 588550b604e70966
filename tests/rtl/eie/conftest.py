"""Both pipelines of the EIE engine, without FPGA primitives, for Amaranth's simulator."""

import pytest
from tercet.golden.eie.config import EieConfig


class ShallowConfig(EieConfig):
    """The pipeline of family "ice40" without its primitives."""

    shallow = True  # pyright: ignore[reportAssignmentType]


@pytest.fixture(params=[EieConfig, ShallowConfig], ids=["deep", "shallow"])
def pipeline(request):
    """``pipeline(config)`` returns the config with the deep or the shallow pipeline."""
    return lambda config: request.param(**vars(config))
