"""Print how many labels are found by what WordNet calls them, in the singular and the plural.

    python -m scripts.measure_label_words timm-1.0.31-py3-none-any.whl /usr/share/wordnet/data.noun

A label is found if each of its words may mean it (`core/domain/label_names.py`). Scientific names,
names of other labels and words that label_overrides.tsv rejects do not count. It ends with 1 below
the goal of 98%.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from core.domain.label_names import plural_of, possible_labels
from scripts.make_label_table import (
    OVERRIDES,
    letters,
    read_classes,
    read_nouns,
    read_overrides,
    title,
)

GOAL: Final = 0.98


def main(wheel: str, nouns_file: str) -> int:
    """Print the share and what is missing."""
    nouns, overrides = read_nouns(Path(nouns_file)), read_overrides(OVERRIDES)
    classes = {
        synset: overrides.labels.get(synset) or title(lemma)
        for synset, lemma in read_classes(Path(wheel)).items()
    }
    genera = {
        word.removeprefix("genus ")
        for noun in nouns.values()
        for word in noun.words
        if word.startswith("genus ")
    }
    words: dict[str, set[str]] = {label: {label} for label in overrides.new}
    for synset, label in (overrides.labels | classes).items():
        plain = {word for word in nouns[synset].words if word.split(" ")[0] not in genera}
        words.setdefault(label, {label}).update(plain)
    others = {letters(label) for label in words} | overrides.unwanted
    missed = {
        label: wrong
        for label, own in words.items()
        if (
            wrong := sorted(
                form
                for word in own
                if word == label or letters(word) not in others
                for form in (word, plural_of(word.casefold()))
                if label.casefold() not in possible_labels(form)
            )
        )
    }
    share = 1 - len(missed) / len(words)
    for label, wrong in sorted(missed.items()):
        print(f"{label}: {', '.join(wrong)}")
    print(f"{share:.1%} of {len(words)} labels are found by each of their words")
    return 0 if share >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
