"""README and documentation pages: commands and flags exist, examples run, links resolve, formulas hold."""

import re
import shlex
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Literal

import click
import pytest
from tercet.cli import main
from tercet.golden.systolic import SystolicConfig
from tercet.golden.tensorcore import TensorCoreConfig, cycles

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
# Names that the pages on extending Tercet invent.
INVENTED = {"accumulator", "ecp5-evn", "lut", "e3m4", "sim:ecp5-evn,bytes"}
PLACEHOLDERS = {"ENGINE": "systolic", "BOARD": "icebreaker", "STREAM=WORDS": "acts=512"}


def commands(text):
    """Commands of a page, from code blocks, with and without a prompt, and from inline code."""
    lines = re.findall(r"^(?:\$ |\.venv/bin/)?(tercet .+)$", text, re.M)
    inline = re.findall(r"`(tercet [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    return lines + inline


def check(command):
    """Raise click's error if a command or flag does not exist, or a value is invalid."""
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(command, comments=True)[1:]]
    if INVENTED & {*words}:
        return
    found: click.Command = main
    context = click.Context(main, info_name="tercet")
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        _, inner, words = found.resolve_command(context, words)
        assert inner is not None
        found, context = inner, click.Context(inner, parent=context)
    try:
        if not isinstance(found, click.Group):
            found.make_context(found.name, words, parent=context.parent)
    except (click.MissingParameter, click.BadOptionUsage):
        pass  # the text may name only some flags, or a flag without its value


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page):
    for command in commands(page.read_text()):
        try:
            check(command)
        except click.UsageError as error:
            pytest.fail(f"{command!r}: {error.format_message()}")


def test_wrong_commands_are_seen():
    with pytest.raises(click.UsageError, match="No such command 'sytolic'"):
        check("tercet sim sytolic --shape 1x2x3")
    with pytest.raises(click.UsageError, match="--row"):
        check("tercet sim systolic --row 3 --shape 1x2x3")
    text = "a `tercet list`, and\n```console\n$ tercet doctor\nnothing\n```\n"
    assert commands(text) == ["tercet doctor", "tercet list"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def run(arguments, folder):
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples(example, tmp_path):
    run([str(example)], tmp_path)


def test_example_of_readme(tmp_path):
    [code] = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    run(["-c", code], tmp_path)


@pytest.mark.parametrize("mac", ["infer", "ecp5", "ecp5-dual", "ice40"])
@pytest.mark.parametrize("requant", [False, True])
@pytest.mark.parametrize("params", [False, True])
def test_systolic_formula(mac: Literal["infer", "ecp5", "ecp5-dual", "ice40"], requant, params):
    """Cycles of a block, by the formula on the engine's page."""
    for rows, cols, m, tiles in product((2, 8, 16), (2, 4, 16), (1, 3, 8, 256), (1, 2, 5)):
        config = SystolicConfig(rows=rows, cols=cols, mac=mac)
        latency = {"infer": 1, "ecp5": 4, "ecp5-dual": 7, "ice40": 3}[mac]
        array = max(4, rows + (cols // 2 if mac in ("ecp5-dual", "ice40") else cols) + latency)
        start = max(rows + 6, cols + 4) if params or requant else rows + 6
        period = max(m, rows + 1, 5)
        chunks = -(-cols // (config.requant_lanes or 1)) if requant else 1
        more = (22 if mac in ("ecp5", "ecp5-dual") else 19) if requant else 0
        want = start + (tiles - 1) * period + m + array + 8 + m * chunks + more
        assert config.array_latency == array
        assert config.cycles(m, tiles * rows, cols, requant, params=params) == want


def test_output_stationary_latency():
    latencies: dict[Literal["infer", "ecp5", "ice40"], int] = {"infer": 1, "ecp5": 4, "ice40": 3}
    for mac, latency in latencies.items():
        for rows, cols in product((2, 8), (2, 4, 16)):
            config = SystolicConfig(rows=rows, cols=cols, mac=mac, dataflow="os")
            assert config.array_latency == max(4, (cols // 2 if mac == "ice40" else cols) + 2 + latency)


@pytest.mark.parametrize("fold", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("pipeline", [6, 14])
def test_tensor_core_formula(fold, pipeline):
    """Cycles of a tile, by the formula on the engine's page."""
    config = TensorCoreConfig(fold=fold, pipeline=pipeline)
    a_parts = min(fold, 4)
    for rows, cols, steps in product((1, 2, 4), (1, 4, 8), (1, 2, 5, 20)):
        load = max(rows * a_parts, cols * fold // a_parts)
        period = max(rows * cols * fold, pipeline + 3, load)
        want = load + (steps - 1) * period + rows * cols * fold + pipeline + 12
        assert cycles(config, 4 * rows, 4 * cols, 4 * steps) == want
