"""Simulation of the requantiser's RTL as a function on NumPy arrays."""

from collections.abc import Callable, Sequence

import numpy as np
from tercet.golden.numerics.requantization import Rounding, rounding_code
from tercet.golden.packing import join
from tercet.rtl import primitives
from tercet.rtl.emit import verilog
from tercet.rtl.systolic.requantizer import RequantizerStream

from .bench import Job, StreamPort, run
from .simulators import Simulator

__all__ = ["RequantJob", "requantize"]

_TOP = "streamed"

RequantJob = tuple[np.ndarray, np.ndarray | int, np.ndarray | int, int, int, int, Rounding]
"""Elementwise arguments of :func:`tercet.golden.numerics.requantize`."""


def requantize(
    jobs: Sequence[RequantJob],
    *,
    mac: str = "infer",
    simulator: Simulator | str | None = None,
    edit: Callable[[str], str] | None = None,
) -> list[np.ndarray]:
    """Run values through the requantiser, one per clock.

    Parameters
    ----------
    jobs : Sequence[RequantJob]
        Jobs, each with its own settings and from reset.
    mac : str
        As in `Requantizer`.
    simulator
        As in :func:`tercet.sim.bench.run`.
    edit : callable
        Edits the Verilog before the build, to test that a defect is caught.

    Returns
    -------
    list of (n,) int8 arrays
    """
    text = verilog(RequantizerStream(mac=mac), name=_TOP)
    if edit is not None:
        text = edit(text)
    sources = {f"{_TOP}.v": text, **{path.name: path.read_text() for path in primitives.used(text)}}
    ports = [StreamPort("i", sum(RequantizerStream.FIELDS.values()), "in"), StreamPort("o", 8, "out")]
    encoded = []
    for acc, multiplier, shift, zero_point, qmin, qmax, rounding in jobs:
        values = [acc, multiplier, shift, rounding_code(rounding), zero_point, qmin, qmax]
        columns = [
            (np.broadcast_to(v, len(acc)), width)
            for v, width in zip(values, RequantizerStream.FIELDS.values(), strict=True)
        ]
        encoded.append(Job({"i": join(*columns)}, {"o": len(acc)}))
    results = run(sources, _TOP, ports, encoded, simulator=simulator)
    return [result.outputs["o"].view(np.int8)[:, 0] for result in results]
