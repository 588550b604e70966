"""Cached builds are made once, by one process at a time, and again if damaged."""

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest
from tercet.sim import _objcache
from tercet.sim.cache import BuildError, FolderBusy, build_once, cache_folder, sole_writer


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("TERCET_CACHE", str(folder))
    return folder


@pytest.fixture
def make():
    """Build function that makes a program and a data file in a folder, and counts its calls."""

    def build(folder):
        build.count += 1
        (folder / "data").mkdir(parents=True)
        (folder / "program").write_text("#!/bin/sh\necho hello\n")
        (folder / "program").chmod(0o755)
        (folder / "data/table").write_bytes(bytes(1000))

    build.count = 0
    return build


def delete(folder):
    (folder / "data/table").unlink()


def cut_off(folder):
    (folder / "program").write_bytes((folder / "program").read_bytes()[:-5])


def change_a_bit(folder):
    content = bytearray((folder / "data/table").read_bytes())
    content[500] ^= 1
    (folder / "data/table").write_bytes(content)


def lose_the_mode(folder):
    (folder / "program").chmod(0o644)


def unfinished(folder):
    (folder / ".done").unlink()


def of_an_older_version(folder):
    (folder / ".done").write_text("")


def empty_list(folder):
    """An empty list names no file that could be damaged."""
    (folder / ".done").write_text("{}\n")


def overwritten_list(folder):
    (folder / ".done").write_bytes(b"\xff" * 100)


DAMAGES = (delete, cut_off, change_a_bit, lose_the_mode, unfinished, of_an_older_version, empty_list, overwritten_list)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_build_is_made_again(make, damage):
    folder = build_once(["facts"], make)
    assert build_once(["facts"], make) == folder
    assert make.count == 1
    damage(folder)
    assert build_once(["facts"], make) == folder
    assert make.count == 2
    assert subprocess.check_output([folder / "program"]) == b"hello\n"
    assert (folder / "data/table").read_bytes() == bytes(1000)
    build_once(["facts"], make)
    assert make.count == 2


def test_other_facts_are_another_build(make):
    assert build_once(["facts"], make) != build_once(["others"], make)
    assert make.count == 2


def test_failed_build_is_not_kept(make):
    def fail(folder):
        make(folder)
        raise BuildError("no")

    with pytest.raises(BuildError, match="^no$"):
        build_once(["facts"], fail)
    build_once(["facts"], make)
    assert make.count == 2


def test_cache_that_cannot_be_written(tmp_path, monkeypatch, make):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TERCET_CACHE", str(tmp_path / "file" / "cache"))
    message = r"^Cache folder '.*/file/cache' cannot be written \(Not a directory\); set TERCET_CACHE to a writable"
    for use in (lambda: build_once(["facts"], make), lambda: cache_folder("locks")):
        with pytest.raises(NotADirectoryError, match=message):
            use()


def hold(target, held, release):
    with sole_writer(Path(target)):
        held.set()
        release.wait(30)


def test_one_writer_at_a_time(tmp_path):
    """A folder has one writer under any name, in this process and others; the lock ends with the writer."""
    spawn = multiprocessing.get_context("spawn")
    held, release = spawn.Event(), spawn.Event()
    other = spawn.Process(target=hold, args=(str(tmp_path / "out"), held, release))
    other.start()
    assert held.wait(30)
    (tmp_path / "link").symlink_to(tmp_path / "out")
    for name in ("out", "link", "x/../out"):
        with pytest.raises(FolderBusy, match="^in use$"), sole_writer(tmp_path / name, "in use"):
            pass
    with sole_writer(tmp_path / "elsewhere", "in use"), sole_writer(tmp_path / "out2", "in use"):
        pass
    release.set()
    with (
        sole_writer(tmp_path / "out"),
        pytest.raises(FolderBusy, match="in use"),
        sole_writer(tmp_path / "out", "in use"),
    ):
        pass
    other.join()
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("cache", "link")] == []


def test_objects_of_the_runtime(tmp_path, monkeypatch):
    """Runtime objects are compiled once, and again if the stored object is damaged. Others are not stored."""
    compiler = tmp_path / "c++"
    compiler.write_text(
        f"#!{sys.executable}\nimport sys\nopen(sys.argv[2], 'w').write('object')\nopen('calls', 'a').write('.')\n"
    )
    compiler.chmod(0o755)
    source = tmp_path / "runtime" / "verilated.cpp"
    source.parent.mkdir()
    source.write_text("")
    objects = tmp_path / "objects"

    def run(source):
        (tmp_path / "out.o").unlink(missing_ok=True)
        assert _objcache.main(str(objects), [str(compiler), "-o", str(tmp_path / "out.o"), str(source)]) == 0
        assert (tmp_path / "out.o").read_text() == "object"
        return len((tmp_path / "calls").read_text())

    monkeypatch.chdir(tmp_path)
    assert [run(source) for _ in range(3)] == [1, 1, 1]
    (stored,) = objects.iterdir()
    stored.write_text("objec")
    assert [run(source) for _ in range(3)] == [2, 2, 2]
    (tmp_path / "other.cpp").write_text("")
    assert [run(tmp_path / "other.cpp") for _ in range(2)] == [3, 4]
    assert list(objects.iterdir()) == [stored]


def test_precompiled_headers(tmp_path, monkeypatch):
    """With -O0 alone, Verilator's headers are precompiled: once, again if damaged, and not where that fails."""
    compiler, runtime, objects = tmp_path / "c++", tmp_path / "runtime", tmp_path / "objects"
    compiler.write_text(
        f"#!{sys.executable}\nimport os, sys\nprint(*sys.argv[1:], file=open('calls', 'a'))\n"
        "if sys.argv[-1].endswith('.cpp'): sys.exit()\n"
        "if os.path.exists('broken'): sys.exit(1)\n"
        "open(sys.argv[sys.argv.index('-o') + 1], 'w').write('headers')\n"
    )
    compiler.chmod(0o755)
    runtime.mkdir()
    for name in ("verilated.h", "verilated_vpi.h"):
        (runtime / name).write_text("")
    monkeypatch.chdir(tmp_path)

    def calls(*flags):
        """The compiler's command lines for one source."""
        command = [str(compiler), *flags, "-I.", "-MMD", f"-I{runtime}", "-c", "-o", "out.o", "model.cpp"]
        assert _objcache.main(str(objects), command) == 0
        lines = (tmp_path / "calls").read_text().splitlines()
        (tmp_path / "calls").unlink()
        return lines

    made, compiled = calls("-O0", "-Os")
    header = compiled.split()[1]
    assert compiled == f"-include {header} -O0 -I. -MMD -I{runtime} -c -o out.o model.cpp"
    assert made.split()[:4] == ["-O0", f"-I{runtime}", "-x", "c++-header"]
    precompiled = objects / f"{header}.gch"
    assert precompiled.read_text() == "headers"
    # The makefile's two orders of flags share it.
    assert [len(calls("-Os", "-O0")), len(calls("-O0"))] == [1, 1]
    precompiled.write_text("head")
    assert [len(calls("-O0")), len(calls("-O0"))] == [2, 1]
    assert "-include" not in calls("-Os")[0]
    precompiled.unlink()
    (tmp_path / "broken").touch()
    assert ["-include" in line for line in calls("-O0")] == [False, False]
