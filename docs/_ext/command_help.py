"""Directive `command-help`: the ``--help`` text of every command."""

import click
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from tercet.cli import main

__all__ = ["CommandHelp", "setup"]

_WIDTH = 80  # characters that fit a line of a page


class CommandHelp(Directive):
    """Heading and literal block per command, groups before their members."""

    def run(self) -> list[nodes.Node]:
        """Nodes to insert."""
        return [node for path, text in _pages("tercet", main, None) for node in self._page(path, text)]

    def _page(self, path: str, text: str) -> list[nodes.Node]:
        heading = nodes.rubric(text=path)
        heading["ids"].append(nodes.make_id(path))
        return [heading, nodes.literal_block(text, text, language="none")]


def _pages(path: str, command: click.Command, parent: click.Context | None) -> list[tuple[str, str]]:
    settings = {**command.context_settings, "terminal_width": _WIDTH}
    context = click.Context(command, parent=parent, info_name=path.rpartition(" ")[2], **settings)
    pages = [(path, command.get_help(context))]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            member = command.get_command(context, name)
            assert member is not None
            pages += _pages(f"{path} {name}", member, context)
    return pages


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
