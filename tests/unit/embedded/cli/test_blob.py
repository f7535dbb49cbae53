"""`labelling blob`, on a data folder and on a table."""

from __future__ import annotations

import json
from dataclasses import replace

from core.domain.blob import FailureCode
from core.domain.facts import Facts
from embedded.admin.blobs import REMEDIES
from tests.support.blobs import NOON, a_blob, failed, labelled, uploaded
from tests.unit.embedded.cli.conftest import HOOK, Rig, add_webhook

TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_failed_picture_is_shown_with_what_to_do_and_its_webhook(rig: Rig) -> None:
    first = a_blob(
        callback_url=HOOK,
        traceparent=f"00-{TRACE}-b7ad6b7169203331-01",
        facts=Facts(file_name="cat\n\x1b[31m.jpg"),
    )
    received = uploaded(first)
    blob = rig.store(first, received, failed(received))
    webhook = add_webhook(rig, blob)
    for name in (blob.id, blob.id.lower(), blob.key, webhook):
        status, out, err = rig.run("blob", name)
        assert (status, err) == (0, "")
        assert out.splitlines()[:3] == [
            f"id            {blob.id}",
            "owner         anna",
            "status        FAILED",
        ]
    assert "\x1b" not in out
    found = dict(line.split("  ", 1) for line in out.splitlines())
    shown = {name: value.strip() for name, value in found.items()}
    assert shown["size"] == "5 bytes"
    assert shown["failure"] == "CORRUPT_IMAGE: The picture breaks off."
    assert shown["what to do"] == REMEDIES[FailureCode.CORRUPT_IMAGE]
    assert shown["webhook"] == f"{webhook}  exhausted  2026-01-31T12:00:00.123Z  {HOOK}"
    assert shown["attempt"] == (
        "1  2026-01-31T12:00:00.123Z  The receiver answered with status 500."
    )
    assert shown["trace"] == TRACE
    assert shown["log"] == f"search it for {blob.id}"


def test_labelled_picture_is_shown_as_json(rig: Rig) -> None:
    first = a_blob(owner="bea")
    received = uploaded(first)
    blob = rig.store(first, received, labelled(received, ("Cat", 91.25)))
    status, out, _ = rig.run("blob", blob.id, "--json")
    assert status == 0
    found = json.loads(out)
    assert found["owner"] == "bea"
    assert found["status"] == "LABELLED"
    assert found["labels"] == [{"name": "Cat", "confidence": 91.25, "source": "DETECTOR"}]
    assert (found["width"], found["height"], found["detector"]) == (640, 480, "eye 1")
    assert (found["failure"], found["webhook"], found["trace_id"]) == (None, None, None)
    assert "label          91.2  Cat" in rig.run("blob", blob.id)[1]


def test_picture_that_waits_to_be_deleted_is_shown(rig: Rig) -> None:
    first = a_blob()
    deleting = replace(first, deletes_at=NOON, deletion_set_at=NOON, edits=1, version=2)
    rig.store(first, deleting)
    assert "deletes       2026-01-31T12:00:00.123Z" in rig.run("blob", first.id)[1].splitlines()


def test_unknown_id_is_an_error(rig: Rig) -> None:
    missing = a_blob().id
    status, out, err = rig.run("blob", missing)
    assert (status, out) == (2, "")
    assert f"There is no blob {missing} in " in err
    status, out, err = rig.run("blob", "cat.jpg")
    assert (status, out) == (2, "")
    assert "'cat.jpg' is not the id of a blob, which has 26 letters and digits" in err


def test_every_failure_has_a_remedy() -> None:
    assert set(REMEDIES) == set(FailureCode)
