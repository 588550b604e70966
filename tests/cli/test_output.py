"""Output of commands: progress, verbatim text, and files."""

import ast
from pathlib import Path

import pytest
from tercet.cli import output
from tercet.cli.output import check_file, check_folder, console, progress, table, working, write_files

from .command import tercet


def test_progress_without_a_terminal(capsys):
    """Prints lines, and each phase once, even if the phases of two runs interleave."""
    with progress("work", total=2) as advance:
        for turn in range(3):
            for seed in (1, 2):
                advance(count=0, now=f"seed {seed} placing, turn {turn}")
        advance("seed 1: 5 MHz")
        advance(count=0, now="seed 2 routing, 7 to go")
        advance(count=0)
    assert capsys.readouterr().err == "seed 1 placing ...\nseed 2 placing ...\nseed 1: 5 MHz\nseed 2 routing ...\n"


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("text", ["[flash]", "[/x]", "[bold]b[/bold]", ":smile:", "{x}", "[link=a]"])
def test_text_is_not_markup(capsys, monkeypatch, terminal, text):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "120")
        monkeypatch.setenv("TERM", "xterm-256color")
    result = table(f"title {text}", f"first {text}", f"column {text}")
    result.add_row(f"row {text}", f"cell {text}")
    console().print(result)
    shown = capsys.readouterr().out
    assert ("\x1b[" in shown) == terminal
    assert all(f"{place} {text}" in shown for place in ("title", "first", "column", "row", "cell"))
    with progress(f"work {text}", total=2) as advance:
        advance(f"line {text}")
        advance(now=f"phase {text}")
    with working(f"status {text}"):
        pass
    shown = capsys.readouterr().err
    # Only a terminal shows bars.
    places = ("line", "phase", "work", "status") if terminal else ("line", "phase")
    assert all(f"{place} {text}" in shown for place in places)
    assert "\x1b[1m" not in shown
    result = tercet("boards", text)
    assert result.exit_code == 2
    assert result.stderr == f"tercet: error: Got unexpected extra argument ({text})\n"


def test_doctor_shows_the_whole_command(monkeypatch):
    monkeypatch.setattr("tercet.cli.doctor._version", lambda package: None)
    assert "pip install 'tercet[flash]'" in tercet("doctor").stdout


def test_rich_is_used_in_one_place():
    """Only `output` imports rich: its consoles do not interpret markup."""
    place = Path(output.__file__)
    for path in {*place.parent.rglob("*.py")} - {place}:
        tree = ast.walk(ast.parse(path.read_text()))
        imports = [node for node in tree if isinstance(node, (ast.Import, ast.ImportFrom))]
        modules = [getattr(node, "module", None) or node.names[0].name for node in imports]
        assert not [name for name in modules if name.partition(".")[0] == "rich"], path


def test_errors_name_what_was_asked_for(tmp_path):
    """Errors name the requested file, not the temporary one."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        write_files(tmp_path, {"folder": "text"})
    assert caught.value.filename == str(tmp_path / "folder")
    long = "x" * 300
    with pytest.raises(OSError, match="name too long") as caught:
        write_files(tmp_path, {long: "text"})
    assert caught.value.filename == str(tmp_path / long)
    # Nobody can create a file in /proc.
    for attempt in (
        lambda: write_files(Path("/proc"), {"a": ""}),
        lambda: check_folder(Path("/proc")),
        lambda: check_file(Path("/proc/a")),
    ):
        with pytest.raises(OSError, match="/proc'$") as caught:
            attempt()
        assert caught.value.filename == "/proc"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
