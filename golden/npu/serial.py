"""JSON serialisation of operators, edges and placements for program files; arrays are stored separately.

A dataclass becomes an object with its class name and fields, a tuple a list, and an array the name of an entry of the
file. Only the classes named here are instantiated from a file.
"""

import dataclasses
from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np

from ..networks import operators
from ..networks.graph import Edge, Tensor
from ..networks.operators import Lookup, Operator, Window
from ..numerics.quantization import QuantParams, Requant
from .report import LayerReport
from .session import Placement, Step

__all__ = ["Packer", "Unpacker"]

_OPERATORS = {
    name: kind
    for name, kind in vars(operators).items()
    if isinstance(kind, type) and issubclass(kind, Operator) and kind is not Operator
}


def _classes() -> dict[str, type]:
    from .program import Region

    others = (Edge, Tensor, Window, QuantParams, Requant, Lookup, LayerReport, Placement, Region, Step)
    return {**_OPERATORS, **{kind.__name__: kind for kind in others}}


class Packer:
    """Serialiser to JSON values; collects arrays in a mapping."""

    def __init__(self, arrays: MutableMapping[str, np.ndarray]):
        self._arrays = arrays

    def pack(self, value: Any) -> Any:
        """Return a value as a JSON value."""
        if isinstance(value, np.ndarray):
            name = f"array{len(self._arrays)}"
            self._arrays[name] = value
            return {"array": name}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = [f.name for f in dataclasses.fields(value) if f.init]
            return {"class": type(value).__name__, **{name: self.pack(getattr(value, name)) for name in fields}}
        if isinstance(value, dict):
            return {"items": [[key, self.pack(item)] for key, item in value.items()]}
        if isinstance(value, (tuple, list)):
            return [self.pack(item) for item in value]
        return value.item() if isinstance(value, np.generic) else value


class Unpacker:
    """Deserialiser of the values of `Packer`."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self._arrays, self._classes = arrays, _classes()

    def unpack(self, value: Any) -> Any:
        """Return the object for a JSON value.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it names an unknown class, array or field.
        """
        if isinstance(value, list):
            return tuple(self.unpack(item) for item in value)
        if not isinstance(value, dict):
            return value
        if "array" in value:
            return self._arrays[value["array"]]
        if "items" in value:
            return {key: self.unpack(item) for key, item in value["items"]}
        kind = self._classes[value["class"]]
        return kind(**{name: self.unpack(item) for name, item in value.items() if name != "class"})
