"""Winograd's sixteen products on the RTL of the systolic engine, with operands of the widths that they need."""

import numpy as np
from tercet.golden.networks.operators import Conv2D, Window
from tercet.golden.systolic import SystolicConfig
from tercet.golden.winograd import WinogradConvolution
from tercet.golden.winograd.transforms import operand_widths
from tercet.sim import systolic


def test_extreme_operands():
    """Codes of -128 and 127, so that operands reach their bounds; sums of the convolution, and clocks of the model."""
    acts, weights = operand_widths()
    config = SystolicConfig(rows=2, cols=2, act_width=acts, weight_width=weights, mac="ecp5")
    rng = np.random.default_rng(0)
    kernels = rng.choice([-128, 127], (3, 3, 3, 5)).astype(np.int8)
    kernels[0] = -128
    x = rng.choice([-128, 127], (1, 6, 5, 5)).astype(np.int8)
    x[:, :4, :4] = -128
    layer = Conv2D(
        name="layer",
        inputs=("x",),
        output="y",
        weights=kernels,
        bias=np.array([2**20, 0, -(2**20)]),
        requant=None,
        input_zero_point=-128,
        window=Window(kernel=(3, 3), padding=(1, 1, 1, 1)),
    )
    convolution = WinogradConvolution(layer)
    assert (convolution.inputs(x).min(), convolution.inputs(x).max()) == (-512, 510)
    assert convolution.weights.min() == -1152
    operands = zip(convolution.inputs(x), convolution.weights, convolution.bias, strict=True)
    jobs = [systolic.MatmulOperands(np.ascontiguousarray(a), w, b) for a, w, b in operands]
    runs = systolic.matmuls(config, jobs)
    found = convolution.outputs(np.stack([run.out for run in runs]), x.shape)
    np.testing.assert_array_equal(found, layer.sums(x, None))
    m, k = jobs[0].acts.shape
    assert [run.cycles for run in runs] == 16 * [config.cycles(m, k, 3)]
