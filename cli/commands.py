"""The ``tercet`` command."""

import click

from . import (
    bench,
    binary,
    bits,
    boards,
    build,
    compile,
    compress,
    demo,
    dense_sparse_dense,
    distill,
    doctor,
    flash,
    generate,
    listing,
    low_rank,
    run,
    sim,
    synth,
    ternary,
    verify_gpu,
)
from .errors import TercetGroup

__all__ = ["main"]

_EPILOG = """\b
Examples:
  tercet list                                engines, units and presets
  tercet doctor                              installed and missing tools
  tercet generate systolic --rows 8 --cols 8 -o build/systolic
  tercet sim systolic --rows 8 --cols 8 --shape 64x32x16
  tercet synth systolic --unit array --mac ecp5 --rows 4 --cols 4 --device ecp5-25k
  tercet sim eie --n-pe 8 --shape 512x256    a sparse layer, pruned to 10 %
  tercet compress model.npz -o model.tercet --density 0.1
  tercet low-rank model.tflite -o small.tercetn --error 0.2
  tercet bits model.npz --data data.npz      accuracy by bits of weights and activations
  tercet distill model.npz -o small.npz --hidden 16 --data data.npz
  tercet ternary model.npz -o ternary.npz --data data.npz
  tercet binary data.npz -o signs.npz --hidden 256
  tercet compile model.tflite                a quantised network: operators, products, weights
  tercet demo systolic                       handwritten digits, through the RTL
  tercet boards                              boards and the engines that fit
  tercet build systolic --board ulx3s-85f    a bitstream
  tercet flash --board ulx3s-85f
  tercet run NETWORK --device sim:ulx3s-85f --inputs x.npy
  tercet verify-gpu                          an NVIDIA GPU's tensor cores against the golden model
"""


@click.group(cls=TercetGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tercet", prog_name="tercet")
def main() -> None:
    """Generate, simulate and measure neural-network engines in hardware."""


for command in (
    listing.list_engines,
    doctor.doctor,
    generate.generate,
    sim.sim,
    synth.synth,
    compress.compress,
    bits.bits,
    low_rank.low_rank,
    distill.distill,
    dense_sparse_dense.dense_sparse_dense,
    ternary.ternary,
    binary.binary,
    compile.compile_model,
    demo.demo,
    bench.bench,
    boards.boards,
    build.build_group,
    flash.flash_board,
    run.run,
    verify_gpu.verify_gpu,
):
    main.add_command(command)
