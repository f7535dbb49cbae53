"""Command-line options for the settings of the service."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from core.runtime.settings import BadSetting, Setting, read_setting, read_settings, settings_of
from embedded.settings import PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

R = TypeVar("R")

KEY_VARIABLE: Final = "LABELLING_KEY"  # an option of client commands, not a setting
SETTINGS: Final = settings_of(Settings, PREFIX)
_METAVARS: Final = {
    int: "INTEGER",
    int | None: "INTEGER",
    float: "NUMBER",
    Path: "PATH",
    Path | None: "PATH",
}


class SettingType(click.ParamType[Any]):
    """The value of a setting. Errors name the flag as `read_settings` names the variable."""

    def __init__(self, setting: Setting) -> None:
        self._setting = replace(setting, name=flag(setting))
        self.name = setting.field

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """Return the choices, or a word for the kind of value."""
        if self._setting.choices:
            return f"[{'|'.join(self._setting.choices)}]"
        return _METAVARS.get(self._setting.type, "TEXT")

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002
        ctx: click.Context | None,
    ) -> Any:
        """Return the typed value. Raises UsageError."""
        try:
            return read_setting(self._setting, value)
        except BadSetting as exc:
            raise click.UsageError(str(exc), ctx) from exc

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Complete choices and file names."""
        if _METAVARS.get(self._setting.type) == "PATH":
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(c) for c in self._setting.choices if c.startswith(incomplete)]


def settings_options(*names: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a command options for the named settings, or for all, and the argument `settings`.

    The command raises BadSetting when an environment variable is unknown or has no usable value.
    """
    chosen = [each for each in SETTINGS if not names or each.field in names]

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        @wraps(command)
        def run(**values: Any) -> R:
            source = click.get_current_context().get_parameter_source
            options = {each.field: values.pop(each.field) for each in chosen}
            given = {
                field: value
                for field, value in options.items()
                if source(field) is ParameterSource.COMMANDLINE
            }
            return command(settings=settings_with(given), **values)

        decorated: Callable[..., R] = run
        for each in reversed(chosen):
            decorated = click.option(
                flag(each), each.field, type=SettingType(each), help=help_of(each)
            )(decorated)
        return decorated

    return decorate


def settings_with(given: Mapping[str, Any]) -> Settings:
    """Read the settings from the environment; values that are given win over their variables.

    Raises:
        BadSetting: a variable is unknown or has no usable value.

    """
    overridden = {KEY_VARIABLE, *(each.name for each in SETTINGS if each.field in given)}
    environ = {name: value for name, value in os.environ.items() if name not in overridden}
    return replace(read_settings(Settings, environ, PREFIX), **given)


def flag(setting: Setting) -> str:
    """Return the option of a setting, as --max-pixels."""
    return "--" + setting.field.replace("_", "-")


def help_of(setting: Setting) -> str:
    """Return the help text of a setting, with its default."""
    value = setting.default
    if value in (None, ()) or "default:" in setting.help:
        return setting.help
    default = ",".join(map(str, value)) if isinstance(value, tuple) else value
    return f"{setting.help}  [default: {default}]"


def settings_help() -> str:
    """Return a paragraph for each setting: its flag, variable, help text and default."""
    return "\n".join(f"  {flag(each)}, {each.name}\n      {help_of(each)}" for each in SETTINGS)
