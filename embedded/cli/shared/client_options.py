"""Options of the commands that are clients of the public API."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

import click

from embedded.cli.shared.settings_options import KEY_VARIABLE, settings_with

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

url_option: Final = click.option(
    "--url",
    default="http://127.0.0.1:8000",
    show_default=True,
    help="The address of the service.",
)
key_option: Final = click.option(
    "--key",
    envvar=KEY_VARIABLE,
    show_envvar=True,
    help="An API key. Other users of the machine can see it in the command line, not in the"
    " environment.",
)


def check_settings(command: Callable[P, R]) -> Callable[P, R]:
    """Make a command raise BadSetting for environment variables that `serve` would refuse."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        settings_with({})
        return command(*args, **kwargs)

    return run
