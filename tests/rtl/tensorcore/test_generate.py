"""Configs that only the golden model supports are rejected."""

import pytest
from tercet.engines.tensorcore import SPEC
from tercet.golden.tensorcore.config import TensorCoreConfig


def test_refuses():
    with pytest.raises(ValueError, match=r"fraction_bits 0 \(keep all\) is for the golden model only"):
        SPEC.verilog(TensorCoreConfig.exact())
    with pytest.raises(ValueError, match="l 6 is not a size of an adder tree; use 2, 4, 8, 16 or 32"):
        SPEC.interface(TensorCoreConfig(l=6))
    with pytest.raises(ValueError, match="pipeline 15 is out of range for l 4; use 4 to 14"):
        SPEC.unit(TensorCoreConfig(pipeline=15), "dot")
    with pytest.raises(ValueError, match="pipeline 8 is out of range for l 4; use 4 to 7"):
        SPEC.unit(TensorCoreConfig(a_format="int8", pipeline=8), "dot")


@pytest.mark.parametrize(
    "name", ["product", "maximum", "align", "sum", "normalise", "pack", "specials", "conventional"]
)
def test_integers_have_no_such_unit(name):
    with pytest.raises(ValueError, match=f"Unit '{name}' is for floating point only, not for int8"):
        SPEC.unit(TensorCoreConfig(a_format="int8"), name)
