"""Files that are damaged, truncated, or use parts of the format that are not supported."""

import resource
import time
import warnings

import numpy as np
import pytest
from tercet.compiler.errors import Unsupported
from tercet.compiler.onnx import load_onnx
from tercet.compiler.onnx.reader import MAX_ELEMENTS, read

from .networks import Builder, onnx, quantised


def small_network():
    net = Builder((1, 2, 6, 6))
    x = net.add("Relu", net.conv("input", 2, 3, pads=[1, 1, 1, 1]))
    x = net.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.add("Reshape", x, net.constant(np.array([-1, 27], np.int64)))
    return net.model(net.gemm(x, 27, 4))


@pytest.fixture(scope="module")
def files():
    given = np.random.default_rng(0).normal(size=(4, 2, 6, 6)).astype(np.float32)
    return {qdq: quantised(small_network(), given, qdq=qdq) for qdq in (True, False)}


def load_or_refuse(data):
    """The graph of a file, or None if it is refused in one line."""
    try:
        return load_onnx(data)
    except ValueError as error:
        lines = str(error).splitlines()
    assert len(lines) == 1, lines
    return None


@pytest.mark.parametrize("qdq", [True, False])
@pytest.mark.parametrize("flip", [0xFF, 0x80, 0x01])
def test_every_byte_flipped(files, qdq, flip):
    """A graph or one line: no other error, no warning, no second of time and no memory worth mentioning."""
    data = files[qdq]
    taken, slowest = 0, 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(len(data)):
            start = time.process_time()
            graph = load_or_refuse(data[:n] + bytes([data[n] ^ flip]) + data[n + 1 :])
            slowest = max(slowest, time.process_time() - start)
            taken += graph is not None
    # Weights, scales and names may have other bits; most of the file may not.
    assert 0 < taken < len(data) / 2
    assert slowest < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_flipped_files_run(files):
    """What is taken computes something, of the shape that it says."""
    data = files[True]
    for n in range(0, len(data), 5):
        graph = load_or_refuse(data[:n] + bytes([data[n] ^ 0xFF]) + data[n + 1 :])
        if graph is not None:
            with np.errstate(all="ignore"):
                found = graph.run([np.zeros(edge.sample_shape, edge.dtype) for edge in graph.inputs])
            assert [each.shape for each in found] == [edge.sample_shape for edge in graph.outputs]


@pytest.mark.parametrize("qdq", [True, False])
def test_every_truncation(files, qdq):
    """The nodes come first: without its second half a file is nothing."""
    data = files[qdq]
    taken = [n for n in range(0, len(data), 3) if load_or_refuse(data[:n]) is not None]
    assert min(taken, default=len(data)) > len(data) / 2


def changed(data, change):
    model = onnx.load_model_from_string(data)
    change(model)
    return model.SerializeToString()


def refused(data, match):
    with pytest.raises(Unsupported, match=match):
        load_onnx(data)


def test_typed_data_reads_as_raw_data(files):
    """Elements in the field of their type instead of raw bytes."""

    def change(model):
        for tensor in model.graph.initializer:
            array = onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx.helper.make_tensor(tensor.name, tensor.data_type, array.shape, array.ravel().tolist()))
            assert not tensor.HasField("raw_data")

    given = np.random.default_rng(1).normal(size=(3, 2, 6, 6)).astype(np.float32)
    first, second = (load_onnx(data).run(given)[0] for data in (files[True], changed(files[True], change)))
    np.testing.assert_array_equal(first, second)


def test_initializers_that_are_inputs(files):
    """Old files list every constant among the inputs."""

    def change(model):
        for tensor in model.graph.initializer:
            value = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            model.graph.input.append(value)

    assert [edge.name for edge in load_onnx(changed(files[True], change)).inputs] == ["input"]


def test_external_data(files):
    def change(model):
        tensor = next(tensor for tensor in model.graph.initializer if "quantized" in tensor.name)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights.bin")

    match = (
        r"node '.*' \(DequantizeLinear, opset 13\): the constant 'c\d_quantized' is stored in another file; use onnx."
    )
    refused(changed(files[True], change), match)


def test_sparse_initializers(files):
    def change(model):
        model.graph.sparse_initializer.add().values.name = "w"

    refused(changed(files[True], change), "the constant 'w' is stored sparsely; export the model without sparse")


def test_functions(files):
    def change(model):
        model.functions.add().name = "f"

    refused(changed(files[True], change), "the model defines its own function 'f'; export it with functions inlined")


@pytest.mark.parametrize(("version", "match"), [(9, "uses opset 9, which has no QuantizeLinear; use at least 10"),
                                                (1000, "uses opset 1000, newer than")])  # fmt: skip
def test_operator_set(files, version, match):
    def change(model):
        model.opset_import[0].version = version

    refused(changed(files[True], change), match)


@pytest.mark.parametrize("data", [b"", b"\xff" * 20, b"not a model"])
def test_other_files(data):
    with pytest.raises(Unsupported, match="not an ONNX model"):
        read(data)


@pytest.mark.parametrize("dims", [(1 << 40,), (3, 1 << 62), (-1,)])
def test_shapes_without_elements(files, dims):
    """No dimension allocates memory that the file does not have."""

    def change(model):
        tensor = next(tensor for tensor in model.graph.initializer if "quantized" in tensor.name)
        del tensor.dims[:]
        tensor.dims.extend(dims)

    refused(changed(files[True], change), r"the constant '.*' has shape \(.*; export the model again")


def test_large_activations():
    net = Builder((1, 2, 1 << 12, 1 << 12))
    x = net.qdq("input", 0.1, 128)
    refused(net.model(x).SerializeToString(), rf"'input' of shape .* has 33554432 elements; use at most {MAX_ELEMENTS}")
