"""Products on a board are checked before anything is sent."""

import numpy as np
import pytest
from tercet.boards.catalog import soc_config
from tercet.boards.host.systolic import plan


def test_weight_of_minus_128_is_refused_by_name():
    soc = soc_config("ulx3s-12f", "systolic", rows=2, cols=4, mac="ecp5-dual", acc_depth=8, requant_lanes=1)
    acts, weights = np.full((2, 3), -128, np.int8), np.full((3, 4), -127, np.int8)
    assert len(plan(soc, acts, weights, None).tiling) == 1
    weights[1, 2] = -128
    with pytest.raises(ValueError, match=r"Weights -128 at index \(1, 2\) is outside \[-127, 127\]; mac 'ecp5-dual'"):
        plan(soc, acts, weights, None)
