"""Clients' facts: their limits, their names in the indexes, and file names from a file system."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.facts import (
    INDEXED_NAME,
    MAX_METADATA,
    MAX_PAIRS,
    cleaned_name,
    indexed_name,
    pair_name,
    problems_in,
)

Pairs = list[tuple[str, str]]


def fields(
    file_name: str | None = None, external_id: str | None = None, metadata: Pairs | None = None
) -> list[tuple[str, ...]]:
    return [each.path for each in problems_in(file_name, external_id, metadata or [])]


@pytest.mark.parametrize(
    "name", ["a", "a b.jpg", "Straße ☃ 👩‍🚀.jpeg", "n" * 255, ".hidden", "..."]
)
def test_file_names_are_allowed(name: str) -> None:
    assert fields(name, name, [("name", name), ("k" * 64, "v" * 256)]) == []


@pytest.mark.parametrize(
    "name", ["", "n" * 256, "a\nb", "a\x00", "\x7f", "\x85", "\u2028", "\ud800", "a\tb"]
)
def test_texts_that_are_too_long_or_have_control_characters_are_refused(name: str) -> None:
    assert fields(file_name=name) == [("fileName",)]
    assert fields(external_id=name) == [("externalId",)]
    assert ("metadata", "1", "value") in fields(metadata=[("a", "b"), ("b", f"{name}\x01")])


@pytest.mark.parametrize("name", [".", "..", "a/b.jpg", "C:\\a.jpg", "/"])
def test_names_of_folders_are_refused(name: str) -> None:
    assert fields(file_name=name) == [("fileName",)]
    assert fields(external_id=name) == []


def test_a_repeated_key_is_refused_where_it_is() -> None:
    pairs = [("album", "a"), ("year", "1"), ("album", "b"), ("Album", "c")]
    assert fields(metadata=pairs) == [("metadata", "2", "key")]


def test_metadata_has_limits_of_pairs_and_of_bytes() -> None:
    assert fields(metadata=[(f"k{n}", "v") for n in range(MAX_PAIRS)]) == []
    assert fields(metadata=[(f"k{n}", "v") for n in range(MAX_PAIRS + 1)]) == [("metadata",)]
    assert fields(metadata=[("k", ""), ("", "v"), ("k" * 65, "v"), ("l", "v" * 257)]) == [
        ("metadata", "0", "value"),
        ("metadata", "1", "key"),
        ("metadata", "2", "key"),
        ("metadata", "3", "value"),
    ]
    full = [(f"{n:02}", "é" * 126 + "ab") for n in range(MAX_METADATA // 256)]
    assert sum(len(text.encode()) for pair in full for text in pair) == MAX_METADATA
    assert fields(metadata=full) == []
    assert fields(metadata=[*full, ("x", "y")]) == [("metadata",)]


@given(st.text())
def test_a_cleaned_name_is_allowed(name: str) -> None:
    cleaned = cleaned_name(name)
    assert cleaned is None or fields(file_name=cleaned) == []


def test_a_cleaned_name_keeps_what_is_allowed() -> None:
    assert cleaned_name("Straße 1.jpg") == "Straße 1.jpg"
    assert cleaned_name("a\nb/c\udc80.jpg") == "a_b_c_.jpg"
    assert cleaned_name("x" * 300 + ".jpg") == "x" * 251 + ".jpg"
    assert cleaned_name("") is None


def test_an_indexed_name_is_folded_and_cut() -> None:
    assert indexed_name("STRASSE.JPG") == indexed_name("Straße.jpg")
    assert len(indexed_name("ΐ" * 255)) == INDEXED_NAME


def test_different_pairs_have_different_lists() -> None:
    assert (
        len({pair_name(each) for each in [("a", "b c"), ("a b", "c"), ("a", "b"), ("b", "a")]}) == 4
    )
