"""Modules of the EIE engine, and its frames as described by the manifest."""

import re

import numpy as np
import pytest
from tercet.engines.eie import SPEC
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import encode
from tercet.golden.eie.program import FRAMES, frame_head, link

CONFIGS = {
    "any": EieConfig(n_pe=3, fifo_depth=2, matrix_depth=16, pointer_depth=32, act_depth=8),
    "ecp5": EieConfig(n_pe=5, code_bits=3, index_bits=2, family="ecp5"),
    "ice40": EieConfig(n_pe=1, family="ice40"),
}


def test_each_module_once():
    """Each module is defined once, in a tree with branches of several sizes."""
    config = EieConfig(n_pe=21, matrix_depth=16, pointer_depth=32, act_depth=8, family="ecp5")
    modules = re.findall(r"^module (\w+)", SPEC.verilog(config), re.M)
    assert len(set(modules)) == len(modules)
    assert sum("_pe_" in name or name.endswith("_pe") for name in modules) == 1
    # Of 21 PEs at the root; of 16 and 5 below it; of 4 and 1 below those.
    assert sum("cluster" in name for name in modules) == 5


def bits(word, at):
    return int(word) >> at["low"] & (1 << at["bits"]) - 1


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_frames_are_read_by_the_manifest(config):
    """Decode a program's frames by the manifest alone."""
    rng = np.random.default_rng(0)
    codes = np.where(rng.random((20, 30)) < 0.4, rng.integers(1, 2**config.code_bits, (20, 30)), 0).astype(np.uint8)
    codebook = np.arange(0, -(2**config.code_bits), -1).astype(np.int16)
    bias = rng.integers(-100, 100, 20)
    n_pe = config.n_pe
    layer = encode(codes, codebook, EieConfig(**{**vars(config), "act_depth": 256}), bias=bias, shift=9)
    layout = SPEC.interface(layer.config)["frames"]
    words = iter(link(layer.config, [layer]).frames(7))
    frames = {}
    for head in words:
        fields = {name: bits(head, at) for name, at in layout["head"].items()}
        kind = next(name for name, what in layout["kinds"].items() if what["number"] == fields["kind"])
        count = 0 if kind == "run" else fields["count"]
        frames[kind, fields["pe"]] = (fields, [int(next(words)) for _ in range(count)])
    kinds = layout["kinds"]
    assert list(kinds) == list(FRAMES)
    for k in range(n_pe):
        width, each = config.entry_width, config.entries_per_word
        _, matrix = frames["matrix", k]
        entries = [word >> n * width for word in matrix for n in range(each)][: layer.values[k].size]
        assert [bits(e, kinds["matrix"]["fields"]["code"]) for e in entries] == layer.values[k].tolist()
        assert [bits(e, kinds["matrix"]["fields"]["zeros"]) for e in entries] == layer.zeros[k].tolist()
        _, pointers = frames["pointers", k]
        fields = kinds["pointers"]["fields"]
        assert [bits(p, fields["word"]) * each + bits(p, fields["offset"]) for p in pointers] == (
            layer.pointers[k].tolist()
        )
        # Constants common to all PEs come once; each PE's own follow.
        constants = dict(enumerate(frames["constants", layout["every_pe"]][1]))
        if ("constants", k) in frames:
            fields, words = frames["constants", k]
            constants |= dict(enumerate(words, fields["address"]))
        mask = 2 ** kinds["constants"]["fields"]["constant"]["bits"] - 1
        expected = [*codebook.tolist(), *bias[k::n_pe].tolist()]
        assert [constants[n] for n in range(len(expected))] == [value & mask for value in expected]
    fields, steps = frames["program", 0]
    step = {name: bits(steps[-1], at) for name, at in kinds["program"]["fields"].items()}
    assert (step["compute"], step["last"], step["load"], step["shift"], step["rows"]) == (1, 1, 0, 9, -(-20 // n_pe))
    assert frames["run", 0][0]["count"] == 7
    assert layout["every_pe"] == bits(frame_head("run", layout["every_pe"], 0, 1)[0], layout["head"]["pe"])
