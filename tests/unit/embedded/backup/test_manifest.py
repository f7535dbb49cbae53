from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from embedded.backup.manifest import (
    BackupDamaged,
    Manifest,
    Original,
    Part,
    backup_name,
    backups_in,
    by_age,
    dump_manifest,
    dump_original,
    load_manifest,
    load_original,
    original_name,
    surplus,
    unused,
)

MANIFEST = Manifest(
    created_at="2026-01-31T12:00:00.000Z",
    service="0.1.0",
    database=Part("aa" * 32, 5),
    listing=Part("bb" * 32, 7),
    originals=2,
    original_bytes=12,
    missing=("originals/anna/01",),
    damaged=("originals/anna/02",),
    number=8,
)


def test_manifest_is_read_as_it_was_written() -> None:
    assert load_manifest(dump_manifest(MANIFEST)) == MANIFEST


def test_manifest_of_the_first_format_does_not_tell_what_is_missing() -> None:
    """The very bytes that version 0.1.0 wrote."""
    first = (Path(__file__).parent / "manifest_format_1.json").read_bytes()
    manifest = load_manifest(first)
    assert (manifest.originals, manifest.lacking, manifest.recorded) == (2, 0, False)
    assert manifest.number == 0
    assert MANIFEST.recorded


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", dump_manifest(MANIFEST)[:-9], b'{"format": "1"}']
)
def test_unreadable_manifest_is_damage(content: bytes) -> None:
    with pytest.raises(BackupDamaged, match=r"manifest\.json"):
        load_manifest(content)


def test_manifest_of_a_later_program_tells_what_to_do() -> None:
    later = dump_manifest(MANIFEST).replace(b'"format": 3', b'"format": 4')
    with pytest.raises(BackupDamaged, match="update the program"):
        load_manifest(later)


def test_original_is_read_as_it_was_written() -> None:
    original = Original("originals/Zoë + Söhne/01", Part("ab" * 32, 9))
    assert load_original(dump_original(original)) == original
    assert original.name == f"originals/ab/{'ab' * 32}"


@pytest.mark.parametrize("line", ["", "a\tb\n", "a\tb\tmany\n", "a\tb\t1\t2\n"])
def test_wrong_line_of_the_listing_is_damage(line: str) -> None:
    with pytest.raises(BackupDamaged, match=r"originals\.tsv"):
        load_original(line)


def test_backups_are_named_by_their_time() -> None:
    assert backup_name(datetime(2026, 1, 31, 12, 0, 1, 999, tzinfo=UTC)) == "20260131T120001Z"


def test_name_that_is_taken_is_not_used_again() -> None:
    at = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
    assert backup_name(at, {"20260131T235959Z", "20260201T000000Z"}) == "20260201T000001Z"


def test_backup_is_whole_with_its_manifest() -> None:
    names = [
        "backups/20260201T000000Z/labelling.sqlite",
        "backups/20260131T000000Z/manifest.json",
        "backups/20260131T000000Z/labelling.sqlite",
        "backups/20260201T000000Z/.1234.manifest.json",
        "backups/notes.txt",
        original_name("ab" * 32),
    ]
    assert backups_in(names) == {"20260131T000000Z": True, "20260201T000000Z": False}


def test_newest_whole_backups_are_kept() -> None:
    backups = {"1": True, "2": True, "3": False, "4": True, "5": False}
    assert surplus(backups, ["1", "2", "4"], keep=2) == ["1", "3", "5"]
    assert surplus(backups, ["4", "1", "2"], keep=2) == ["3", "4", "5"]
    for keep in (9, None):
        assert surplus(backups, ["1", "2", "4"], keep) == ["3", "5"]


def test_age_is_told_by_numbers_and_by_names_where_there_are_none() -> None:
    assert by_age({"2026": 2, "2036": 1, "2019": 0, "2018": 0}) == ["2018", "2019", "2036", "2026"]


def test_only_pictures_that_no_backup_lists_are_unused() -> None:
    kept, other = original_name("ab" * 32), original_name("cd" * 32)
    part = f"originals/ab/.{'0' * 16}"  # what a killed backup left
    foreign = ["originals/anna/01KG9YS7KV87072TP6JK9SH9K6", f"originals/ab/{'zz' * 32}"]
    names = [kept, other, part, *foreign, "backups/1/manifest.json", "lost.txt"]
    assert list(unused(names, {kept})) == [other, part]
