"""Demo of the tensor core, one epoch."""

import json

import numpy as np
from tercet.cli.demos import tensorcore as demo

from .command import tercet

PNG = b"\x89PNG"


def test_demo(tmp_path, capsys):
    assert demo.run_demo(tmp_path, None, epochs=1, count=10)
    printed = capsys.readouterr().out
    assert "7146 of 7146" in printed
    assert "equal, every bit" in printed
    assert "exact" in printed
    for name in ("tensorcore_training.png", "tensorcore_errors.png"):
        assert (tmp_path / name).read_bytes().startswith(PNG)
    assert "module tensorcore" in (tmp_path / "tensorcore.v").read_text()
    assert json.loads((tmp_path / "tensorcore.json").read_text())["engine"] == "tensorcore"


def test_demo_sees_what_differs(tmp_path, capsys, monkeypatch):
    """Flips one bit of one element of each product."""
    take = demo.tensorcore.mma

    def broken(*args, **options):
        run = take(*args, **options)
        run.out.view(np.uint32)[0, 0] ^= 1 << 20
        return run

    monkeypatch.setattr(demo.tensorcore, "mma", broken)
    assert not demo.run_demo(tmp_path, None, epochs=1, count=10)
    printed = capsys.readouterr().out
    assert "NOT EQUAL" in printed
    assert "7146 of 7146" not in printed


def test_help():
    shown = tercet("demo", "tensorcore", "--help").output
    assert "tercet demo tensorcore" in shown
    assert "mixed precision" in shown
