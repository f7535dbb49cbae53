"""Print core/domain/english_words.py: what people call each label, from two reviewed tables.

    python -m scripts.label_words >core/domain/english_words.py

The aliases stand in labeller/detectors/taxonomy.tsv, further words in scripts/label_words.tsv.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT: Final = Path(__file__).resolve().parents[1]
TAXONOMY: Final = ROOT / "labeller" / "detectors" / "taxonomy.tsv"
FURTHER: Final = ROOT / "scripts" / "label_words.tsv"
HEAD: Final = '''"""What people call each label besides its name. Written by scripts/label_words.py.

Each line has a label, its aliases, and the other words that find it.
"""

# ruff: noqa: E501  # a label's words are on one line

from __future__ import annotations

from typing import Final

LABEL_WORDS: Final = """\\
'''


def main() -> None:
    """Print the module."""
    taxonomy = TAXONOMY.read_text(encoding="utf-8").splitlines()
    further = FURTHER.read_text(encoding="utf-8").splitlines()
    rows = ("|".join(row) + "\n" for row in rows_of(taxonomy, further))
    sys.stdout.write(f'{HEAD}{"".join(rows)}"""\n')


def rows_of(taxonomy: Iterable[str], further: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return each label that has words or several ways to be spelt, with aliases and further words.

    Labels with further words come first, in the order of their table, which decides where a word
    has several labels. Exits where a row of that table names no label, or a label twice.
    """
    aliases = {label: joined for label, _, _, joined in (row.split("\t") for row in taxonomy)}
    added: dict[str, str] = {}
    for row in further:
        if not row or row.startswith("#"):
            continue
        label, joined = row.split("\t")
        if label not in aliases or label in added:
            raise SystemExit(f"{FURTHER.name}: {label} is not a label, or is there twice")
        added[label] = joined
    order = dict.fromkeys([*added, *aliases])
    rows = ((label, aliases[label], added.get(label, "")) for label in order)
    return [row for row in rows if row[1] or row[2] or not row[0].isalpha()]


if __name__ == "__main__":
    main()
