"""Placement of each operator on NPU or host: one table for compiler, command line and documentation."""

from dataclasses import dataclass

from tercet.golden.networks.operators import Operator

__all__ = ["PLACEMENT", "Placement", "markdown", "place"]


@dataclass(frozen=True)
class Placement:
    """Placement of one kind of operator.

    Attributes
    ----------
    where : "npu" or "host"
        Unit that computes it.
    how : str
        Unit of the NPU, or the reason that it stays on the host.
    """

    where: str
    how: str


_ARRAY = Placement("npu", "systolic array")
_TABLE = Placement("npu", "vector unit, 256-entry lookup table")
_ADDRESSES = Placement("npu", "address arithmetic only")

PLACEMENT: dict[str, Placement] = {
    "CONV_2D": _ARRAY,
    "DEPTHWISE_CONV_2D": Placement("npu", "depthwise unit, or diagonal planes on the array"),
    "FULLY_CONNECTED": _ARRAY,
    "ADD": Placement("npu", "vector unit"),
    "SUB": Placement("npu", "vector unit"),
    "MUL": Placement("npu", "vector unit"),
    "MAXIMUM": Placement("npu", "vector unit"),
    "MINIMUM": Placement("host", "the vector unit has no minimum"),
    "AVERAGE_POOL_2D": Placement("npu", "depthwise unit, unit weights"),
    "MAX_POOL_2D": Placement("npu", "vector unit"),
    "MEAN": Placement("npu", "depthwise unit, unit weights"),
    "REDUCE_MAX": Placement("npu", "vector unit"),
    "PAD": Placement("npu", "gather unit's fill code"),
    "PADV2": Placement("npu", "gather unit's fill code"),
    "RESHAPE": _ADDRESSES,
    "SQUEEZE": _ADDRESSES,
    "EXPAND_DIMS": _ADDRESSES,
    "CONCATENATION": _ADDRESSES,
    "STRIDED_SLICE": _ADDRESSES,
    "SLICE": _ADDRESSES,
    "SPLIT": _ADDRESSES,
    "SPLIT_V": _ADDRESSES,
    "TRANSPOSE": Placement("host", "reorders bytes"),
    "QUANTIZE": _TABLE,
    "RELU": _TABLE,
    "RELU6": _TABLE,
    "RELU_N1_TO_1": _TABLE,
    "LEAKY_RELU": _TABLE,
    "LOGISTIC": _TABLE,
    "TANH": _TABLE,
    "HARD_SWISH": _TABLE,
    "ELU": _TABLE,
    "SOFTMAX": Placement("host", "exponentials; only at the end of the graph"),
    "DEQUANTIZE": Placement("host", "floating point"),
}
"""Placement of each kind of operator, by TFLite name."""


def place(operator: Operator) -> Placement:
    """Return the placement of an operator of a graph."""
    if type(operator).__name__ in ("Quantize", "Requantize"):
        return Placement("host", "floating-point or uint8 data at the edges of the graph")
    return PLACEMENT.get(operator.op, Placement("host", "not supported by the NPU"))


def markdown() -> str:
    """Format `PLACEMENT` as the table of ``docs/models.md``; operators with the same placement share a row."""
    kinds: dict[Placement, list[str]] = {}
    for op, placement in PLACEMENT.items():
        kinds.setdefault(placement, []).append(op)
    rows = [f"| {', '.join(ops)} | {placement.where} | {placement.how} |" for placement, ops in kinds.items()]
    return "\n".join(["| operators (TFLite names) | npu or host | how |", "| --- | --- | --- |", *rows])
