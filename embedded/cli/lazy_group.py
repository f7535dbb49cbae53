"""A command group that imports a command's module only to run the command."""

from __future__ import annotations

from importlib import import_module

import click


class LazyCommand(click.Command):
    """The name and summary of a command: `attribute` of the module of that name in this package."""

    def __init__(self, name: str, attribute: str, summary: str) -> None:
        super().__init__(name, short_help=summary)
        self._attribute = attribute

    def load(self) -> click.Command:
        """Import the command."""
        module = import_module(f"{__package__}.{self._attribute}")
        command: click.Command = getattr(module, self._attribute)
        return command


class LazyGroup(click.Group):
    """Lists and completes LazyCommands by their summaries, in the order given, and loads one."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of the commands."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the loaded command and the arguments left for it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, LazyCommand) else command, rest
