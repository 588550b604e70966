"""Real models against TFLite Micro: every tensor of a few inputs, the outputs of a hundred, simplified ones too."""

import numpy as np
import pytest
from tercet.compiler import load
from tercet.compiler.report import totals

from .micro import Micro
from .models import MODELS, model

MACS = {"ad01_int8": 264_192, "kws_ref_model_int8": 2_656_768, "ic_resnet8_int8": 12_501_632}
WEIGHTS = {"ad01_int8": 264_192, "kws_ref_model_int8": 22_016, "ic_resnet8_int8": 77_360}


@pytest.mark.parametrize("name", MODELS)
def test_outputs(name):
    path = model(name)
    graph, micro = load(path), Micro(path.read_bytes())
    x = np.random.default_rng(1).integers(-128, 128, (100, *graph.inputs[0].sample_shape)).astype(np.int8)
    (got,) = graph.run(x)
    want = np.concatenate([micro.run(sample[None])[0] for sample in x])
    np.testing.assert_array_equal(got, want, strict=True)
    np.testing.assert_array_equal(graph.simplified().run(x)[0], want, strict=True)


@pytest.mark.parametrize("name", MODELS)
def test_every_tensor(name):
    path = model(name)
    graph, micro = load(path), Micro(path.read_bytes())
    rng = np.random.default_rng(2)
    for _ in range(3):
        x = rng.integers(-128, 128, graph.inputs[0].shape).astype(np.int8)
        found, want = graph.tensors(x), micro.tensors(x)
        assert len(want) > 9
        for tensor, array in want.items():
            np.testing.assert_array_equal(found[tensor], array, err_msg=tensor, strict=True)


@pytest.mark.parametrize("name", MODELS)
def test_totals(name):
    found = totals(load(model(name)))
    assert (found.macs, found.weights) == (MACS[name], WEIGHTS[name])
