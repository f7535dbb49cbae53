"""Typed settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from core.runtime.settings import (
    BadSetting,
    Setting,
    read_settings,
    required,
    setting,
    settings_of,
)


@dataclass(frozen=True)
class EmbeddedStores:
    name: str = setting("house", "What it is called.")
    mood: str = setting("calm", "How it feels.", choices=("calm", "merry"))
    rooms: int = setting(3, "How many rooms.", minimum=1)
    height: float = setting(2.5, "Metres.", minimum=0)
    cellar: Path = setting(Path("cellar"), "Where the wine is.")  # noqa: RUF009  # a frozen field
    guests: tuple[str, ...] = setting((), "Who may come.")
    limit: int | None = setting(None, "How many may come.", minimum=1)
    heated: bool = setting(True, "Whether it is warm.")
    locked: bool | None = setting(None, "Whether the gate is locked; auto: at night.")


def read(**environ: str) -> EmbeddedStores:
    return read_settings(EmbeddedStores, environ, "HOUSE_")


def test_defaults_apply_without_values() -> None:
    """Variables without the prefix are ignored."""
    assert read(PATH="/bin", HOUSEBOAT="x") == EmbeddedStores()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("name", "Ünter den Linden", "Ünter den Linden"),
        ("name", "", ""),
        ("mood", "merry", "merry"),
        ("rooms", "1", 1),
        ("height", "0", 0.0),
        ("height", "1e1", 10.0),
        ("cellar", "~/wine", Path.home() / "wine"),
        ("guests", "anna, bert,,", ("anna", "bert")),
        ("guests", "", ()),
        ("limit", "7", 7),
        ("limit", "", None),
        ("heated", "yes", True),
        ("heated", "no", False),
        ("locked", "auto", None),
        ("locked", "yes", True),
        ("locked", "no", False),
    ],
)
def test_value_is_converted_to_its_fields_type(name: str, text: str, value: object) -> None:
    assert getattr(read(**{f"HOUSE_{name.upper()}": text}), name) == value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("HOUSE_MOOD", "sad", "HOUSE_MOOD is 'sad': choose calm or merry."),
        ("HOUSE_ROOMS", "many", "HOUSE_ROOMS is 'many': give a whole number."),
        ("HOUSE_ROOMS", "2.5", "HOUSE_ROOMS is '2.5': give a whole number."),
        ("HOUSE_ROOMS", "0", "HOUSE_ROOMS is 0: give 1 or more."),
        ("HOUSE_HEIGHT", "tall", "HOUSE_HEIGHT is 'tall': give a number."),
        ("HOUSE_HEIGHT", "nan", "HOUSE_HEIGHT is nan: give 0 or more."),
        ("HOUSE_LIMIT", "-1", "HOUSE_LIMIT is -1: give 1 or more."),
        ("HOUSE_HEATED", "true", "HOUSE_HEATED is 'true': choose yes or no."),
        ("HOUSE_HEATED", "", "HOUSE_HEATED is '': choose yes or no."),
        ("HOUSE_LOCKED", "", "HOUSE_LOCKED is '': choose auto or yes or no."),
        ("HOUSE_ROMS", "3", "There is no setting HOUSE_ROMS: did you mean HOUSE_ROOMS?"),
        (
            "HOUSE_COMPLETELY_UNLIKE",
            "3",
            "There is no setting HOUSE_COMPLETELY_UNLIKE: see 'labelling --help'",
        ),
    ],
)
def test_invalid_value_is_refused_with_the_remedy(name: str, text: str, message: str) -> None:
    with pytest.raises(BadSetting) as caught:
        read(**{name: text})
    assert str(caught.value) == message


def test_settings_are_listed_with_their_help() -> None:
    """With name, type and default."""
    listed = settings_of(EmbeddedStores, "HOUSE_")
    assert [each.field for each in listed] == [
        "name", "mood", "rooms", "height", "cellar", "guests", "limit", "heated", "locked",
    ]  # fmt: skip
    assert listed[1] == Setting(
        "HOUSE_MOOD", "mood", str, "calm", "How it feels.", ("calm", "merry"), None
    )
    assert [(each.default, each.choices) for each in listed[-2:]] == [
        ("yes", ("yes", "no")),
        ("auto", ("auto", "yes", "no")),
    ]


@dataclass(frozen=True)
class Demanding:
    table: str = required("Name of the table.")
    size: int = setting(1, "How large.")


@pytest.mark.parametrize("environ", [{}, {"X_TABLE": ""}, {"X_SIZE": "2"}])
def test_missing_required_setting_is_refused(environ: dict[str, str]) -> None:
    """The message has its help text."""
    with pytest.raises(BadSetting, match=r"X_TABLE is not set: Name of the table\."):
        read_settings(Demanding, environ, "X_")
    assert read_settings(Demanding, {"X_TABLE": "t"}, "X_") == Demanding("t", 1)
