"""Typed settings read once, from any mapping; each knows its own help text. Pure."""

from __future__ import annotations

import math
import types
import typing
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, TypeVar

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

S = TypeVar("S")

# The texts of the values of a bool, and of a bool that may be None.
_BOOLEANS: Final[Mapping[Any, Mapping[str, bool | None]]] = {
    bool: {"yes": True, "no": False},
    bool | None: {"auto": None, "yes": True, "no": False},
}


class BadSetting(ValueError):
    """A setting is unknown or has an invalid value; the message states the remedy."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The description of a setting: `name` is its environment variable, `field` its attribute.

    The `choices` and the `default` of a bool are texts as in the environment: yes, no or auto.
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


def setting(
    default: Any,
    help: str,  # noqa: A002  # the usual name
    *,
    choices: tuple[str, ...] = (),
    minimum: float | None = None,
    maximum: float | None = None,
    secret: bool = False,
) -> Any:
    """Declare a setting as a field of a dataclass; a secret one is not in its representation."""
    return field(
        default=default,
        repr=not secret,
        metadata={"help": help, "choices": choices, "minimum": minimum, "maximum": maximum},
    )


def required(help: str) -> Any:  # noqa: A002  # as in setting
    """Declare a setting that has no default."""
    return field(metadata={"help": help, "required": True})


def settings_of(cls: type, prefix: str) -> list[Setting]:
    """Return the settings that a dataclass declares, then the inherited ones."""
    hints = typing.get_type_hints(cls)
    inherited = {name for base in cls.__mro__[1:] for name in getattr(base, "__annotations__", ())}
    return [
        _described(item, hints[item.name], prefix)
        for item in sorted(fields(cls), key=lambda item: item.name in inherited)
    ]


def _described(item: Field[Any], kind: Any, prefix: str) -> Setting:
    described = Setting(
        name=prefix + item.name.upper(),
        field=item.name,
        type=kind,
        default=None if item.default is MISSING else item.default,
        **item.metadata,
    )
    if (texts := _BOOLEANS.get(kind)) is None:
        return described
    default = next(text for text, value in texts.items() if value is item.default)
    return replace(described, choices=tuple(texts), default=default)


def read_settings(cls: type[S], environ: Mapping[str, str], prefix: str) -> S:
    """Build `cls` from the variables of `environ` whose names start with `prefix`.

    Raises:
        BadSetting: a name is unknown, a value is invalid, or a required setting is missing.

    """
    known = {each.name: each for each in settings_of(cls, prefix)}
    values: dict[str, Any] = {}
    for name in sorted(environ):
        if not name.startswith(prefix):
            continue
        if name not in known:
            import difflib  # noqa: PLC0415  # only for this error

            ends = [each.removeprefix(prefix) for each in known]
            near = difflib.get_close_matches(name.removeprefix(prefix), ends, 1)
            hint = f"did you mean {prefix}{near[0]}?" if near else "see 'labelling --help'"
            raise BadSetting(f"There is no setting {name}: {hint}")
        values[known[name].field] = read_setting(known[name], environ[name])
    for each in known.values():
        if each.required and not values.get(each.field):
            raise BadSetting(f"{each.name} is not set: {each.help}")
    return cls(**values)


def read_setting(wanted: Setting, text: str) -> Any:
    """Return the typed value of a setting's text. Raises BadSetting, which names the setting."""
    kind = wanted.type
    if wanted.choices and text not in wanted.choices:
        raise BadSetting(f"{wanted.name} is {text!r}: choose {' or '.join(wanted.choices)}.")
    if texts := _BOOLEANS.get(kind):
        return texts[text]
    if isinstance(kind, types.UnionType):
        if not text:
            return None
        kind = next(part for part in typing.get_args(kind) if part is not types.NoneType)
    if kind in (int, float):
        return _read_number(wanted, kind, text)
    if kind is Path:
        return Path(text).expanduser()
    if typing.get_origin(kind) is tuple:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        whole = typing.get_args(kind)[0] is int
        return tuple(_read_number(wanted, int, part) if whole else part for part in parts)
    return text


def _read_number(wanted: Setting, kind: type[int | float], text: str) -> int | float:
    try:
        number = kind(text)
    except ValueError:
        article = "whole number" if kind is int else "number"
        raise BadSetting(f"{wanted.name} is {text!r}: give a {article}.") from None
    if wanted.minimum is not None and not number >= wanted.minimum:
        raise BadSetting(f"{wanted.name} is {text}: give {wanted.minimum:g} or more.")
    if wanted.maximum is not None and number > wanted.maximum:
        raise BadSetting(f"{wanted.name} is {text}: give {wanted.maximum:g} or less.")
    if not math.isfinite(number):
        raise BadSetting(f"{wanted.name} is {text}: give a finite number.")
    return number
