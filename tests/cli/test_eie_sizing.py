"""Sizing of EIE engines for a network by the command line, and errors for given depths that are too small."""

import dataclasses
import json
import re

import numpy as np
import pytest
from tercet.golden.compress.container import load, save
from tercet.golden.compress.eie import sized_layers

from ..compressed_networks import AUTOENCODER, compressed
from .command import fails, tercet


def test_generate_for_a_network(folder):
    save("m.tercet", compressed((90, 20, 30), code_bits=5, index_bits=3))
    args = ("generate", "eie", "--model", "m.tercet", "--n-pe", "2", "--family", "ecp5", "--program-depth", "20")
    result = tercet(*args, "--permute", "balance", "-o", "a")
    assert result.exit_code == 0, result.stderr
    given = {"n_pe": 2, "family": "ecp5", "program_depth": 20}
    config = sized_layers(load("m.tercet"), given, permute="balance")[0].config
    manifest = json.loads((folder / "a/manifest.json").read_text())
    assert manifest["parameters"] == dataclasses.asdict(config)
    assert (config.code_bits, config.index_bits, config.act_depth) == (5, 3, 45)
    chosen = ["code_bits", "index_bits", "matrix_depth", "pointer_depth", "act_depth", "constant_depth"]
    assert manifest["chosen"] == chosen
    flags = " ".join(f"--{name.replace('_', '-')} {getattr(config, name)}" for name in chosen)
    assert f"chosen for m.tercet: {flags}\n" in result.stdout


def test_all_that_is_short_is_told_as_flags(folder):
    save("m.tercet", compressed((90, 20, 30)))
    line = fails("generate", "eie", "--model", "m.tercet", "--n-pe", "2", "--matrix-depth", "2", "--act-depth", "9")
    found = re.search(
        r"2 layers need (\d+) words of entries in PE \d but matrix_depth is 2, 15 rows in a PE but act_depth is 9; use "
        r"--matrix-depth (\d+) --act-depth 15, or leave them unset to have them chosen\n",
        line,
    )
    assert found
    assert found[1] == found[2]
    # Depths from a preset or a file count as given, too.
    save("wide.tercet", compressed((17000, 4), density=0.01))
    line = fails("generate", "eie", "--model", "wide.tercet", "--preset", "paper")
    assert "1 layer needs 17001 pointers in each PE but pointer_depth is 16384; use --pointer-depth 17001" in line
    (folder / "c.toml").write_text("constant_depth = 20\n")
    line = fails("sim", "eie", "--model", "m.tercet", "--config", "c.toml")
    assert "constants in each PE but constant_depth is 20; use --constant-depth " in line


def test_autoencoder_needs_no_depths(folder, monkeypatch):
    """Ten layers: depths are chosen before the RTL is built; one error names every shortage and flags that work."""
    monkeypatch.setattr("tercet.cli.sims.eie.simulate", lambda *args: None)
    save("auto.tercet", compressed(AUTOENCODER))
    np.save("acts.npy", np.zeros(640, np.int16))
    args = ("sim", "eie", "--model", "auto.tercet", "--n-pe", "4", "--acts", "acts.npy")
    assert tercet(*args).exit_code == 0
    small = ("--matrix-depth", "900", "--pointer-depth", "1000", "--act-depth", "128", "--constant-depth", "9")
    line = fails(*args, *small, "--program-depth", "10")
    flags = line[line.index("use --") + 4 : line.index(", or leave")].split()
    assert flags[0::2] == ["--matrix-depth", "--pointer-depth", "--act-depth", "--constant-depth", "--program-depth"]
    assert tercet(*args, *flags).exit_code == 0
    np.save("acts.npy", np.zeros(3, np.int16))
    assert "Inputs have shape (3,) but the network takes 640" in fails(*args)


def test_codebook_says_how_long_codes_are(folder):
    rng = np.random.default_rng(0)
    codes = rng.integers(1, 256, (40, 30)).astype(np.uint8)
    np.savez("l.npz", codes=codes, codebook=np.append(0, rng.integers(-9, 9, 255)).astype(np.int16))
    given = ("sim", "eie", "--codes", "l.npz", "--codebook", "l.npz", "--n-pe", "1")
    # A word holds five entries of 12 bits.
    line = fails(*given, "--matrix-depth", "1")
    assert f"1 layer needs {40 * 30 // 5} words of entries in PE 0 but matrix_depth is 1; use" in line
    assert "is outside [0, 31]; code_bits is 5, use" in fails(*given, "--code-bits", "5")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            "sim eie --shape 3x2000 --pointer-depth 1024",
            "1 layer needs 2001 pointers in each PE but pointer_depth is 1024; use --pointer-depth 2001, or leave them",
        ),
        (
            "sim eie --shape 3x1048576 --density 0.0001",
            "1 layer needs 1048577 pointers in each PE but pointer_depth is 1048576; the maximum is pointer",
        ),
        ("sim eie --matrix-depth 0", "matrix_depth 0 is outside [1, 1048576]"),
        ("generate eie --permute spread", "--permute spread deals the rows of a --model; add --model, or leave it out"),
        ("generate eie --model l.npz", "'l.npz': this is not a compressed network"),
        ("build eie --board ulx3s-25f --model none.tercet", "No such file or directory: 'none.tercet'"),
        ("generate systolic --model l.npz", "No such option '--model'"),
    ],
)
def test_mistakes_are_one_line(folder, args, message):
    np.savez("l.npz", codes=np.ones((3, 2), np.uint8))
    assert message in fails(*args.split())
