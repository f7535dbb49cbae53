"""The commands about pictures, on a data folder and on a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from core.domain.blob import Blob
from core.domain.delivery import Attempt, Delivery, DeliveryState, Verdict, delivery_id
from core.repositories.dynamodb.audit import DynamoAuditLog
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.table import Table
from core.repositories.ports.audit import AuditLog
from core.repositories.ports.blobs import BlobRepository
from core.repositories.ports.deliveries import DeliveryRepository
from embedded.cli.main import main
from embedded.settings import Settings
from embedded.stores import open_stores
from tests.support.aws.dynamodb import REGION, dynamodb_client, table_definition
from tests.support.aws.moto import moto_aws
from tests.support.blobs import NOON

HOOK = "https://example.org/hook"


class Rig:
    """The blobs and webhooks of a store, and the command that shows them."""

    def __init__(
        self,
        blobs: BlobRepository,
        deliveries: DeliveryRepository,
        run: Callable[..., tuple[int, str, str]],
    ) -> None:
        self.deliveries = deliveries
        self.blobs = blobs
        self.run = run

    def store(self, *versions: Blob) -> Blob:
        self.blobs.create(versions[0])
        for before, after in pairwise(versions):
            self.blobs.save(after, before)
        return versions[-1]


class Records(NamedTuple):
    """The stores of a service, and the options that name them to a command."""

    blobs: BlobRepository
    deliveries: DeliveryRepository
    audit: AuditLog
    where: tuple[str, str]


@pytest.fixture(params=["folder", pytest.param("table", marks=pytest.mark.slow)])
def records(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Records]:
    if request.param == "folder":
        stores = open_stores(Settings(data=tmp_path))
        where = ("--data", str(tmp_path))
        yield Records(stores.blobs, stores.deliveries, stores.audit, where)
        stores.database.close()
    else:
        monkeypatch.setenv("AWS_REGION", REGION)
        with moto_aws():
            client = dynamodb_client()
            client.create_table(TableName="records", **table_definition())
            table = Table(client, "records")
            yield Records(
                DynamoBlobRepository(table),
                DynamoDeliveryRepository(table),
                DynamoAuditLog(table),
                ("--table", "records"),
            )


@pytest.fixture
def rig(records: Records, capsys: pytest.CaptureFixture[str]) -> Rig:
    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main([*arguments, *records.where])
        return (status, *capsys.readouterr())

    return Rig(records.blobs, records.deliveries, run)


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
