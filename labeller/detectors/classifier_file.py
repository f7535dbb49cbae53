"""The TOML file that describes an ONNX classifier, and the file of its labels.

TOML 1.0 (toml.io). docs/detectors.md describes each key.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from labeller.detectors.onnx_session import ModelUnusable
from labeller.detectors.taxonomy import Taxonomy
from labeller.imaging.image import CROP, Fit, Frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    Three = tuple[float, float, float]

CHANNELS: Final = 3
MAX_LABEL: Final = 100  # characters of a label, which people read and search
MAX_SIDE: Final = 4096  # pixels of a network's input
# People read it, and every blob stores it as name/version: short, and without quoting.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Classifier:
    """A classifier as described by `file`.

    Pixels become `(pixel * scale - mean) / std`, per channel in the order of `channels`.
    """

    file: Path
    name: str
    version: str
    model: Path
    labels: Path
    frame: Frame
    layout: str
    channels: str
    scale: float
    mean: Three
    std: Three
    activation: str
    temperature: float


def read_classifier(file: Path) -> Classifier:
    """Read a classifier's TOML file. Raises ModelUnusable, which names the key and the remedy."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ModelUnusable(
            f"The classifier {file} can't be read: {exc}. Give --classifier a TOML file; "
            "docs/detectors.md shows one."
        ) from exc
    try:
        top = _Table(file, tomllib.loads(text))
    except tomllib.TOMLDecodeError as exc:
        raise ModelUnusable(f"{file} is not TOML: {exc}.") from exc
    given, output = top.table("input"), top.table("output")
    height, width = given.size("size")
    classifier = Classifier(
        file=file,
        name=top.name("name"),
        version=top.name("version"),
        model=file.parent / top.text("model"),
        labels=file.parent / top.text("labels"),
        frame=Frame(
            width,
            height,
            Fit(given.choice("resize", [each.value for each in Fit])),
            given.number("crop_share", CROP, most=1),
        ),
        layout=given.choice("layout", ["NCHW", "NHWC"]),
        channels=given.choice("channels", ["RGB", "BGR"]),
        scale=given.number("scale", 1),
        mean=given.three("mean", 0),
        std=given.three("std", 1, positive=True),
        activation=output.choice("activation", ["softmax", "sigmoid", "none"]),
        temperature=output.number("temperature", 1),
    )
    for table in (top, given, output):
        table.refuse_unknown_keys()
    if given.has("crop_share") and classifier.frame.fit is not Fit.CROP:
        given.refuse("crop_share", 'is for resize = "crop": leave it out')
    if output.has("temperature") and classifier.activation == "none":
        output.refuse("temperature", "is for logits, which softmax or sigmoid take: leave it out")
    for key, path in (("model", classifier.model), ("labels", classifier.labels)):
        if not path.is_file():
            top.refuse(key, f"names no file: there is no {path}")
    return classifier


def read_labels(file: Path) -> Taxonomy:
    """Read the labels, one class per line: Name, or Name<TAB>Parent;Grandparent.

    Raises:
        ModelUnusable: the file can't be read, or a line has another form.

    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise ModelUnusable(f"The labels {file} can't be read: {exc}. Save them as UTF-8.") from exc
    classes: list[str] = []
    parents: dict[str, dict[str, None]] = {}
    spelled: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, *rest = line.split("\t")
        chain = [name, *rest[0].split(";")] if rest else [name]
        if len(rest) > 1 or not all(_is_label(each) for each in chain):
            raise ModelUnusable(
                f"{file}, line {number}: {line!r} is not a label. Write a name, or a name, a tab "
                f"and its parents separated by ';', nearest first. Names have 1 to {MAX_LABEL} "
                "characters; empty lines are not allowed."
            )
        classes.append(name)
        for each in chain:
            if (known := spelled.setdefault(each.casefold(), each)) != each:
                raise ModelUnusable(
                    f"{file}, line {number}: {each!r} is spelt {known!r} above. Spell both alike."
                )
        for child, parent in zip(chain, [*chain[1:], None], strict=True):
            above = parents.setdefault(child, {})
            if parent is not None:
                above[parent] = None
    taxonomy = Taxonomy.build(classes, {name: tuple(above) for name, above in parents.items()})
    for label in taxonomy.labels:
        if label.name in label.parents:
            raise ModelUnusable(f"{file}: {label.name!r} is its own ancestor. Correct its parents.")
    return taxonomy


class _Table:
    """One table of the file. Its methods return values by key and refuse invalid ones."""

    def __init__(self, file: Path, values: Mapping[str, Any], prefix: str = "") -> None:
        self._file = file
        self._values = values
        self._prefix = prefix
        self._known: list[str] = []

    def refuse(self, key: str, reason: str) -> NoReturn:
        raise ModelUnusable(f"{self._file}: {self._prefix}{key} {reason}.")

    def refuse_unknown_keys(self) -> None:
        """Refuse keys that were not read, because a misspelt key would have no effect."""
        for key in self._values:
            if key not in self._known:
                near = difflib.get_close_matches(key, self._known, 1)
                remedy = f"write {near[0]}" if near else f"choose {', '.join(self._known)}"
                self.refuse(key, f"is an unknown key: {remedy}")

    def has(self, key: str) -> bool:
        return key in self._values

    def table(self, key: str) -> _Table:
        values = self._value(key, dict, f"write a table [{key}]", {})
        return _Table(self._file, values, f"{key}.")

    def text(self, key: str) -> str:
        value: str = self._value(key, str, "write text in quotes")
        return value or self.refuse(key, "is empty")

    def name(self, key: str) -> str:
        value = self.text(key)
        if not _NAME.fullmatch(value):
            self.refuse(key, f"is {value!r}: use up to 64 of A-Z a-z 0-9 . _ - in quotes")
        return value

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

    def three(self, key: str, default: float, *, positive: bool = False) -> Three:
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


def _is_label(name: str) -> bool:
    return 0 < len(name) <= MAX_LABEL and name.isprintable() and name == name.strip()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(choices: Sequence[str]) -> str:
    return " or ".join(f'"{each}"' for each in choices)
