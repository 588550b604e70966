"""A random graph under construction: values with their shape and scale, and random choices among them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .tflite_files import Network

__all__ = ["RandomGraph", "Value"]

# Elements of an activation.
_LARGEST = 600


@dataclass(frozen=True)
class Value:
    """An activation tensor of a file."""

    name: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))


@dataclass
class RandomGraph:
    """Values that operators may read; starts with one input or two; this share of channels and of weights is dead."""

    rng: np.random.Generator
    dead: float = 0.0
    net: Network = field(default_factory=Network)
    values: list[Value] = field(default_factory=list)

    def __post_init__(self):
        for _ in range(1 + int(self.rng.integers(4) == 0)):
            shape = (1, *self.integers(3, 8, 2), int(self.rng.integers(1, 7)))
            self.values.append(self.value(shape, float(2.0 ** self.rng.uniform(-6, 0))))
            self.net.inputs.append(self.values[-1].name)
        self.inputs = list(self.values)

    def one(self, choices: Sequence[Any]) -> Any:
        """One of several."""
        return choices[int(self.rng.integers(len(choices)))]

    def integers(self, low: int, high: int, count: int) -> tuple[int, ...]:
        """So many integers from low to high, both included."""
        return tuple(int(n) for n in self.rng.integers(low, high, count, endpoint=True))

    def codes(self, shape: Sequence[int]) -> np.ndarray:
        """Codes from the whole range."""
        return self.rng.integers(-128, 128, tuple(shape)).astype(np.int8)

    def zero_point(self) -> int:
        """Any zero point, often one near 0 or at an end."""
        return int(self.one((-128, 127, 0, *self.integers(-20, 20, 2), *self.integers(-128, 127, 2))))

    def scales(self, count: int) -> np.ndarray:
        """Scales of weights, which fit the schema's float32."""
        return (2.0 ** self.rng.uniform(-9, -5, count)).astype(np.float32)

    def broadcast_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Shape of a constant operand: a scalar, one per channel, some axes of length 1, or all of it."""
        some = tuple(n if keep else 1 for n, keep in zip(shape, self.rng.integers(0, 2, len(shape)), strict=True))
        return self.one(((), tuple(shape[-1:]), some, some[1:], tuple(shape)))

    def any(self, fits: Callable[[Value], bool] = lambda value: True) -> Value:
        """A value that fits, preferably a late one; the first input always does."""
        found = [value for value in self.values if fits(value)] or self.values[:1]
        return found[-1] if self.rng.integers(2) else self.one(found)

    def picture(self) -> Value:
        """A value of four dimensions."""
        return self.any(lambda value: len(value.shape) == 4)

    def value(self, shape: Sequence[int], scale: float, zero_point: int | None = None) -> Value:
        """A new tensor."""
        scale = float(np.float32(scale))
        zero_point = self.zero_point() if zero_point is None else zero_point
        shape = tuple(int(n) for n in shape)
        return Value(self.net.tensor(shape, scale, zero_point), shape, scale, zero_point)

    def like(self, x: Value, shape: Sequence[int] | None = None) -> Value:
        """A new tensor with another one's scale and zero point."""
        return self.value(x.shape if shape is None else shape, x.scale, x.zero_point)

    def add(self, kind: str, inputs: Sequence[str], *outputs: Value, **fields: Any) -> Value:
        """Add an operator; others read its outputs, if these are not too large and have more than the batch."""
        self.net.add(kind, inputs, *(y.name for y in outputs), **fields)
        self.values += [y for y in outputs if y.size <= _LARGEST and len(y.shape) > 1]
        return outputs[0]

    def finish(self) -> None:
        """What nothing reads becomes an output."""
        read = {name for operator in self.net.operators for name in operator.inputs}
        written = [name for operator in self.net.operators for name in operator.outputs]
        self.net.outputs = [name for name in written if name not in read]
