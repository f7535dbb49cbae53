"""TOML files that describe networks (TOML 1.0, toml.io), and their values with clear errors."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final, NoReturn

from labeller.detectors.onnx_session import ModelUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    Three = tuple[float, float, float]

CHANNELS: Final = 3
MAX_SIDE: Final = 4096  # pixels of a network's input
# People read it, and every blob stores it as name/version: short, and without quoting.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def read_toml(file: Path) -> Table:
    """Read a TOML file. Raises ModelUnusable."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ModelUnusable(
            f"The classifier {file} can't be read: {exc}. Give --classifier a TOML file; "
            "docs/detectors.md shows one."
        ) from exc
    try:
        return Table(file, tomllib.loads(text))
    except tomllib.TOMLDecodeError as exc:
        raise ModelUnusable(f"{file} is not TOML: {exc}.") from exc


class Table:
    """One table of the file. Its methods return values by key, and raise ModelUnusable."""

    def __init__(self, file: Path, values: Mapping[str, Any], prefix: str = "") -> None:
        self._file = file
        self._values = values
        self._prefix = prefix
        self._known: list[str] = []

    def refuse(self, key: str, reason: str) -> NoReturn:
        """Raise ModelUnusable, which names the file and the key."""
        raise ModelUnusable(f"{self._file}: {self._prefix}{key} {reason}.")

    def refuse_unknown_keys(self) -> None:
        """Refuse keys that were not read, because a misspelt key would have no effect."""
        for key in self._values:
            if key not in self._known:
                near = difflib.get_close_matches(key, self._known, 1)
                remedy = f"write {near[0]}" if near else f"choose {', '.join(self._known)}"
                self.refuse(key, f"is an unknown key: {remedy}")

    def has(self, key: str) -> bool:
        """Tell whether a key is given."""
        return key in self._values

    def table(self, key: str) -> Table:
        """Return a table within this one; without the key it is empty."""
        values = self._value(key, dict, f"write a table [{key}]", {})
        return Table(self._file, values, f"{key}.")

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text, which is not empty."""
        value: str = self._value(key, str, "write text in quotes", default)
        return value or self.refuse(key, "is empty")

    def texts(self, key: str) -> list[str]:
        """Return a list of texts, which is not empty."""
        values: list[Any] = self._value(key, list, "write a list of texts in quotes")
        if not values or not all(isinstance(each, str) and each for each in values):
            self.refuse(key, f"is {values}: write a list of texts in quotes")
        return values

    def name(self, key: str) -> str:
        """Return a short name."""
        value = self.text(key)
        if not _NAME.fullmatch(value):
            self.refuse(key, f"is {value!r}: use up to 64 of A-Z a-z 0-9 . _ - in quotes")
        return value

    def path(self, key: str) -> Path:
        """Return a path, relative to the file's folder."""
        return self._file.parent / self.text(key)

    def require_files(self, *keys: str) -> None:
        """Refuse paths at which there is no file."""
        for key in keys:
            path = self.path(key)
            if not path.is_file():
                self.refuse(key, f"names no file: there is no {path}")

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Return one of the choices, the first without the key."""
        value: str = self._value(key, str, f"choose {_listed(choices)}", choices[0])
        if value not in choices:
            self.refuse(key, f"is {value!r}: choose {_listed(choices)}")
        return value

    def number(self, key: str, default: float, *, most: float = math.inf) -> float:
        """Return a number above 0 and at most `most`."""
        value = self._value(key, (int, float), "write a number", default)
        if not (0 < value <= most and math.isfinite(value)):
            limit = f" and at most {most:g}" if math.isfinite(most) else ""
            self.refuse(key, f"is {value}: give a number above 0{limit}")
        return float(value)

    def any_number(self, key: str, default: float) -> float:
        """Return a number, which may be negative."""
        value = self._value(key, (int, float), "write a number", default)
        return float(value) if math.isfinite(value) else self.refuse(key, f"is {value}")

    def whole(self, key: str, default: int) -> int:
        """Return a whole number from 0."""
        value: int = self._value(key, int, "write a whole number", default)
        return value if value >= 0 else self.refuse(key, f"is {value}: give a number from 0")

    def three(self, key: str, default: float, *, positive: bool = False) -> Three:
        """Return a number for each channel."""
        values = self._value(key, list, "write three numbers", [default] * CHANNELS)
        numbers = [value for value in values if _is_number(value) and math.isfinite(value)]
        if len(values) != CHANNELS or numbers != values or (positive and min(numbers) <= 0):
            above = " above 0" if positive else ""
            self.refuse(key, f"is {values}: give {CHANNELS} numbers{above}, one per channel")
        red, green, blue = map(float, numbers)
        return red, green, blue

    def size(self, key: str) -> tuple[int, int]:
        """Return height and width, given as one number or as two."""
        value = self._value(key, (int, list), "write pixels per side, or [height, width]")
        sides = value if isinstance(value, list) else [value, value]
        whole = [side for side in sides if isinstance(side, int) and not isinstance(side, bool)]
        if len(sides) != 2 or whole != sides or not 1 <= min(whole) <= max(whole) <= MAX_SIDE:  # noqa: PLR2004  # height, width
            self.refuse(
                key, f"is {value}: give 1 to {MAX_SIDE} pixels per side, or [height, width]"
            )
        return whole[0], whole[1]

    def _value(self, key: str, kind: Any, remedy: str, default: Any = None) -> Any:
        self._known.append(key)
        value = self._values.get(key, default)
        if value is None:
            self.refuse(key, f"is missing: {remedy}")
        if not isinstance(value, kind) or isinstance(value, bool):
            self.refuse(key, f"is {value!r}: {remedy}")
        return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(choices: Sequence[str]) -> str:
    return " or ".join(f'"{each}"' for each in choices)
