"""`labelling blob`, on a data folder and on a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from core.domain.blob import Blob, FailureCode
from core.domain.delivery import Attempt, Delivery, DeliveryState, Verdict, delivery_id
from core.domain.facts import Facts
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.table import Table
from core.repositories.ports.blobs import BlobRepository
from core.repositories.ports.deliveries import DeliveryRepository
from embedded.admin.blobs import REMEDIES
from embedded.cli.main import main
from embedded.settings import Settings
from embedded.stores import open_stores
from tests.support.blobs import NOON, a_blob, failed, labelled, uploaded
from tests.support.dynamodb import REGION, dynamodb_client, table_definition
from tests.support.moto import moto_aws

HOOK = "https://example.org/hook"
TRACE = "0af7651916cd43dd8448eb211c80319c"


class Rig:
    """The blobs and webhooks of a store, and the command that shows them."""

    def __init__(
        self,
        blobs: BlobRepository,
        deliveries: DeliveryRepository,
        run: Callable[..., tuple[int, str, str]],
    ) -> None:
        self.deliveries = deliveries
        self._blobs = blobs
        self.run = run

    def store(self, *versions: Blob) -> Blob:
        self._blobs.create(versions[0])
        for before, after in pairwise(versions):
            self._blobs.save(after, before)
        return versions[-1]


@pytest.fixture(params=["folder", pytest.param("table", marks=pytest.mark.slow)])
def rig(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Rig]:
    where = ("--data", str(tmp_path)) if request.param == "folder" else ("--table", "records")

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["blob", *arguments, *where])
        return (status, *capsys.readouterr())

    if request.param == "folder":
        stores = open_stores(Settings(data=tmp_path))
        yield Rig(stores.blobs, stores.deliveries, run)
        stores.database.close()
    else:
        monkeypatch.setenv("AWS_REGION", REGION)
        with moto_aws():
            client = dynamodb_client()
            client.create_table(TableName="records", **table_definition())
            table = Table(client, "records")
            yield Rig(DynamoBlobRepository(table), DynamoDeliveryRepository(table), run)


def add_webhook(rig: Rig, blob: Blob) -> str:
    """Store a webhook of a blob that was tried once and failed for good."""
    name = delivery_id(blob.id, blob.version)
    rig.deliveries.add(Delivery(name, blob.id, blob.owner, HOOK, b"{}", NOON, NOON))
    claim = rig.deliveries.claim(name, NOON, timedelta(seconds=30))
    assert claim is not None
    rig.deliveries.finish(
        claim, Attempt(1, NOON, NOON, 500, "status"), Verdict(DeliveryState.EXHAUSTED)
    )
    return name


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
        status, out, err = rig.run(name)
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
    status, out, _ = rig.run(blob.id, "--json")
    assert status == 0
    found = json.loads(out)
    assert found["owner"] == "bea"
    assert found["status"] == "LABELLED"
    assert found["labels"] == [{"name": "Cat", "confidence": 91.25, "source": "DETECTOR"}]
    assert (found["width"], found["height"], found["detector"]) == (640, 480, "eye 1")
    assert (found["failure"], found["webhook"], found["trace_id"]) == (None, None, None)
    assert "label          91.2  Cat" in rig.run(blob.id)[1]


def test_picture_that_waits_to_be_deleted_is_shown(rig: Rig) -> None:
    first = a_blob()
    deleting = replace(first, deletes_at=NOON, deletion_set_at=NOON, edits=1, version=2)
    rig.store(first, deleting)
    assert "deletes       2026-01-31T12:00:00.123Z" in rig.run(first.id)[1].splitlines()


def test_unknown_id_is_an_error(rig: Rig) -> None:
    missing = a_blob().id
    status, out, err = rig.run(missing)
    assert (status, out) == (2, "")
    assert f"There is no blob {missing} in " in err
    status, out, err = rig.run("cat.jpg")
    assert (status, out) == (2, "")
    assert "'cat.jpg' is not the id of a blob, which has 26 letters and digits" in err


def test_every_failure_has_a_remedy() -> None:
    assert set(REMEDIES) == set(FailureCode)
