"""Where each kind of operator runs, and why: one table for compiler, command line and documentation."""

from dataclasses import dataclass

from tercet.golden.networks.operators import Operator

__all__ = ["PLACEMENT", "Placement", "markdown", "place"]


@dataclass(frozen=True)
class Placement:
    """Where a kind of operator runs.

    Attributes
    ----------
    where : "npu" or "host"
        What computes it.
    how : str
        The unit of the NPU, or why the host does it.
    """

    where: str
    how: str


_ARRAY = Placement("npu", "systolic array")
_TABLE = Placement("npu", "vector unit, table of 256 codes")
_ADDRESSES = Placement("npu", "addresses only")

PLACEMENT: dict[str, Placement] = {
    "CONV_2D": _ARRAY,
    "DEPTHWISE_CONV_2D": Placement("npu", "depthwise unit, or diagonal planes on the array"),
    "FULLY_CONNECTED": _ARRAY,
    "ADD": Placement("npu", "vector unit"),
    "SUB": Placement("npu", "vector unit"),
    "MUL": Placement("npu", "vector unit"),
    "MAXIMUM": Placement("npu", "vector unit"),
    "MINIMUM": Placement("host", "the vector unit has a maximum only"),
    "AVERAGE_POOL_2D": Placement("npu", "depthwise unit, weights of one"),
    "MAX_POOL_2D": Placement("npu", "vector unit"),
    "MEAN": Placement("npu", "depthwise unit, weights of one"),
    "REDUCE_MAX": Placement("npu", "vector unit"),
    "PAD": Placement("npu", "fill code of the gather unit"),
    "PADV2": Placement("npu", "fill code of the gather unit"),
    "RESHAPE": _ADDRESSES,
    "SQUEEZE": _ADDRESSES,
    "EXPAND_DIMS": _ADDRESSES,
    "CONCATENATION": _ADDRESSES,
    "STRIDED_SLICE": _ADDRESSES,
    "SLICE": _ADDRESSES,
    "SPLIT": _ADDRESSES,
    "SPLIT_V": _ADDRESSES,
    "TRANSPOSE": Placement("host", "bytes in another order"),
    "QUANTIZE": _TABLE,
    "RELU": _TABLE,
    "RELU6": _TABLE,
    "RELU_N1_TO_1": _TABLE,
    "LEAKY_RELU": _TABLE,
    "LOGISTIC": _TABLE,
    "TANH": _TABLE,
    "HARD_SWISH": _TABLE,
    "ELU": _TABLE,
    "SOFTMAX": Placement("host", "exponentials, at the end of the graph"),
    "DEQUANTIZE": Placement("host", "real numbers"),
}
"""Placement of each kind of operator, in TFLite's spelling."""


def place(operator: Operator) -> Placement:
    """Placement of an operator of a graph."""
    if type(operator).__name__ in ("Quantize", "Requantize"):
        return Placement("host", "real numbers or uint8 codes, at the ends of the graph")
    return PLACEMENT.get(operator.op, Placement("host", "not an operator of the NPU"))


def markdown() -> str:
    """`PLACEMENT` as the table of ``docs/models.md``: operators that run alike share a line."""
    kinds: dict[Placement, list[str]] = {}
    for op, placement in PLACEMENT.items():
        kinds.setdefault(placement, []).append(op)
    rows = [f"| {', '.join(ops)} | {placement.where} | {placement.how} |" for placement, ops in kinds.items()]
    return "\n".join(["| operators, in TFLite's spelling | npu or host | how |", "| --- | --- | --- |", *rows])
