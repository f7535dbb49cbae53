"""A client's own facts about a picture: file name, external id, metadata. Pure."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from core.domain.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_FILE_NAME: Final = 255  # characters, as most file systems allow
MAX_EXTERNAL_ID: Final = 255
MAX_EXTERNAL_IDS: Final = 100  # in one filter
MAX_PAIRS: Final = 20
MAX_KEY: Final = 64
MAX_VALUE: Final = 256
# Bytes of all keys and values in UTF-8: a webhook's body of 20 kB contains them in full.
MAX_METADATA: Final = 4096
# Characters of a folded name that the index of names contains: 800 bytes at most, and an id.
INDEXED_NAME: Final = 200

# Unicode's general categories of controls, surrogates, and ends of lines and paragraphs.
_CONTROLS: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


class Pair(NamedTuple):
    """A key of metadata and its value."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a client says about a picture. `metadata` is ordered by key; no key is repeated.

    No two blobs of an owner have the same `external_id`.
    """

    file_name: str | None = None
    external_id: str | None = None
    metadata: tuple[Pair, ...] = ()


NO_FACTS: Final = Facts()


def metadata_of(pairs: Iterable[tuple[str, str]]) -> tuple[Pair, ...]:
    """Return pairs as `Facts` has them."""
    return tuple(sorted(Pair(*each) for each in pairs))


def problems_in(
    file_name: str | None, external_id: str | None, metadata: Sequence[tuple[str, str]]
) -> Iterator[InvalidValue]:
    """Yield what is wrong with facts as a client gives them."""
    if file_name is not None:
        yield from _in_text("fileName", file_name, MAX_FILE_NAME)
        if file_name in (".", "..") or set("/\\").intersection(file_name):
            yield InvalidValue("fileName", "must be the name of a file, without its folders")
    if external_id is not None:
        yield from _in_text("externalId", external_id, MAX_EXTERNAL_ID)
    yield from _in_metadata(metadata)


def _in_metadata(pairs: Sequence[tuple[str, str]]) -> Iterator[InvalidValue]:
    if len(pairs) > MAX_PAIRS:
        yield InvalidValue("metadata", f"must have at most {MAX_PAIRS} pairs, not {len(pairs)}")
        return
    found: dict[str, int] = {}
    for number, (key, value) in enumerate(pairs):
        path = ("metadata", str(number))
        yield from _in_text("key", key, MAX_KEY, (*path, "key"))
        yield from _in_text("value", value, MAX_VALUE, (*path, "value"))
        if found.setdefault(key, number) != number:
            yield InvalidValue("key", f"repeats that of pair {found[key]}", (*path, "key"))
    size = sum(len(text.encode(errors="replace")) for pair in pairs for text in pair)
    if size > MAX_METADATA:
        message = f"must have at most {MAX_METADATA} bytes in all, in UTF-8, not {size}"
        yield InvalidValue("metadata", message)


@dataclass(frozen=True, slots=True)
class FactsFilter:
    """A filter of blobs by facts. What is None or empty matches all.

    The start of a name is compared without regard to case. `external_ids` are alternatives; a blob
    must have all pairs of `metadata`.
    """

    file_name_prefix: str | None = None
    external_ids: tuple[str, ...] = ()
    metadata: tuple[Pair, ...] = ()

    def normalized(self) -> FactsFilter:
        """Return an equivalent filter: its prefix as the index has it, nothing repeated.

        Raises InvalidValue: a condition is out of range; the message tells what to change.
        """
        _check_conditions(self)
        return FactsFilter(
            None if self.file_name_prefix is None else self.file_name_prefix.casefold(),
            tuple(sorted(set(self.external_ids))),
            tuple(dict.fromkeys(self.metadata)),
        )

    @property
    def is_contradictory(self) -> bool:
        """Whether no blob can match, because a key would have two values."""
        return len({each.key for each in self.metadata}) < len(set(self.metadata))

    def matches(self, facts: Facts) -> bool:
        """Tell whether a blob with these facts matches."""
        name, prefix = facts.file_name, self.file_name_prefix
        return (
            (prefix is None or (name is not None and indexed_name(name).startswith(prefix)))
            and (not self.external_ids or facts.external_id in self.external_ids)
            and set(facts.metadata).issuperset(self.metadata)
        )


NO_CONDITIONS: Final = FactsFilter()


def _check_conditions(wanted: FactsFilter) -> None:
    prefix = wanted.file_name_prefix
    if prefix is not None and (
        not prefix or len(prefix.casefold()) > INDEXED_NAME or any(map(_is_control, prefix))
    ):
        raise _refused(
            "fileNamePrefix",
            f"must have 1 to {INDEXED_NAME} characters, and no control characters",
        )
    if len(wanted.external_ids) > MAX_EXTERNAL_IDS:
        raise _refused("externalIds", f"name at most {MAX_EXTERNAL_IDS} ids")
    if len(wanted.metadata) > MAX_PAIRS:
        raise _refused("metadata", f"name at most {MAX_PAIRS} pairs")


def _refused(field: str, message: str) -> InvalidValue:
    return InvalidValue(field, message, ("filter", field))


def cleaned_name(name: str) -> str | None:
    """Return a name of a file system as a valid file name; None if nothing is left of it."""
    text = "".join("_" if each in "/\\" or _is_control(each) else each for each in name)
    text = text[-MAX_FILE_NAME:]  # with its suffix
    return None if text in ("", ".", "..") else text


def indexed_name(name: str) -> str:
    """Return a file name as the index of names has it: folded, and its start alone."""
    return name.casefold()[:INDEXED_NAME]


def pair_name(pair: tuple[str, str]) -> str:
    """Return the name of the list of blobs that have a pair of metadata."""
    return "\t".join(pair)


def _in_text(
    field: str, text: str, most: int, path: tuple[str, ...] | None = None
) -> Iterator[InvalidValue]:
    if not 1 <= len(text) <= most:
        yield InvalidValue(field, f"must have 1 to {most} characters, not {len(text)}", path)
    if any(map(_is_control, text)):
        yield InvalidValue(field, "must have no control characters or ends of lines", path)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in _CONTROLS
