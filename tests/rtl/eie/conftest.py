"""Both pipelines of the EIE engine, from what Amaranth's simulator has."""

import pytest
from tercet.golden.eie.config import EieConfig


class ShallowConfig(EieConfig):
    """As with family "ice40", but without its blocks."""

    shallow = True  # pyright: ignore[reportAssignmentType]


@pytest.fixture(params=[EieConfig, ShallowConfig], ids=["deep", "shallow"])
def pipeline(request):
    """``pipeline(config)``: the same engine with the deep or with the shallow pipeline."""
    return lambda config: request.param(**vars(config))
