"""Random float networks of the operators that the ONNX front end takes, for onnxruntime to quantise."""

from typing import Any

import numpy as np

from .networks import Builder

__all__ = ["random_network"]

# Those that onnxruntime quantises in both formats, and those that it leaves in float32 in QOperator graphs.
_QUANTISED = ("Relu", "Sigmoid", "LeakyRelu")
_FUNCTIONS = ("Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "HardSigmoid", "HardSwish", "Softplus")


class _Picture:
    """Builds a network with a picture of known shape as its state."""

    def __init__(self, seed: int, qdq: bool):
        self.qdq = qdq
        self.rng = rng = np.random.default_rng(seed)
        self.channels = int(rng.integers(1, 5))
        self.size = [int(n) for n in rng.integers(7, 14, 2)]
        self.net = Builder((1, self.channels, *self.size), opset=int(rng.choice([13, 14, 17])), seed=seed)
        self.x = "input"

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def window(self, *, largest: int = 3, dilate: bool = True) -> dict[str, Any]:
        """Random kernel, stride, dilation and padding, and the new size in `self.size`."""
        kernel = [min(int(self.rng.integers(1, largest + 1)), n) for n in self.size]
        pairs = list(zip(self.size, kernel, strict=True))
        # onnxruntime does not run auto_pad where a stride exceeds the kernel.
        stride = [int(self.rng.integers(1, min(k, 2) + 1)) if n > 4 else 1 for n, k in pairs]
        dilation = [2 if dilate and self.chance(0.2) and n > 4 and k > 1 else 1 for n, k in pairs]
        extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        found: dict[str, Any] = {"kernel_shape": kernel, "strides": stride}
        if dilate:
            found["dilations"] = dilation
        auto = self.pick("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
        if auto.startswith("SAME") and dilation == [1, 1]:
            self.size = [-(-n // s) for n, s in zip(self.size, stride, strict=True)]
            return found | {"auto_pad": auto}
        pads = [0, 0, 0, 0] if auto == "VALID" else [int(self.rng.integers(0, e)) for e in extent * 2]
        if auto == "VALID":
            found["auto_pad"] = auto
        else:
            found["pads"] = pads
        self.size = [(n + pads[k] + pads[k + 2] - extent[k]) // stride[k] + 1 for k, n in enumerate(self.size)]
        return found

    def conv(self) -> None:
        kind = self.pick("plain", "plain", "depthwise", "grouped", "pointwise")
        out, groups = int(self.rng.integers(1, 9)), 1
        if kind == "depthwise":
            groups, out = self.channels, self.channels * self.pick(1, 1, 2)
        elif kind == "grouped" and self.channels % 2 == 0:
            groups, out = 2, 2 * int(self.rng.integers(1, 5))
        window = {"kernel_shape": [1, 1]} if kind == "pointwise" else self.window()
        kernel = tuple(window.pop("kernel_shape"))
        self.x = self.net.conv(self.x, self.channels, out, kernel, groups, **window)
        self.channels = out
        if self.chance(0.5):
            self.clamp()

    def clamp(self) -> None:
        if self.chance(0.5):
            self.x = self.net.add("Relu", self.x)
            return
        low, high = self.pick((0, 6), (-1, 1), (0, 1), (-0.5, 2))
        bounds = (self.net.constant(np.float32(bound)) for bound in (low, high))
        self.x = self.net.add("Clip", self.x, *bounds)

    def function(self) -> None:
        op = self.pick(*_FUNCTIONS)
        if not self.qdq and op not in _QUANTISED:
            # A function in float32 ends where the next operator is quantised.
            self.x = self.net.add("Tanh", self.x)
            self.conv()
            return
        if op == "HardSwish" and self.net.opset < 14:
            op = "Elu"
        self.x = self.net.add(op, self.x)

    def residual(self) -> None:
        other = self.net.conv(self.x, self.channels, self.channels, (1, 1))
        operands = [self.x, other] if self.chance(0.5) else [other, self.x]
        self.x = self.net.add(self.pick("Add", "Add", "Sub", "Mul") if self.qdq else "Add", *operands)

    def constant(self) -> None:
        shape = self.pick((), (1,), (self.channels, 1, 1), (1, self.channels, 1, 1), (1, 1, *self.size))
        operands = [self.x, self.net.constant(self.rng.normal(size=shape).astype(np.float32))]
        if self.chance(0.4):
            operands.reverse()
        self.x = self.net.add(self.pick("Add", "Sub", "Mul") if self.qdq else self.pick("Add", "Mul"), *operands)

    def pool(self) -> None:
        if self.chance(0.5):
            window = self.window(dilate=False)
            self.x = self.net.add("MaxPool", self.x, **window)
        else:
            window = self.window(dilate=False)
            counted = self.pick(0, 0, 1) if self.qdq else 1
            self.x = self.net.add("AveragePool", self.x, count_include_pad=counted, **window)

    def concat(self) -> None:
        other = self.net.conv(self.x, self.channels, 3, (1, 1))
        self.x = self.net.add("Concat", other, self.x, axis=1)
        self.channels += 3

    def excite(self) -> None:
        """Squeeze and excitation: a gate for each channel."""
        gate = self.net.add("GlobalAveragePool", self.x)
        gate = self.net.add("Sigmoid", self.net.conv(gate, self.channels, self.channels, (1, 1)))
        self.x = self.net.add("Mul", self.x, gate)

    def normalize(self) -> None:
        scale, bias, mean = (self.net.constant(self.rng.normal(size=self.channels).astype(np.float32)) for _ in "abc")
        variance = self.net.constant(self.rng.uniform(0.5, 2, self.channels).astype(np.float32))
        self.x = self.net.add("BatchNormalization", self.x, scale, bias, mean, variance)
        if not self.qdq:
            self.conv()

    def pad(self) -> None:
        pads = [0, 0, *self.rng.integers(0, 3, 2).tolist(), 0, 0, *self.rng.integers(0, 3, 2).tolist()]
        self.x = self.net.add("Pad", self.x, self.net.constant(np.array(pads, np.int64)))
        self.size = [n + pads[2 + k] + pads[6 + k] for k, n in enumerate(self.size)]

    def cut(self) -> None:
        if self.channels % 2 == 0 and self.chance(0.5):
            first, second = self.net.add("Split", self.x, axis=1, outputs=2)
            self.x = self.net.add("Add", first, second)
            self.channels //= 2
            return
        start, axis = int(self.rng.integers(0, 2)), int(self.rng.integers(2, 4))
        lists = (self.net.constant(np.array([n], np.int64)) for n in (start, 1 << 40, axis))
        self.x = self.net.add("Slice", self.x, *lists)
        self.size[axis - 2] -= start

    def head(self) -> None:
        """From a picture to classes."""
        net, depth = self.net, self.channels * self.size[0] * self.size[1]
        kind = self.pick("flatten", "reshape", "mean" if self.qdq else "average", "average", "shape", "none")
        if kind == "none":
            return
        if kind == "average":
            self.x, depth = net.add("GlobalAveragePool", self.x), self.channels
            kind = self.pick("flatten", "reshape")
        if kind == "mean":
            self.x, depth = net.add("ReduceMean", self.x, axes=[2, 3], keepdims=0), self.channels
        elif kind == "flatten":
            self.x = net.add("Flatten", self.x)
        elif kind == "reshape":
            self.x = net.add("Reshape", self.x, net.constant(np.array([-1, depth], np.int64)))
        else:
            batch = net.add("Gather", net.add("Shape", self.x), net.constant(np.array([0], np.int64)))
            shape = net.add("Concat", batch, net.constant(np.array([-1], np.int64)), axis=0)
            self.x = net.add("Reshape", self.x, shape)
        classes = int(self.rng.integers(2, 11))
        if self.chance(0.5):
            self.x = net.gemm(self.x, depth, classes, transB=self.pick(0, 1))
        else:
            self.x = net.add("MatMul", self.x, net.constant(self.matrix(depth, classes)))
            self.x = net.add("Add", self.x, net.constant(self.rng.normal(size=classes).astype(np.float32)))
        if self.chance(0.3):
            self.x = net.add("Softmax", self.x, axis=1)

    def matrix(self, depth: int, classes: int) -> np.ndarray:
        return (self.rng.normal(size=(depth, classes)) / np.sqrt(depth)).astype(np.float32)


def random_network(seed: int, *, qdq: bool) -> tuple[Any, np.ndarray]:
    """A float model and samples of its input, (8, channels, height, width) float32; without `qdq` of such operators
    that onnxruntime quantises in QOperator graphs."""
    picture = _Picture(seed, qdq)
    steps = (
        *(picture.conv, picture.conv, picture.function, picture.residual, picture.constant, picture.pool),
        *(picture.concat, picture.normalize, picture.pad, picture.cut, picture.excite),
    )
    picture.conv()
    for _ in range(int(picture.rng.integers(2, 7))):
        if picture.size[0] * picture.size[1] > 200:
            picture.pool()
        else:
            steps[int(picture.rng.integers(len(steps)))]()
    picture.head()
    samples = picture.rng.normal(size=(8, *picture.net.shape[1:])).astype(np.float32)
    return picture.net.model(picture.x), samples
