"""Error reporting: wrong input gives one line and exit status 2, never a traceback."""

import sys
from typing import Any

import click
from tercet.boards.fpga.netlist import SynthesisError
from tercet.boards.fpga.tools import ToolNotFound
from tercet.boards.host.link import Refused
from tercet.compiler.errors import MissingPackage
from tercet.rtl.emit import EmitError
from tercet.sim.build import BuildError, SimulationError
from tercet.sim.simulators import SimulatorNotFound

from .termination import terminated_by_signals

__all__ = ["TercetGroup"]

# Errors that a user can cause. Any other is a bug and shows its traceback.
_NO_TOOL = (EmitError, MissingPackage, SimulatorNotFound, ToolNotFound)
_USER_ERRORS = (TypeError, ValueError, OSError, Refused, BuildError, SimulationError, SynthesisError, *_NO_TOOL)


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.strerror}: {str(error.filename)!r}"
    return " ".join(str(error).split())


class TercetGroup(click.Group):
    """Command group that reports errors as ``tercet: error: ...``."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        try:
            with terminated_by_signals():
                result = super().main(*args, **kwargs)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(0)
        except click.Abort:
            sys.exit(130)
        except click.ClickException as error:
            self._fail(" ".join(error.format_message().split()))
        except _USER_ERRORS as error:
            self._fail(_one_line(error))
        else:
            sys.exit(result if isinstance(result, int) else 0)

    def _fail(self, message: str) -> None:
        click.echo(f"tercet: error: {message}", err=True)
        sys.exit(2)
