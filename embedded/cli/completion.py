"""`labelling completion`: completion of commands and options in a shell."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

_CLASSES: Final = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command(
    help="""Print the script that completes commands in a shell.

    \b
    bash, in ~/.bashrc:  eval "$(labelling completion bash)"
    zsh, in ~/.zshrc:    eval "$(labelling completion zsh)"
    fish:                labelling completion fish > ~/.config/fish/completions/labelling.fish
    """
)
@click.argument("shell", type=click.Choice(list(_CLASSES)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script for a shell."""
    root = ctx.find_root()
    complete = _CLASSES[shell](root.command, {}, "labelling", "_LABELLING_COMPLETE")
    click.echo(complete.source())
