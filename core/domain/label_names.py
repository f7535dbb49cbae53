"""What a name that a person types may mean among the labels in use. Pure.

The words are English. A table of another language would be one more to look in.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Final

from core.domain.english_words import LABEL_WORDS

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

MIN_PREFIX: Final = 3  # letters; shorter ones start too many words
MAX_BY_WORD: Final = 40  # labels that a page adds for words that start with a prefix

# Of words that have other plurals than the rules below give.
_SINGULARS: Final = {
    "children": "child",
    "dice": "die",
    "feet": "foot",
    "geese": "goose",
    "lice": "louse",
    "men": "man",
    "mice": "mouse",
    "oxen": "ox",
    "people": "person",
    "teeth": "tooth",
    "women": "woman",
    "cacti": "cactus",
    "fungi": "fungus",
    "octopi": "octopus",
    "scarves": "scarf",
    "wharves": "wharf",
    "leaves": "leaf",
    "sheaves": "sheaf",
    "thieves": "thief",
}
_PLURALS: Final = {singular: plural for plural, singular in _SINGULARS.items()}
# Endings of plurals, and those of the singulars that they may have, likeliest first.
_ENDINGS: Final = (
    ("ies", ("y", "ie")),
    ("ves", ("f", "fe", "ve")),
    ("sses", ("ss",)),
    ("zzes", ("z",)),
    ("ches", ("ch", "che")),
    ("shes", ("sh",)),
    ("xes", ("x", "xe")),
    ("oes", ("o", "oe")),
    ("men", ("man",)),
    ("ses", ("se", "s")),
    ("zes", ("ze", "z")),
    ("ss", ()),
    ("us", ("u",)),
    ("s", ("",)),
)


@dataclass(frozen=True, slots=True)
class _Words:
    """The table of words, by their letters.

    `labels` are those of each word, those that it is an alias of first. `aliases` are the words
    that mean the same as a label. `sorted` has each folded word, its label and the word as written.
    """

    labels: Mapping[str, Sequence[str]]
    aliases: Mapping[str, Sequence[str]]
    sorted: Sequence[tuple[str, str, str]]


def possible_labels(name: str) -> list[str]:
    """Return the folded names of labels that a name may mean, likeliest first.

    The first is the name itself; then come its singular, the labels that it is another word for,
    their aliases, and its plural. Which of them are in use decides.
    """
    folded = fold_name(name)
    forms = [folded, *_singulars(folded)]
    table = _table()
    named = [label for form in forms for label in table.labels.get(_letters(form), ())]
    same = [word for each in (*forms, *named) for word in table.aliases.get(_letters(each), ())]
    plural = [] if len(forms) > 1 else [plural_of(folded)]
    return list(dict.fromkeys([*forms, *named, *same, *plural]))


def labels_by_word(prefix: str) -> dict[str, str]:
    """Return labels, by folded name, of which another word starts with a prefix, and that word.

    For a plural its singular counts too, and the word then is the prefix. Labels whose own name
    starts with the prefix are left out. At most MAX_BY_WORD.
    """
    folded = fold_name(prefix)
    if len(_letters(folded)) < MIN_PREFIX:
        return {}
    table = _table()
    found: dict[str, str] = {}
    for form in _singulars(folded):
        for label in (form, *table.labels.get(_letters(form), ())):
            found.setdefault(label, prefix.strip())
    words = table.sorted
    for word, label, written in words[bisect_left(words, (folded,)) :]:
        if not word.startswith(folded):
            break
        found.setdefault(label, written)
    others = ((label, word) for label, word in found.items() if not label.startswith(folded))
    return dict(islice(others, MAX_BY_WORD))


def first_in_use(name: str, in_use: Container[str]) -> str | None:
    """Return the folded name of the label in use that a name means; None: there is none."""
    return next((label for label in possible_labels(name) if label in in_use), None)


def fold_name(name: str) -> str:
    """Return a name as names are compared: without its case and outer spaces."""
    return name.strip().casefold()


@cache
def _table() -> _Words:
    labels: dict[str, list[str]] = {}
    rows = [
        (label.casefold(), aliases.split(";") if aliases else [], further.split(";"))
        for label, aliases, further in (row.split("|") for row in LABEL_WORDS.splitlines())
    ]
    for label, aliases, _ in rows:
        for word in (label, *aliases):
            labels.setdefault(_letters(word), []).append(label)
    for label, _, further in rows:
        for word in filter(None, further):
            labels.setdefault(_letters(word), []).append(label)
    return _Words(
        labels=labels,
        aliases={_letters(label): [each.casefold() for each in own] for label, own, _ in rows},
        sorted=sorted(
            (word.casefold(), label, word)
            for label, *own in rows
            for words in own
            for word in filter(None, words)
        ),
    )


def _singulars(folded: str) -> Iterator[str]:
    """Yield what may be the singular of a name, whose last word is the noun."""
    start, last = _last_word(folded)
    if last in _SINGULARS:
        yield start + _SINGULARS[last]
        return
    for ending, singulars in _ENDINGS:
        if last.endswith(ending) and len(last) > len(ending) + 1:
            yield from (start + last.removesuffix(ending) + each for each in singulars)
            return


def plural_of(folded: str) -> str:
    """Return the plural of a folded name."""
    start, last = _last_word(folded)
    if last in _PLURALS:
        return start + _PLURALS[last]
    if re.search(r"[^aeiou]y$", last):
        return f"{start}{last[:-1]}ies"
    return folded + ("es" if re.search(r"(s|x|z|ch|sh)$", last) else "s")


def _last_word(folded: str) -> tuple[str, str]:
    start, space, last = folded.rpartition(" ")
    return start + space, last


def _letters(name: str) -> str:
    """Return what two spellings of one name have in common: T-Shirt, tee shirt, teeshirt."""
    return re.sub(r"[\W_]", "", name.casefold())
