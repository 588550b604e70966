"""onnxruntime as an oracle: every tensor of a quantised model, and each layer of the graph alone against it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from tercet.compiler.onnx.convert import converted
from tercet.compiler.onnx.values import Codes
from tercet.golden.numerics.requantization import Rounding

__all__ = ["Difference", "differing_share", "layer_differences", "runtime"]

_MISSING = "onnxruntime is not installed; use pip install 'tercet[test]'"
onnxruntime = pytest.importorskip("onnxruntime", reason=_MISSING)
onnx = pytest.importorskip("onnx")


@dataclass(frozen=True)
class Difference:
    """Codes of one layer against onnxruntime's, from equal inputs."""

    op: str
    name: str
    count: int
    differing: int
    largest: int


def runtime(data: bytes, x: np.ndarray, names: list[str], *, optimised: bool = False) -> dict[str, np.ndarray]:
    """Tensors of a model by name, with onnxruntime's graph optimisations or without them."""
    model = onnx.load_model_from_string(data)
    known = {output.name for output in model.graph.output}
    added = [onnx.ValueInfoProto(name=name) for name in names if name not in known]
    model.graph.output.extend(added)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = [output.name for output in session.get_outputs()]
    found = session.run(wanted, {session.get_inputs()[0].name: x})
    return dict(zip(wanted, (np.asarray(each) for each in found), strict=True))


def layer_differences(
    data: bytes, x: np.ndarray, *, optimised: bool = False, rounding: Rounding = "double"
) -> list[Difference]:
    """Each layer alone: our operators on onnxruntime's codes at its input, against onnxruntime's at its output."""
    context = converted(data, rounding=rounding)
    graph = context.graph.graph()
    codes = {name: value for name, value in context.values.items() if isinstance(value, Codes)}
    # The model's inputs are no outputs of a session.
    inputs = {edge.name for edge in graph.inputs}
    found = runtime(data, x, [name for name in codes if name not in inputs], optimised=optimised)
    edge = graph.inputs[0]
    given: dict[str, Any] = {edge.tensor: edge.inside(x, graph.known[edge.tensor])}
    for name, value in codes.items():
        if name not in inputs and value.view.tensor in graph.known:
            array = found[name].astype(np.int16) - 128 * value.unsigned
            inside = value.view.inside(array).astype(np.int8)
            inside = inside.reshape(len(x), *graph.known[value.view.tensor].shape[1:])
            earlier = given.setdefault(value.view.tensor, inside)
            assert (earlier == inside).all(), f"{name} is not {value.view.tensor}"
    computed: dict[str, Any] = {}
    differences = []
    for operator in graph.operators:
        result = operator.run(*((given if name in given else computed)[name] for name in operator.inputs))
        computed[operator.output] = result
        if operator.output in given:
            wanted = given[operator.output]
            assert result.shape == wanted.shape, operator.name
            off = np.abs(result.astype(int) - wanted)
            differences.append(
                Difference(operator.op, operator.name, off.size, int((off > 0).sum()), int(off.max(initial=0)))
            )
    return differences


def differing_share(differences: list[Difference]) -> dict[str, tuple[int, float]]:
    """Number of codes that were compared and share of those that differ, by kind of operator and for "all"."""
    kinds: dict[str, list[Difference]] = {"all": differences}
    for each in differences:
        kinds.setdefault(each.op, []).append(each)
    found = {}
    for kind, members in kinds.items():
        count = sum(each.count for each in members)
        found[kind] = count, sum(each.differing for each in members) / max(count, 1)
    return found
