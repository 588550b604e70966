"""EIE programs: an interpreter that knows only the memory contents obtains the network's results."""

import itertools
from typing import Any

import numpy as np
import pytest
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import encode
from tercet.golden.eie.layer import EieLayer
from tercet.golden.eie.product import network_spmv
from tercet.golden.eie.program import EVERY_PE, FRAME_FIELDS, FRAMES, Program, frame_head, link, step_fields

CODEBOOK = np.arange(16, dtype=np.int16) * 77 - 500 * (np.arange(16) > 7).astype(np.int16)


def layer(rng: np.random.Generator, config: EieConfig, n_out: int, n_in: int, **options) -> EieLayer:
    codes = (rng.integers(1, 2**config.code_bits, (n_out, n_in)) * (rng.random((n_out, n_in)) < 0.3)).astype(np.uint8)
    return encode(codes, CODEBOOK[: 2**config.code_bits], config, **options)


def network(rng: np.random.Generator, config: EieConfig, sizes: list[int], permute: str) -> list[EieLayer]:
    layers = []
    for n, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        bias = rng.integers(-(10**6), 10**6, n_out) if n != 2 else None
        how = permute if n != 1 else None
        layers.append(layer(rng, config, n_out, n_in, bias=bias, relu=n == 0, permute=how, shift=3 + n))
    return layers


class Machine:
    """Interpreter of a program, starting from the bits in the memories."""

    def __init__(self, program: Program):
        self.config, n_pe = program.config, program.config.n_pe
        self.memory = {kind: [np.zeros(2**12, np.uint64) for _ in range(n_pe)] for kind in FRAMES[:3]}
        self.steps: list[dict[str, int]] = []
        self.vectors = 0
        self.saturated = 0
        self.sums = np.zeros((self.config.act_depth, n_pe), np.int64)
        self.buffers = np.zeros((2, self.config.act_depth, n_pe), np.int64)
        self._read(program.frames(vectors=3).tolist())

    def _read(self, words: list[int]):
        while words:
            head, rest = words[0], words[1:]
            values = {}
            for name, width in FRAME_FIELDS.items():
                values[name], head = head & 2**width - 1, head >> width
            kind, count = FRAMES[values["kind"]], values["count"]
            if kind == "run":
                self.vectors, words = count, rest
                continue
            data, words = rest[:count], rest[count:]
            if kind == "program":
                fields = step_fields(self.config)
                beats = -(-sum(fields.values()) // 64)
                for n in range(0, count, beats):
                    packed = sum(word << 64 * k for k, word in enumerate(data[n : n + beats]))
                    step = {}
                    for name, width in fields.items():
                        step[name], packed = packed & 2**width - 1, packed >> width
                    self.steps.append(step)
                continue
            for memory in self.memory[kind] if values["pe"] == EVERY_PE else [self.memory[kind][values["pe"]]]:
                memory[values["address"] : values["address"] + count] = data

    def constant(self, k: int, address: int, width: int) -> int:
        value = int(self.memory["constants"][k][address]) & 2**width - 1
        return value - (value >> width - 1 << width)

    def run(self, groups: np.ndarray) -> np.ndarray:
        """Run one vector."""
        for step in self.steps:
            if step["load"]:
                part, groups = groups[: step["groups"]], groups[step["groups"] :]
                self.buffers[0, : len(part)] = part
            if step["compute"]:
                self._multiply(step)
            if step["sweep"]:
                self._sweep(step)
            if step["last"]:
                return self.buffers[0, : step["rows"]].copy()
        raise AssertionError("The program has no last step")

    def _multiply(self, step: dict[str, int]):
        config = self.config
        for j, act in enumerate(self.buffers[0, : step["groups"]].ravel().tolist()):
            for k in range(config.n_pe) if act else ():
                at = step["pointers"] + j
                first, end = (
                    int(p >> config.offset_width) * config.entries_per_word + int(p & 2**config.offset_width - 1)
                    for p in self.memory["pointers"][k][at : at + 2].tolist()
                )
                row = -1
                for n in range(first, end):
                    word, offset = divmod(n, config.entries_per_word)
                    entry = int(self.memory["matrix"][k][word]) >> offset * config.entry_width
                    code = entry & 2**config.code_bits - 1
                    row += 1 + (entry >> config.code_bits & 2**config.index_bits - 1)
                    self.sums[row, k] += act * self.constant(k, step["codebook"] << config.code_bits | code, 16)

    def _sweep(self, step: dict[str, int]):
        for row, k in itertools.product(range(step["rows"]), range(self.config.n_pe)):
            total = int(self.sums[row, k])
            self.sums[row, k] = self.constant(k, step["biases"] + row, max(16, self.config.acc_width))
            if step["deliver"]:
                low, half = total & 2 ** step["shift"] - 1, 2 ** step["shift"] >> 1
                value = (total >> step["shift"]) + (low > half or (low == half and total >> step["shift"] & 1))
                if row < step["results"]:
                    least = -float("inf") if step["relu"] else -(2**15)
                    self.saturated += not least <= total / 2 ** step["shift"] < 2**15 - 0.5
                value = min(max(value, -(2**15)), 2**15 - 1)
                self.buffers[1, row, k] = max(value, 0) if step["relu"] else value
        if step["deliver"]:
            self.buffers = self.buffers[::-1].copy()


@pytest.mark.parametrize("permute", ["balance", "spread"])
@pytest.mark.parametrize(
    ("config", "sizes"),
    [
        (EieConfig(n_pe=4), [20, 30, 9]),
        (EieConfig(n_pe=3, code_bits=3, index_bits=2), [7, 1, 40, 3]),
        (EieConfig(n_pe=5, word_width=16, index_bits=8), [13, 50, 6]),
        (EieConfig(n_pe=6, act_depth=4, program_depth=7), [64, 23, 24]),
        (EieConfig(n_pe=1, act_depth=2**16, matrix_depth=2**20, pointer_depth=2**20, constant_depth=2**16), [5, 6]),
    ],
    ids=["4", "3", "5-narrow", "6-long", "two-beat steps"],
)
def test_interpreter_gets_the_results(config, sizes, permute):
    rng = np.random.default_rng(len(sizes))
    layers = network(rng, config, sizes, permute)
    program = link(config, layers)
    machine = Machine(program)
    assert machine.vectors == 3
    acts = (rng.integers(-2000, 2000, (3, sizes[0])) * (rng.random((3, sizes[0])) < 0.6)).astype(np.int16)
    want = network_spmv(layers, acts)
    groups = program.layers[0].arrange(acts)
    out = np.stack([machine.run(vector) for vector in groups])
    np.testing.assert_array_equal(program.layers[-1].collect(out), want.out)
    assert machine.saturated == sum(want.saturated) > 0


def test_frames_of_a_program():
    config = EieConfig(n_pe=2)
    program = link(config, [layer(np.random.default_rng(0), config, 6, 5)])
    words = program.frames()
    # Without biases the constants of both PEs are the same.
    heads = 2 * 2 + 1 + 1
    sizes = [w.size for k in FRAMES[:2] for w in getattr(program, k)]
    assert words.size == heads + sum(sizes) + program.constants[0].size + len(program.steps)
    np.testing.assert_array_equal(program.frames(vectors=9), [*words, *frame_head("run", 0, 0, 9)])
    assert frame_head("constants", EVERY_PE, 5, 7) == 2 | (2**12 - 1) << 4 | 5 << 16 | 7 << 40


def test_equal_codebooks_are_stored_once():
    config = EieConfig(n_pe=2)
    rng = np.random.default_rng(1)
    program = link(config, [layer(rng, config, 5, 5), layer(rng, config, 5, 5)])
    # Plus the zeros that stand in for the biases of both.
    assert program.constants[0].size == 16 + 3
    assert [step["codebook"] for step in program.steps[1:]] == [0, 0]


def fits(**overrides) -> EieConfig:
    return EieConfig(**{"n_pe": 2, "constant_depth": 64, **overrides})


@pytest.mark.parametrize(
    ("config", "sizes", "message"),
    [
        (fits(pointer_depth=21), [10, 10, 10], "2 layers need 22 pointers in each PE but pointer_depth is 21; use"),
        (fits(matrix_depth=4), [20, 10], r"1 layer needs \d+ words of entries in PE \d but matrix_depth is 4; use"),
        (fits(constant_depth=20), [5, 10], "1 layer needs 21 constants in each PE but constant_depth is 20; use "),
        (fits(program_depth=2), [5, 5, 5], "2 layers need 3 steps but program_depth is 2; use program_depth=3"),
        (fits(act_depth=4), [5, 10], "1 layer needs 5 rows in a PE but act_depth is 4; use act_depth=5"),
    ],
)
def test_too_much_is_refused(config, sizes, message):
    rng = np.random.default_rng(2)
    big = EieConfig(n_pe=2)
    layers = [layer(rng, big, n_out, n_in) for n_in, n_out in itertools.pairwise(sizes)]
    with pytest.raises(ValueError, match=message):
        link(config, layers)


def test_layers_that_do_not_fit():
    config = EieConfig(n_pe=2)
    rng = np.random.default_rng(3)
    for name, value in {"n_pe": 3, "code_bits": 3, "index_bits": 5, "acc_width": 40, "act_frac": 3}.items():
        fields: dict[str, Any] = {"n_pe": 2, name: value}
        other = EieConfig(**fields)
        message = rf"Layer 0 is encoded for {name} {value} but the engine has \d+; encode it"
        with pytest.raises(ValueError, match=message):
            link(config, [layer(rng, other, 4, 4)])
    with pytest.raises(ValueError, match="Layer 1 has 4 inputs but layer 0 has 5 outputs; use equal numbers"):
        link(config, [layer(rng, config, 5, 4), layer(rng, config, 5, 4)])
    small = layer(rng, config, 4, 4, act_max=32766)
    for relu, reach in ((True, 32767), (False, 32768)):
        first = layer(rng, config, 4, 4, relu=relu)
        message = f"Layer 1 is proven .* up to 32766 but layer 0 can give {reach}; encode it"
        with pytest.raises(ValueError, match=message):
            link(config, [first, small])
    link(config, [layer(rng, config, 4, 4, relu=True), layer(rng, config, 4, 4, act_max=32767)])
    told = [layer(rng, config, 4, 4, out_frac=6), layer(rng, config, 4, 4, act_frac=7)]
    with pytest.raises(ValueError, match="Layer 1 takes activations with 7 fraction bits but layer 0 gives 6; encode"):
        link(config, told)
    link(config, [told[0], layer(rng, config, 4, 4, act_frac=6)])
    # With a shift alone, the output's fraction bits are unspecified.
    link(config, [layer(rng, config, 4, 4, shift=3), told[1]])
    with pytest.raises(ValueError, match="There is no layer"):
        link(config, [])
    with pytest.raises(TypeError, match="Layers are not a list of EieLayer"):
        link(config, small)
