"""`labelling blobs`, on a data folder and on a table."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from core.domain.blob import Blob
from core.domain.facts import Facts
from embedded.admin import blob_search
from tests.support.blobs import NOON, a_blob, failed, uploaded
from tests.unit.embedded.cli.conftest import HOOK, Rig, add_webhook

SECOND = timedelta(seconds=1)


def stored(rig: Rig, number: int, *, status: str = "AWAITING_UPLOAD", name: str = "") -> Blob:
    """Store a picture of anna that was created so many seconds after noon."""
    first = a_blob(NOON + number * SECOND, callback_url=HOOK, facts=Facts(file_name=name or None))
    received = uploaded(first)
    versions = {"AWAITING_UPLOAD": (), "LABELLING": (received,)}
    return rig.store(first, *versions.get(status, (received, failed(received))))


def ids(out: str) -> list[str]:
    return [line.split()[0] for line in out.splitlines()]


def test_stuck_picture_of_an_owner_is_found(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """By indexes: nothing reads all pictures."""
    stuck = stored(rig, 1, status="LABELLING", name="cat\x1b.jpg")
    broken = stored(rig, 2, status="FAILED")
    add_webhook(rig, broken)
    stored(rig, 3)
    rig.store(a_blob(owner="boris"))

    def fail(*_: object, **__: object) -> Any:
        raise AssertionError("all pictures are read")

    monkeypatch.setattr("embedded.cli.blobs.check_owner_exists", lambda *_: None)
    monkeypatch.setattr(type(rig.blobs), "scan", fail)
    status, out, err = rig.run("blobs", "--owner", "anna", "--status", "labelling")
    assert (status, err) == (0, "")
    assert out == f"{stuck.id}  2026-01-31T12:00:01.123Z  LABELLING        cat\\x1b.jpg\n"
    _, out, _ = rig.run("blobs", "--owner", "anna", "--status", "LABELLING", "--status", "FAILED")
    assert ids(out) == [broken.id, stuck.id]
    assert out.splitlines()[0].endswith("  CORRUPT_IMAGE  webhook exhausted")


def test_pages_follow_each_other_newest_first(rig: Rig) -> None:
    made = [stored(rig, number).id for number in range(5)]
    found: list[str] = []
    after: list[str] = []
    while True:
        status, out, err = rig.run("blobs", "--owner", "anna", "--first", "2", *after)
        assert status == 0
        found += ids(out)
        if not err:
            break
        after = ["--after", found[-1]]
        assert err == f"There are more: add --after {found[-1]}.\n"
    assert found == made[::-1]


def test_file_name_is_found_by_its_start_newest_first(rig: Rig) -> None:
    """The index has the order of the names."""
    old = stored(rig, 1, name="Cat 2.jpg")
    new = stored(rig, 2, name="cat 1.jpg", status="FAILED")
    stored(rig, 3, name="dog.jpg")
    stored(rig, 4)
    named = ("blobs", "--owner", "anna", "--file-name", "CAT")
    assert ids(rig.run(*named)[1]) == [new.id, old.id]
    assert ids(rig.run(*named, "--after", new.id)[1]) == [old.id]
    assert ids(rig.run(*named, "--status", "FAILED")[1]) == [new.id]
    assert rig.run(*named, "--status", "EXPIRED") == (
        0,
        "",
        "The owner anna has no such pictures.\n",
    )


def test_name_of_too_many_pictures_is_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        stored(rig, number, name=f"IMG {number}.jpg")
    monkeypatch.setattr(blob_search, "MAX_NAMED", 2)
    status, _, err = rig.run("blobs", "--owner", "anna", "--file-name", "img")
    assert (status, "give more of the name" in err) == (1, True)
    monkeypatch.setattr(blob_search, "MAX_NAMED", 3)
    assert rig.run("blobs", "--owner", "anna", "--file-name", "img")[0] == 0


def test_json_has_what_the_command_about_one_prints(rig: Rig) -> None:
    one, two = (stored(rig, number, status="FAILED") for number in range(2))
    add_webhook(rig, two)
    status, out, err = rig.run("blobs", "--owner", "anna", "--first", "1", "--json")
    assert (status, err) == (0, "")
    page = json.loads(out)
    assert page["items"] == [json.loads(rig.run("blob", two.id, "--json")[1])]
    assert page["after"] == two.id
    _, out, _ = rig.run("blobs", "--owner", "anna", "--after", two.id, "--json")
    page = json.loads(out)
    assert ([each["id"] for each in page["items"]], page["after"]) == ([one.id], None)


def test_unknown_owner_and_cursor_are_errors(rig: Rig) -> None:
    stored(rig, 1)
    status, _, err = rig.run("blobs", "--owner", "ana")
    assert (status, "There is no owner 'ana'" in err) == (2, True)
    status, _, err = rig.run("blobs", "--owner", "anna", "--after", "cat.jpg")
    assert (status, "not the id of a blob" in err) == (1, True)
