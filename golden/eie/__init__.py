"""Golden model of the EIE engine: sparse matrix-vector products on compressed layers. Source: ``spec/eie.md``."""

from .config import EieConfig
from .cycle_model import EieCycles
from .encoding import cycles, decode, encode, network_cycles
from .layer import EieLayer
from .product import check_acts, network_spmv, spmv

__all__ = [
    "EieConfig",
    "EieCycles",
    "EieLayer",
    "check_acts",
    "cycles",
    "decode",
    "encode",
    "network_cycles",
    "network_spmv",
    "spmv",
]
