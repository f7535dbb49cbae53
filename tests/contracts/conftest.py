"""The adapters of each port. A further adapter is a further parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from core.domain.clock import Clock
from core.queues.base import Queue
from core.queues.sqlite import SqliteQueue
from core.queues.sqs import SqsQueue
from core.repositories.dynamodb.audit import DynamoAuditLog
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.connections import DynamoConnectionRepository
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.owners import DynamoOwnerRepository
from core.repositories.dynamodb.table import Table
from core.repositories.dynamodb.uploads import DynamoUploadRepository
from core.repositories.ports.audit import AuditLog
from core.repositories.ports.blobs import BlobRepository
from core.repositories.ports.connections import ConnectionRepository
from core.repositories.ports.deliveries import DeliveryRepository
from core.repositories.ports.owners import OwnerRepository
from core.repositories.ports.uploads import UploadLimits, UploadRepository
from core.repositories.sqlite.audit import SqliteAuditLog
from core.repositories.sqlite.blobs import SqliteBlobRepository
from core.repositories.sqlite.deliveries import SqliteDeliveryRepository
from core.repositories.sqlite.owners import SqliteOwnerRepository
from core.repositories.sqlite.uploads import SqliteUploadRepository
from core.storage.base import ObjectStorage
from core.storage.bucket import BucketStorage
from core.storage.files import FileStorage
from core.storage.s3 import S3Storage, client_config
from core.storage.signed_url import UrlSigner
from tests.support.aws.dynamodb import (
    DYNALITE,
    OneAtATime,
    WithTransactions,
    connections_definition,
    dynamodb_client,
    running_dynalite,
    table_definition,
)
from tests.support.aws.emulators import (
    REGION,
    Emulator,
    running_ministack,
    running_seaweedfs,
)
from tests.support.aws.ministack_queues import MiniStackQueues, clock_settings
from tests.support.aws.moto import moto_aws
from tests.support.aws.s3_and_sqs import MockAws, mocked_aws
from tests.support.node import require_node

table_numbers = count(1)


@pytest.fixture(scope="session")
def dynalite() -> Iterator[str]:
    """The URL of a running dynalite."""
    require_node(DYNALITE)
    with running_dynalite() as url:
        yield url


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A running MiniStack."""
    with running_ministack(tmp_path_factory.mktemp("ministack")) as ministack:
        yield ministack


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """An empty table on the imitation of DynamoDB that `store` names."""
    if request.getfixturevalue("store") == "moto":
        with moto_aws():
            client = dynamodb_client()
            client.create_table(TableName="records", **table_definition())
            yield Table(OneAtATime(client), "records")
    elif request.getfixturevalue("store") == "ministack":
        client = request.getfixturevalue("ministack").client("dynamodb")
        name = f"records-{next(table_numbers)}"
        client.create_table(TableName=name, **table_definition())
        yield Table(client, name)
        client.delete_table(TableName=name)
    else:
        client = dynamodb_client(request.getfixturevalue("dynalite"))
        name = f"records-{next(table_numbers)}"
        client.create_table(TableName=name, **table_definition())
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 0.01})
        yield Table(WithTransactions(client), name)
        client.delete_table(TableName=name)


# Its adapters run only with ./test --emulators, as they take minutes.
MINISTACK = pytest.param("ministack", marks=pytest.mark.emulators)


@pytest.fixture(params=["sqlite", "moto", "dynalite", MINISTACK])
def store(request: pytest.FixtureRequest) -> str:
    """The name of the database under test."""
    return str(request.param)


@pytest.fixture
def blobs(store: str, request: pytest.FixtureRequest, clock: Clock) -> BlobRepository:
    if store == "sqlite":
        return SqliteBlobRepository(request.getfixturevalue("database"), clock)
    return DynamoBlobRepository(request.getfixturevalue("table"))


@pytest.fixture
def uploads(
    store: str, request: pytest.FixtureRequest, blobs: BlobRepository
) -> Callable[[UploadLimits], UploadRepository]:
    """Makes an upload repository with the given limits, over the blobs of `blobs`."""
    if store == "sqlite":
        database = request.getfixturevalue("database")
        return lambda bounds: SqliteUploadRepository(
            database, cast("SqliteBlobRepository", blobs), bounds
        )
    table = request.getfixturevalue("table")
    return lambda bounds: DynamoUploadRepository(table, bounds)


@pytest.fixture
def deliveries(store: str, request: pytest.FixtureRequest) -> DeliveryRepository:
    if store == "sqlite":
        return SqliteDeliveryRepository(request.getfixturevalue("database"))
    return DynamoDeliveryRepository(request.getfixturevalue("table"))


@pytest.fixture
def narrow_deliveries(store: str, request: pytest.FixtureRequest) -> DeliveryRepository:
    """A delivery repository with one lease for each endpoint."""
    if store == "sqlite":
        return SqliteDeliveryRepository(request.getfixturevalue("database"), per_endpoint=1)
    return DynamoDeliveryRepository(request.getfixturevalue("table"), per_endpoint=1)


@pytest.fixture
def owners(store: str, request: pytest.FixtureRequest) -> OwnerRepository:
    """An owner repository whose new owners get the secrets whsec_1, whsec_2, ..."""
    numbers = count(1)

    def make() -> str:
        return f"whsec_{next(numbers)}"

    if store == "sqlite":
        return SqliteOwnerRepository(request.getfixturevalue("database"), make)
    return DynamoOwnerRepository(request.getfixturevalue("table"), make)


@pytest.fixture
def audit(store: str, request: pytest.FixtureRequest) -> AuditLog:
    if store == "sqlite":
        return SqliteAuditLog(request.getfixturevalue("database"))
    return DynamoAuditLog(request.getfixturevalue("table"))


@pytest.fixture(params=["moto", "dynalite", MINISTACK])
def connections(request: pytest.FixtureRequest) -> Iterator[ConnectionRepository]:
    """Only on DynamoDB: the embedded service keeps a connection's state in memory."""
    if request.param == "moto":
        with moto_aws():
            client = dynamodb_client()
            client.create_table(TableName="connections", **connections_definition())
            yield DynamoConnectionRepository(Table(OneAtATime(client), "connections"))
    elif request.param == "ministack":
        client = request.getfixturevalue("ministack").client("dynamodb")
        name = f"connections-{next(table_numbers)}"
        client.create_table(TableName=name, **connections_definition())
        yield DynamoConnectionRepository(Table(client, name))
        client.delete_table(TableName=name)
    else:
        client = dynamodb_client(request.getfixturevalue("dynalite"))
        name = f"connections-{next(table_numbers)}"
        client.create_table(TableName=name, **connections_definition())
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 0.01})
        yield DynamoConnectionRepository(Table(WithTransactions(client), name))
        client.delete_table(TableName=name)


@pytest.fixture
def aws() -> Iterator[MockAws]:
    with mocked_aws() as aws:
        yield aws


@dataclass(frozen=True)
class QueueRig:
    """Makes queues of one store, and tells what the port does not show."""

    make: Callable[..., Queue]
    dead_letters: Callable[[Any], Sequence[str]]


@pytest.fixture(scope="session")
def clocked_ministack(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Emulator, Path]]:
    """A MiniStack, and the file that holds its time."""
    folder = tmp_path_factory.mktemp("clocked")
    with running_ministack(folder, **clock_settings(folder / "clock")) as ministack:
        yield ministack, folder / "clock"


@pytest.fixture(params=["sqlite", "sqs", MINISTACK])
def queues(request: pytest.FixtureRequest) -> Iterator[QueueRig]:
    """`make(name, clock, max_receives=...)`, with a visibility timeout of a minute."""
    if request.param == "ministack":
        made = MiniStackQueues(*request.getfixturevalue("clocked_ministack"))
        yield QueueRig(made.make, made.dead_letters)
        made.close()
        return
    if request.param == "sqs":
        aws = request.getfixturevalue("aws")
        yield QueueRig(
            lambda name, clock, **options: SqsQueue(
                aws.sqs, aws.queue(name, clock=clock, **options)
            ),
            lambda queue: aws.dead_letters(queue._url),
        )
        return
    database = request.getfixturevalue("database")

    def make(name: str, clock: Clock, *, max_receives: int = 100) -> SqliteQueue:
        return SqliteQueue(
            database, name, clock, visibility=timedelta(seconds=60), max_receives=max_receives
        )

    yield QueueRig(make, lambda queue: [letter.body for letter in queue.dead_letters(100)])


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A running SeaweedFS."""
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as seaweedfs:
        yield seaweedfs


def bucket_of(emulator: Emulator) -> S3Storage:
    """Return an empty bucket of an emulator."""
    client = emulator.client("s3", client_config())
    bucket = f"pictures-{next(table_numbers)}"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return S3Storage(client, bucket)


SEAWEEDFS = pytest.param("seaweedfs", marks=pytest.mark.emulators)
BUCKET_OF_SEAWEEDFS = pytest.param("bucket of seaweedfs", marks=pytest.mark.emulators)


@pytest.fixture(params=["files", "s3", "bucket", MINISTACK, SEAWEEDFS, BUCKET_OF_SEAWEEDFS])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStorage:
    if request.param == "s3":
        aws = request.getfixturevalue("aws")
        return S3Storage(aws.s3, aws.bucket())
    if request.param in {"ministack", "seaweedfs"}:
        return bucket_of(request.getfixturevalue(request.param))
    signer = UrlSigner(b"secret", "http://localhost")
    if request.param == "bucket":
        aws = request.getfixturevalue("aws")
        return BucketStorage(tmp_path, signer, S3Storage(aws.s3, aws.bucket(), prefix="labels/"))
    if request.param == "bucket of seaweedfs":
        return BucketStorage(tmp_path, signer, bucket_of(request.getfixturevalue("seaweedfs")))
    return FileStorage(tmp_path, signer)
