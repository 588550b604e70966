"""What only the golden model does is refused."""

import pytest
from tercet.engines.tensorcore import SPEC
from tercet.golden.tensorcore.config import TensorCoreConfig


def test_refuses():
    with pytest.raises(ValueError, match="fraction_bits 0 keeps all, which only the golden model does"):
        SPEC.verilog(TensorCoreConfig.exact())
    with pytest.raises(ValueError, match="l 6 is no size of a tree of adders; use 2, 4, 8, 16 or 32"):
        SPEC.interface(TensorCoreConfig(l=6))
    with pytest.raises(ValueError, match="Pipeline of 15 clocks; with l 4 use 4 to 14"):
        SPEC.unit(TensorCoreConfig(pipeline=15), "dot")
    with pytest.raises(ValueError, match="Pipeline of 8 clocks; with l 4 use 4 to 7"):
        SPEC.unit(TensorCoreConfig(a_format="int8", pipeline=8), "dot")


@pytest.mark.parametrize(
    "name", ["product", "maximum", "align", "sum", "normalise", "pack", "specials", "conventional"]
)
def test_integers_have_no_such_unit(name):
    with pytest.raises(ValueError, match=f"Unit '{name}' is of floating-point sums; int8 has none"):
        SPEC.unit(TensorCoreConfig(a_format="int8"), name)
