"""Refuse phrases that make a reader stop: `python -m scripts.check_phrases`.

Each phrase is an inverted sentence, a riddle or a private word, and has a plain equivalent.
CONTRIBUTING.md says how we write.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
# Scripts have no suffix.
SUFFIXES: Final = frozenset(
    {
        *("", ".css", ".go", ".graphql", ".html", ".js", ".jsx", ".md", ".mjs", ".py", ".sh"),
        *(".sql", ".toml", ".ts", ".yml"),
    }
)
BUILT: Final = "embedded/web/"  # from web/, with others' code
EXEMPT: Final = frozenset(
    {
        "scripts/check_phrases.py",  # lists the phrases
        "tests/docs/test_phrases.py",  # tries them
        "tests/unit/api/graphql/released.graphql",  # stays as it was released
    }
)

COMPARED: Final = "better|higher|larger|less|longer|lower|more|need|secret|smaller|such|use"

# A regular expression, without regard to case, and what to write instead. A space also matches the
# end of a line of prose, of a comment, or of a string that the next line continues.
PHRASES: Final = {
    r"who(so|m)?ever": "name the actor: the client, the owner, a receiver",
    r"who (asks|asked)": "name the actor",
    r"(?-i:Who) (sends|holds|knows|wants|gives|needs|has|doesn't)": "name the actor",
    r"(is|are|was|were|be|been|being) told": "say who sends what: 'the client receives a message'",
    r"(told|tells?|telling) of": "'report', 'notify', 'publish' or 'describe'",
    r"what (it|he|she) was (said|told)": "name the thing",
    r"was said": "name the thing",
    r"wish(es|ed)? for|wished|wishes": "'request', or the name of the parameter",
    r"none that": "'not a', 'no ... that'",
    r"that it is gone": "say what was deleted",
    rf"(?<!there\s)is no(?!\s+({COMPARED})\b)": "'is not a'",
    r"as often as that": "'rate limit' or 'quota'",
    r"where it stands": "'state' or 'status'",
    r"anew": "'again'",
    r"in hand": "'in progress'",
    r"(the|upload|whose|a) doors?": "'object routes' or 'upload route'",
    r"janitor": "'maintenance'",
    r"troubles?": "'error'",
    r"elsewhere than": "'except in', 'outside'",
    r"(brings?|bringing|brought) about": "'cause'",
    r"(says?|said|saying) so": "say what it states, or leave it out",
    r"likewise": "'also', or repeat the verb",
    r"but for": "'except'",
    r"on record": "'stored'",
    r"looked at": "'read', 'labelled' or 'detected'",
    r"(?-i:[Ll]abel(ed|ing))": "British spelling: 'labelled', 'labelling'",
    r"behaviors?|cancel(ed|ing)|favorites?|neighbors?": "British spelling",
}
BREAK: Final = r"""(?:\s|\#|//|"|\bf"|')+"""


class Finding(NamedTuple):
    """A phrase in a file."""

    path: str
    line: int
    text: str
    remedy: str


def findings(path: str, text: str) -> Iterator[Finding]:
    """Return the phrases in a text, in the order of the table."""
    for phrase, remedy in PHRASES.items():
        for found in re.finditer(rf"\b(?:{phrase.replace(' ', BREAK)})\b", text, re.IGNORECASE):
            line = text.count("\n", 0, found.start()) + 1
            yield Finding(path, line, " ".join(found[0].split()), remedy)


def main() -> int:
    """Print every finding in the checked files; return 1 if there are any."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = [
        finding
        for path in listed.stdout.split("\0")
        if Path(path).suffix in SUFFIXES
        and path not in EXEMPT
        and not path.startswith(BUILT)
        and (ROOT / path).is_file()
        for finding in findings(path, (ROOT / path).read_text())
    ]
    for finding in found:
        print(f'{finding.path}:{finding.line}: "{finding.text}": write {finding.remedy}')
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
