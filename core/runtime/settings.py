"""Typed settings, read once from any mapping; each has its own help text. Pure."""

from __future__ import annotations

import difflib
import math
import types
import typing
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeVar

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

S = TypeVar("S")

YES_OR_NO: Final = ("yes", "no")


class BadSetting(ValueError):
    """A setting is unknown or has an invalid value; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The description of one setting: `name` is its environment variable, `field` its attribute.

    A setting of type bool is written yes or no, its `choices`.
    """

    name: str
    field: str
    type: Any
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    required: bool = False

    @property
    def default_text(self) -> str:
        """The default as it would be written in the environment; empty when there is none."""
        match self.default:
            case None:
                return ""
            case bool():
                return YES_OR_NO[not self.default]
            case tuple():
                return ",".join(map(str, self.default))
        return str(self.default)


def setting(
    default: Any,
    help: str,  # noqa: A002  # the usual name
    *,
    choices: tuple[str, ...] = (),
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """Declare a setting as a field of a dataclass."""
    return field(
        default=default,
        metadata={"help": help, "choices": choices, "minimum": minimum, "maximum": maximum},
    )


def required(help: str) -> Any:  # noqa: A002  # as in setting
    """Declare a setting that has no default."""
    return field(metadata={"help": help, "required": True})


def settings_of(cls: type, prefix: str) -> list[Setting]:
    """List the settings that a dataclass declares, then the inherited ones."""
    hints = typing.get_type_hints(cls)
    inherited = {name for base in cls.__mro__[1:] for name in getattr(base, "__annotations__", ())}
    known = []
    for item in sorted(fields(cls), key=lambda item: item.name in inherited):
        metadata: dict[str, Any] = dict(item.metadata)
        if hints[item.name] is bool:
            metadata["choices"] = YES_OR_NO
        known.append(
            Setting(
                name=prefix + item.name.upper(),
                field=item.name,
                type=hints[item.name],
                default=None if item.default is MISSING else item.default,
                **metadata,
            )
        )
    return known


def read_settings(cls: type[S], environ: Mapping[str, str], prefix: str) -> S:
    """Build `cls` from the variables of `environ` whose names start with `prefix`.

    Raises:
        BadSetting: a name is unknown, a value has the wrong form, or a required one is missing.

    """
    known = {each.name: each for each in settings_of(cls, prefix)}
    values: dict[str, Any] = {}
    for name in sorted(environ):
        if not name.startswith(prefix):
            continue
        if name not in known:
            ends = [each.removeprefix(prefix) for each in known]
            near = difflib.get_close_matches(name.removeprefix(prefix), ends, 1)
            hint = f"did you mean {prefix}{near[0]}?" if near else "see 'labelling --help'"
            raise BadSetting(f"There is no setting {name}: {hint}")
        values[known[name].field] = _read(known[name], environ[name])
    for each in known.values():
        if each.required and not values.get(each.field):
            raise BadSetting(f"{each.name} is not set: {each.help}")
    return cls(**values)


def _read(known: Setting, text: str) -> Any:
    kind = known.type
    if isinstance(kind, types.UnionType):
        if not text:
            return None
        kind = next(part for part in typing.get_args(kind) if part is not types.NoneType)
    if known.choices and text not in known.choices:
        raise BadSetting(f"{known.name} is {text!r}: choose {' or '.join(known.choices)}.")
    if kind is bool:
        return text == YES_OR_NO[0]
    if kind in (int, float):
        return _read_number(known, kind, text)
    if kind is Path:
        return Path(text).expanduser()
    if typing.get_origin(kind) is tuple:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        whole = typing.get_args(kind)[0] is int
        return tuple(_read_number(known, int, part) if whole else part for part in parts)
    return text


def _read_number(known: Setting, kind: type[int | float], text: str) -> int | float:
    try:
        number = kind(text)
    except ValueError:
        article = "whole number" if kind is int else "number"
        raise BadSetting(f"{known.name} is {text!r}: give a {article}.") from None
    if known.minimum is not None and not number >= known.minimum:
        raise BadSetting(f"{known.name} is {text}: give {known.minimum:g} or more.")
    if known.maximum is not None and number > known.maximum:
        raise BadSetting(f"{known.name} is {text}: give {known.maximum:g} or less.")
    if not math.isfinite(number):
        raise BadSetting(f"{known.name} is {text}: give a finite number.")
    return number
