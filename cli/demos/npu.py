"""Demo of the NPU: a convolutional network for handwritten digits, all layers on the RTL, then on a simulated board."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tercet.boards.catalog import soc_config
from tercet.boards.host.device import Device
from tercet.boards.host.soc_config import SocConfig
from tercet.cli.npu_program import buffer_picture, layer_table
from tercet.cli.output import check_folder, console, progress, table, write_files
from tercet.compiler import compile as compile_graph
from tercet.compiler import load
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.program import Program
from tercet.sim import npu

from .digits import load_digits
from .models import model_files

__all__ = ["TEXT", "inferred_machine", "run_demo"]

TEXT = """A whole network on the chip: handwritten digits on the NPU, from the first layer to the last.

Compiles the quantised .onnx of tercet demo models, which is trained first unless the output folder has it, into a
program for the machine of a ULX3S. Runs all test digits on the simulated RTL, with inferred multipliers in place of the
FPGA's, which simulate faster, and a few on the simulated board through the host's protocol. Writes the program, its
report and a plot of the unified buffer to the output folder."""

_BOARD = "ulx3s-85f"
_ON_BOARD = 8  # digits


@dataclass(frozen=True)
class _Run:
    """Digits on the RTL or a board: whether they equal NumPy's, clocks in total, and by the cycle model for one."""

    digits: int
    equal: bool
    cycles: int
    predicted: int

    @property
    def exact(self) -> bool:
        """Whether the clocks are those of the cycle model."""
        return self.cycles == self.digits * self.predicted

    def rows(self) -> dict[str, str]:
        """Rows of the table."""
        return {
            "  equal NumPy": "yes, every bit" if self.equal else "NO",
            "  cycles per digit": f"{self.cycles / self.digits:.1f}",
            "  cycle model": f"{self.predicted}, {'exact' if self.exact else 'NOT EQUAL'}",
        }


def inferred_machine(config: NpuConfig) -> NpuConfig:
    """Machine of the same size whose multipliers are left to synthesis, in all rows of the array."""
    return dataclasses.replace(config, mac="infer", lut_rows=0)


def run_demo(output: Path, simulator: str | None) -> bool:
    """Run the demo, print its tables and write its files; return whether RTL, board, NumPy and cycle model agree."""
    check_folder(output)
    soc = soc_config(_BOARD, "npu")
    with progress("digits", total=4) as advance:
        names = ("digits.onnx", "digits_inputs.npy", "digits_labels.npy")
        if not all((output / name).is_file() for name in names):
            write_files(output, model_files(load_digits())[1])
        graph = load(output / names[0])
        x, labels = (np.load(output / name) for name in names[1:])
        advance("quantised .onnx of a convolutional network")
        program = compile_graph(graph, soc.config)
        inferred = compile_graph(graph, inferred_machine(soc.config))
        want = graph.run(x)[0]
        advance(f"compiled it into {program.memory['operators']} instructions")
        done = npu.run(inferred.config, inferred, x, simulator=simulator)
        rtl = _Run(len(x), done.out[0].tobytes() == want.tobytes(), done.cycles, inferred.cycles)
        advance(f"ran {len(x)} test digits on the RTL")
        board = _on_board(soc, program, x[:_ON_BOARD], want[:_ON_BOARD])
        advance(f"ran {_ON_BOARD} of them on a simulated {_BOARD}")
    console().print(layer_table(program, soc.clock_hz))
    console().print(_summary(soc, program, f"{(done.out[0].argmax(axis=1) == labels).mean():.2%}", rtl, board))
    report = {**program.report(soc.clock_hz), "rtl": vars(rtl), "board": vars(board)}
    files: dict[str, str | bytes] = {
        "digits.tercetn": program.dumps(),
        "digits_npu.json": json.dumps(report, indent=1) + "\n",
        "digits_buffer.png": buffer_picture(program),
    }
    for path in write_files(output, files):
        console().print(str(path), soft_wrap=True)
    return all(run.equal and run.exact for run in (rtl, board))


def _on_board(soc: SocConfig, program: Program, x: np.ndarray, want: np.ndarray) -> _Run:
    """Run on a simulated board, without its UART."""
    with Device.open(f"sim:{_BOARD},bytes", engine="npu", soc=soc) as device:
        out = device.run(program, x)[0]
        return _Run(len(x), out.tobytes() == want.tobytes(), device.counters()["run"], program.cycles)


def _summary(soc: SocConfig, program: Program, accuracy: str, rtl: _Run, board: _Run):
    config, megahertz = program.config, soc.clock_hz / 1e6
    result = table(f"Handwritten digits on an npu of {config.rows} x {config.cols}", "item", "value")
    result.add_row("test digits on the RTL", str(rtl.digits))
    result.add_row("  accuracy", accuracy)
    for name, value in rtl.rows().items():
        result.add_row(name, value)
    result.add_row(f"digits on a simulated {_BOARD}", str(board.digits))
    for name, value in board.rows().items():
        result.add_row(name, value)
    result.add_row(
        f"  ms per digit at {megahertz:.0f} MHz, without the link", f"{program.cycles / megahertz / 1e3:.4f}"
    )
    return result
