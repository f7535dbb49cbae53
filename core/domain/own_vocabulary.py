"""An owner's own vocabulary: labels that it defines, with their other names. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from core.domain.errors import InvalidValue, LabellingError
from core.domain.label import Label, read_name
from core.domain.label_names import fold_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_DEFINITIONS: Final = 500
MAX_NAMES: Final = 20  # parents, aliases or categories of one label
# Bytes of all names in UTF-8: an item of DynamoDB has 400 kB.
MAX_BYTES: Final = 200_000

_LISTS: Final = ("parents", "aliases", "categories")


@dataclass(frozen=True, slots=True)
class LabelDefinition:
    """A label that an owner defines: its ancestors, nearest first, other names, and categories."""

    name: str
    parents: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def folded(self) -> str:
        """The name as names are compared."""
        return fold_name(self.name)

    def to_label(self) -> Label:
        """Return the label, without a confidence."""
        return Label(
            self.name,
            0,
            parents=self.parents,
            aliases=self.aliases,
            categories=self.categories,
        )


@dataclass(frozen=True)
class OwnVocabulary:
    """The labels that an owner defines. `version` counts the changes."""

    version: int = 0
    labels: tuple[LabelDefinition, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, LabelDefinition]:
        """The definitions by the folded names of their labels."""
        return {each.folded: each for each in self.labels}

    @cached_property
    def by_alias(self) -> Mapping[str, LabelDefinition]:
        """The definitions by the folded aliases of their labels."""
        return {fold_name(alias): each for each in self.labels for alias in each.aliases}

    def find(self, name: str) -> LabelDefinition | None:
        """Return the definition of the label that a name or an alias means, if there is one."""
        folded = fold_name(name)
        return self.by_name.get(folded) or self.by_alias.get(folded)

    def starting_with(self, prefix: str) -> Mapping[str, tuple[str | None, LabelDefinition]]:
        """Return the definitions of which a name starts with a prefix, by folded name.

        Each has the alias that starts with it; None where its label's own name does.
        """
        folded = fold_name(prefix)
        found: dict[str, tuple[str | None, LabelDefinition]] = {}
        for each in self.labels:
            if each.folded.startswith(folded):
                found[each.folded] = (None, each)
                continue
            aliases = (alias for alias in each.aliases if fold_name(alias).startswith(folded))
            if alias := next(aliases, None):
                found[each.folded] = (alias, each)
        return found


NO_VOCABULARY: Final = OwnVocabulary()


class InvalidVocabulary(LabellingError):
    """A vocabulary has values that are out of range; `problems` are all of them."""

    def __init__(self, problems: Sequence[InvalidValue]) -> None:
        super().__init__("; ".join(f"{'.'.join(each.path)}: {each.message}" for each in problems))
        self.problems = problems


def check_vocabulary(given: OwnVocabulary) -> OwnVocabulary:
    """Return a vocabulary with its names as they are stored. Raises InvalidVocabulary."""
    if len(given.labels) > MAX_DEFINITIONS:
        message = f"must be at most {MAX_DEFINITIONS}, not {len(given.labels)}"
        raise InvalidVocabulary([InvalidValue("labels", message)])
    problems: list[InvalidValue] = []
    labels = tuple(
        _read(number, definition, problems) for number, definition in enumerate(given.labels)
    )
    problems += _contradictions(labels)
    size = sum(len(name.encode(errors="replace")) for each in labels for name in _names_of(each))
    if size > MAX_BYTES:
        message = f"must have at most {MAX_BYTES} bytes in all, in UTF-8, not {size}"
        problems.append(InvalidValue("labels", message))
    if problems:
        raise InvalidVocabulary(problems)
    return replace(given, labels=labels)


def _names_of(definition: LabelDefinition) -> tuple[str, ...]:
    return (definition.name, *definition.parents, *definition.aliases, *definition.categories)


def _read(
    number: int, definition: LabelDefinition, problems: list[InvalidValue]
) -> LabelDefinition:
    """Return a definition with its names as they are stored, each once; add what is wrong."""

    def read(name: str, *path: str) -> str:
        try:
            return read_name(name)
        except InvalidValue as error:
            at = ("labels", str(number), *path)
            problems.append(InvalidValue(path[0], error.message, at))
            return name

    lists: dict[str, tuple[str, ...]] = {}
    for field in _LISTS:
        names: tuple[str, ...] = getattr(definition, field)
        if len(names) > MAX_NAMES:
            at = ("labels", str(number), field)
            message = f"must be at most {MAX_NAMES}, not {len(names)}"
            problems.append(InvalidValue(field, message, at))
            names = names[:MAX_NAMES]
        read_names = (read(each, field, str(place)) for place, each in enumerate(names))
        lists[field] = tuple({fold_name(each): each for each in read_names}.values())
    return LabelDefinition(read(definition.name, "name"), **lists)


def _contradictions(labels: Sequence[LabelDefinition]) -> list[InvalidValue]:
    """Return what is wrong with definitions that are right each for itself."""
    problems = []
    ancestors = {each.folded: set(map(fold_name, each.parents)) for each in labels}
    meanings: dict[str, int] = {}
    for number, each in enumerate(labels):
        at = ("labels", str(number))
        for path, name in (("name", each.name), *(("aliases", alias) for alias in each.aliases)):
            other = meanings.setdefault(fold_name(name), number)
            if other != number or (path == "aliases" and fold_name(name) == each.folded):
                message = f"{name!r} is a name of label {other} already: no name means two labels"
                problems.append(InvalidValue(path, message, (*at, path)))
        above = ancestors[each.folded]
        if each.folded in above or any(each.folded in ancestors.get(up, ()) for up in above):
            problems.append(
                InvalidValue("parents", "make the label its own ancestor", (*at, "parents"))
            )
    return problems
