"""The check of phrases finds riddles, also across lines, and leaves plain English alone."""

from __future__ import annotations

import pytest

from scripts.check_phrases import PHRASES, findings


@pytest.mark.parametrize(
    "text",
    [
        "Whoever asks",
        "the client is told",
        "the client is\n    # told of it",
        '"the client is "\n    "told"',
        "This is no picture.",
        "As often as that may be done",
        "behavior",
    ],
)
def test_riddle_is_found(text: str) -> None:
    assert list(findings("file", text))


@pytest.mark.parametrize(
    "text",
    [
        "There is no blob.",
        "It is no longer there.",
        "the doorway",
        "behaviour",
        "the client receives",
    ],
)
def test_plain_english_is_not_found(text: str) -> None:
    assert not list(findings("file", text))


def test_finding_names_its_line_and_a_remedy() -> None:
    (finding,) = findings("file", "one\ntwo anew")
    assert (finding.path, finding.line, finding.text) == ("file", 2, "anew")
    assert finding.remedy == PHRASES["anew"]
