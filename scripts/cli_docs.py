"""Write docs/cli.md from the help of each command: `python -m scripts.cli_docs`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from embedded.cli.lazy_group import LazyCommand
from embedded.cli.main import labelling

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH: Final = 90
HEAD: Final = """\
# Command line

<!-- Generated: python -m scripts.cli_docs >docs/cli.md -->

The command is `.venv/bin/labelling` in the project's folder, after `./run` or `scripts/venv serve`
has installed it. `./run` passes its arguments to `labelling serve`. Commands on a data folder work
beside a running service.

| Exit status | Meaning |
|---|---|
| 0 | success |
| 1 | the command failed; standard error has a line that says why and what to do |
| 2 | wrong usage, a setting without a usable value, or a missing folder, owner or picture |
| 130 | interrupted by Ctrl-C |

Complete commands, options and values with the Tab key:

```sh
eval "$(.venv/bin/labelling completion bash)"   # in ~/.bashrc; or zsh, fish
```

Every option of `serve` is also an environment variable: see [Settings](settings.md).
"""


def main() -> None:
    """Print the page."""
    sys.stdout.write(page())


def page() -> str:
    """Return the text of docs/cli.md."""
    root = click.Context(labelling, info_name="labelling", terminal_width=WIDTH)
    root.help_option_names = ["-h", "--help"]
    commands = labelling.get_help(root).partition("\n  Settings, as options")[0]
    return "".join([HEAD, f"\n```text\n{commands.rstrip()}\n```\n", *sections(labelling, root, 2)])


def sections(group: click.Group, parent: click.Context, level: int) -> Iterator[str]:
    """Yield a section for each command of a group, and for the commands below it."""
    for name, command in group.commands.items():
        if isinstance(command, LazyCommand):
            command = command.load()  # noqa: PLW2901
        context = click.Context(command, parent=parent, info_name=name)
        yield f"\n{'#' * level} `{context.command_path}`\n"
        if isinstance(command, click.Group):
            yield f"\n{command.help}\n"
            yield from sections(command, context, level + 1)
        else:
            yield f"\n```text\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    main()
