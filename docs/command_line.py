"""Sphinx extension: the directive ``command-line`` writes what ``rebox COMMAND --help`` says.

It reads the commands themselves, so that no page of them can be out of date.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from typer.main import get_group

from rebox.cli.app import COMMANDS, app

OF_ALL = ("help", "verbose", "quiet")  # what every command takes; the page says it once


def _commands() -> Iterator[tuple[str, Any]]:
    """Yield every command with its full name, ``rebox box probe`` after ``rebox box``."""
    for module, _ in COMMANDS.values():
        import_module(f"rebox.cli.{module}")
    group = get_group(app)
    for name in COMMANDS:
        command = group.commands[name]
        yield f"rebox {name}", command
        for inner, below in getattr(command, "commands", {}).items():
            yield f"rebox {name} {inner}", below


def _options(command: Any) -> nodes.definition_list:
    """Return a list of what a command takes."""
    listed = nodes.definition_list()
    for parameter in command.params:
        if parameter.name in OF_ALL:
            continue
        names = [*parameter.opts, *parameter.secondary_opts]
        is_option = parameter.param_type_name == "option"
        term = ", ".join(names) if is_option else (parameter.metavar or parameter.name.upper())
        listed += nodes.definition_list_item(
            "",
            nodes.term("", "", nodes.literal("", term)),
            nodes.definition("", nodes.paragraph("", _words(parameter))),
        )
    return listed


def _words(parameter: Any) -> str:
    """Return what a parameter is, and what it is where nothing is said."""
    said, default = getattr(parameter, "help", None) or "", parameter.default
    if isinstance(default, bool) or not isinstance(default, (int, float, str)) or default == "":
        return said
    return f"{said} [default: {default}]".strip()


class CommandLine(Directive):
    """A section for each command: what it does, and what it takes."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        return [self._section(name, command) for name, command in _commands()]

    def _section(self, name: str, command: Any) -> nodes.section:
        words = " ".join((command.help or "").split("\n\n")[0].split())
        section = nodes.section("", nodes.title("", name), nodes.paragraph("", words))
        section["names"].append(nodes.fully_normalize_name(name))
        self.state.document.note_implicit_target(section, section)
        if command.params:
            section += _options(command)
        return section


def setup(app: Any) -> dict[str, bool]:
    """Tell Sphinx of the directive."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True}
