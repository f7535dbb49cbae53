#!/usr/bin/env python3
"""Write the labeller's two label tables from ImageNet's classes, WordNet and our own overrides.

    scripts/make_label_table.py timm-1.0.31-py3-none-any.whl /usr/share/wordnet/data.noun

The wheel lists the thousand synsets in class order, with their lemmas; WordNet 3.0's `data.noun`
gives their hypernyms. What people would call those things, and which hypernyms are worth a label,
is judgement and stands in `label_overrides.tsv`, one `synset<TAB>label<TAB>parents` a row:

- a class's synset renames that class (otherwise its first lemma is its name);
- any other synset makes that hypernym a label (otherwise it is left out);
- `-` makes a label that WordNet has no synset for;
- parents, joined by `;`, replace the nearest kept hypernyms, and `.` stands for none at all.

Nothing is downloaded, and the same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import re
import zipfile
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

HERE = Path(__file__).resolve().parent
OVERRIDES = HERE / "label_overrides.tsv"
DETECTORS = HERE.parent / "labeller" / "detectors"
WHEEL_FOLDER = "timm/data/_info/"


@dataclass(slots=True)
class Overrides:
    """What a person decided: labels by synset, and the parents of labels."""

    labels: dict[str, str] = field(default_factory=dict)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    new: set[str] = field(default_factory=set)


def main() -> None:
    """Write both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("wheel", type=Path, help="the timm 1.0 wheel")
    parser.add_argument("nouns", type=Path, help="WordNet 3.0's data.noun")
    parser.add_argument("--into", type=Path, default=DETECTORS, help="the tables' folder")
    arguments = parser.parse_args()

    lemmas = read_classes(arguments.wheel)
    hypernyms = read_hypernyms(arguments.nouns)
    overrides = read_overrides(OVERRIDES)
    for synset in overrides.labels:
        if synset not in hypernyms:
            raise SystemExit(f"{OVERRIDES.name}: {synset} is not in WordNet")

    classes = {s: overrides.labels.get(s) or title(lemma) for s, lemma in lemmas.items()}
    taxonomy = reduced(parents_of_labels(classes, hypernyms, overrides))
    check(classes, taxonomy, overrides)

    rows = [f"{i}\t{synset}\t{label}" for i, (synset, label) in enumerate(classes.items())]
    write(arguments.into / "classes.tsv", rows)
    rows = [f"{label}\t{';'.join(parents)}" for label, parents in sorted(taxonomy.items())]
    write(arguments.into / "taxonomy.tsv", rows)
    print(f"{len(classes)} classes, {len(taxonomy)} labels")


def read_classes(wheel: Path) -> dict[str, str]:
    """Return the first lemma of each class's synset, in class order."""
    with zipfile.ZipFile(wheel) as archive:
        synsets = archive.read(WHEEL_FOLDER + "imagenet_synsets.txt").decode().split()
        lines = archive.read(WHEEL_FOLDER + "imagenet_synset_to_lemma.txt").decode().splitlines()
    lemmas = dict(line.split("\t") for line in lines)
    return {synset: lemmas[synset].split(", ")[0] for synset in synsets}


def read_hypernyms(nouns: Path) -> dict[str, list[str]]:
    """Return the direct hypernyms of each synset, as in wndb(5WN)."""
    hypernyms = {}
    for line in nouns.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):  # the licence at the top
            continue
        fields = line.split(" | ")[0].split()
        words = int(fields[3], 16)
        pointers = fields[5 + 2 * words :]
        hypernyms[f"n{fields[0]}"] = [
            f"n{offset}"
            for symbol, offset in zip(pointers[0::4], pointers[1::4], strict=False)
            if symbol in {"@", "@i"}
        ]
    return hypernyms


def read_overrides(path: Path) -> Overrides:
    """Return the reviewed names and parents."""
    overrides = Overrides()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        synset, label, parents = (*line.split("\t"), "")[:3]
        if synset in overrides.labels or (synset == "-" and label in overrides.new):
            raise SystemExit(f"{path.name}:{number}: {synset} {label} is there twice")
        if synset == "-":
            overrides.new.add(label)
        else:
            overrides.labels[synset] = label
        if parents:
            given = () if parents == "." else tuple(parents.split(";"))
            if overrides.parents.setdefault(label, given) != given:
                raise SystemExit(f"{path.name}:{number}: {label} has other parents above")
    return overrides


def title(lemma: str) -> str:
    """Return a lemma in Title Case, leaving the capitals it has."""
    return re.sub(r"(?:^|(?<=[ -]))[a-z]", lambda found: found[0].upper(), lemma)


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


def check(classes: dict[str, str], taxonomy: dict[str, list[str]], overrides: Overrides) -> None:
    """Stop at a label no class reaches, a stray root, or two spellings of one label."""
    reached = set(classes.values())
    for label in list(TopologicalSorter(taxonomy).static_order())[::-1]:
        if label in reached:
            reached.update(taxonomy[label])
    faults = [f"no class reaches {label}" for label in taxonomy.keys() - reached]
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
