"""Engine of `tercet run`: chosen or rejected before it is compiled, or fixed by a real board's bitstream."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tercet.boards.catalog import soc_config
from tercet.boards.host.networks import read_network
from tercet.cli.run_engine import check_real
from tercet.golden.compress.container import save

from ..compressed_networks import AUTOENCODER, compressed
from .command import fails, tercet


class Compiled(Exception):
    """Raised where a simulated board would be compiled."""


@pytest.fixture
def unbuilt(monkeypatch, folder):
    def build(*args, **options):
        raise Compiled

    monkeypatch.setattr("tercet.boards.simulated.board.build_program", build)
    monkeypatch.setattr("tercet.boards.soc.soc.soc_sources", build)
    save("auto.tercet", compressed(AUTOENCODER))
    np.savez("product.npz", b=np.zeros((4, 2), np.float16))
    np.save("x.npy", np.zeros((2, 640)))
    np.save("a.npy", np.zeros((2, 4), np.float16))


def test_refused_before_the_board_is_compiled(unbuilt):
    args = ("run", "auto.tercet", "--inputs", "x.npy", "--weight-frac", "9", "--device")
    line = fails(*args, "sim:icebreaker")
    assert re.search("does not fit icebreaker: with n_pe 2, .* takes 65 block RAMs of 30; use ulx3s-12f, ", line)
    given = ("--matrix-depth", "9", "--pointer-depth", "9", "--depth", "outs=9")
    line = fails(*args, "sim:ulx3s-25f", *given)
    assert re.search(
        r"10 layers need \d+ words of entries in PE \d but matrix_depth is 9, 1682 pointers in each PE but "
        r"pointer_depth is 9, a vector needs 160 words of outs but its buffer has 9; use --matrix-depth \d+ "
        r"--pointer-depth 1682 --depth outs=160, or leave them unset to have them chosen\n",
        line,
    )
    # The suggested flags suffice.
    flags = line[line.index("use --") + 4 : line.index(", or leave")].split()
    assert isinstance(tercet(*args, "sim:ulx3s-25f", *flags, "--fifo-depth", "4").exception, Compiled)
    np.save("x.npy", np.zeros((2, 3)))
    assert "Inputs have shape (2, 3) but the network takes 640" in fails(*args, "sim:ulx3s-25f")


def test_fewer_pes_are_told_as_a_flag(unbuilt):
    save("long.tercet", compressed((3000, 16, 16), density=0.02, code_bits=8))
    np.save("x.npy", np.zeros((2, 3000)))
    args = ("run", "long.tercet", "--inputs", "x.npy", "--device", "sim:ulx3s-85f", "--constant-depth", "4000")
    line = fails(*args, "--depth", "frames=32768")
    found = re.search(r"does not fit ulx3s-85f: with n_pe 16, .* block RAMs of 208; use (--n-pe \d+), or", line)
    assert found
    assert isinstance(tercet(*args, "--depth", "frames=32768", *found[1].split()).exception, Compiled)


def test_other_engines_are_refused_before_they_are_compiled(unbuilt):
    args = ("run", "product.npz", "--inputs", "a.npy", "--device", "sim:ulx3s-25f")
    assert "The smallest product needs 4 words of d, but the board has room for 3" in fails(*args, "--depth", "d=3")
    assert "fold 3 " in fails(*args, "--fold", "3")
    assert isinstance(tercet(*args, "--fold", "8").exception, Compiled)
    np.save("a.npy", np.zeros((2, 8), np.float16))
    assert "K" in fails(*args)


@pytest.mark.parametrize(
    ("network", "flags", "message"),
    [
        (
            "auto.tercet",
            "--fold 4 --rows 3",
            "--fold 4, --rows 3 are not flags of engine eie, which 'auto.tercet' runs on",
        ),
        (
            "auto.tercet",
            "--preset volta",
            "--preset volta is not a flag of engine eie, which 'auto.tercet' runs on",
        ),
        (
            "product.npz",
            "--code-bits 8",
            "--code-bits 8 is not a flag of engine tensorcore, which 'product.npz' runs on",
        ),
        ("auto.tercet", "--depth sums=9", "Engine eie has no stream 'sums'; it has frames, acts, outs"),
        ("auto.tercet", "--depth 9", "'9' is not STREAM=WORDS"),
        ("auto.tercet", "--family ice40", "family is 'ice40', but the FPGA family of ulx3s-25f is ecp5"),
        ("auto.tercet", "--config c.toml", "'c.toml' has unknown name 'rows'"),
    ],
)
def test_flags_that_do_not_belong(unbuilt, network, flags, message):
    Path("c.toml").write_text("rows = 3")
    line = fails("run", network, "--inputs", "x.npy", "--device", "sim:ulx3s-25f", *flags.split())
    assert message in line


def test_real_boards_have_the_engine_of_their_bitstream(unbuilt):
    args = ("run", "auto.tercet", "--inputs", "x.npy", "--device")
    assert (
        "--code-bits 8 --depth acts=9 cannot change the engine on '/dev/nothing', which its bitstream fixes; leave it "
        "out, or load another bitstream, with BOARD from `tercet boards`: tercet build eie --board BOARD --code-bits 8 "
        "--depth acts=9 && tercet flash --board BOARD\n"
    ) in fails(*args, "/dev/nothing", "--code-bits", "8", "--depth", "acts=9")
    assert "Port '/dev/nothing' does not exist" in fails(*args, "/dev/nothing")
    # A connected board whose engine is too small.
    device = SimpleNamespace(info=SimpleNamespace(soc=soc_config("ulx3s-25f", "eie", weight_frac=9)))
    message = (
        "^10 layers need 1682 pointers in each PE but pointer_depth is 1024, 578 constants in each PE but "
        "constant_depth is 512; build and load an engine for it: tercet build eie --board ulx3s-25f --model "
        "auto.tercet && tercet flash --board ulx3s-25f$"
    )
    with pytest.raises(ValueError, match=message):
        check_real(device, read_network(Path("auto.tercet")), Path("auto.tercet"), None)  # pyright: ignore[reportArgumentType]
