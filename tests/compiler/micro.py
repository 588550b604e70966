"""TFLite Micro's interpreter as an oracle: outputs, and every tensor on the way."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

__all__ = ["Micro", "run_micro"]

_MISSING = "tflite-micro is not installed; use pip install 'tercet[test]' on Linux with an x86-64"
runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime", reason=_MISSING)
tflite = pytest.importorskip("tflite")


class Micro:
    """Interpreter of one file.

    Parameters
    ----------
    data : bytes
        The `.tflite` file.
    arena : int
        Bytes for its activations.

    Raises
    ------
    RuntimeError
        If TFLite Micro does not take the file.
    """

    def __init__(self, data: bytes, arena: int = 4 << 20):
        self.interpreter: Any = runtime.Interpreter.from_bytes(
            data, arena_size=arena, intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors
        )
        subgraph = tflite.Model.GetRootAs(data, 0).Subgraphs(0)
        self.names = [subgraph.Tensors(n).Name().decode() for n in range(subgraph.TensorsLength())]
        self.outputs = subgraph.OutputsLength()
        # Constants keep their values, and GetTensor copies them each time.
        self.written = sorted(
            {int(subgraph.Inputs(n)) for n in range(subgraph.InputsLength())}
            | {
                int(subgraph.Operators(n).Outputs(k))
                for n in range(subgraph.OperatorsLength())
                for k in range(subgraph.Operators(n).OutputsLength())
            }
        )

    def invoke(self, inputs: Sequence[np.ndarray]) -> None:
        for n, x in enumerate(inputs):
            self.interpreter.set_input(x, n)
        self.interpreter.invoke()

    def run(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """Outputs, in the file's order."""
        self.invoke(inputs)
        return [np.array(self.interpreter.get_output(n)) for n in range(self.outputs)]

    def tensors(self, *inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Inputs and what the operators write, by name."""
        self.invoke(inputs)
        return {self.names[n]: np.array(self.interpreter.GetTensor(n, 0)["tensor_data"]) for n in self.written}


def run_micro(data: bytes, *inputs: np.ndarray) -> np.ndarray:
    """First output of a file."""
    return Micro(data).run(*inputs)[0]
