"""Helpers that run the command line in this process, as a user would."""

import re

from click.testing import CliRunner
from tercet.cli import main

__all__ = ["cycles_agree", "fails", "tercet"]


def tercet(*args, **options):
    return CliRunner().invoke(main, [str(arg) for arg in args], **options)


def fails(*args):
    """Run a command that must fail with exit status 2 and one line; returns that line."""
    result = tercet(*args)
    assert result.exit_code == 2
    assert result.stderr.startswith("tercet: error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def cycles_agree(stdout):
    return re.findall(r"cycles(?: predicted)? +│ +(\d+) │", stdout)
