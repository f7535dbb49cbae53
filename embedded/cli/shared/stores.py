"""The stores that commands work on: those of a data folder, or those of a service on AWS."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from core.domain.delivery import delivery_job
from core.domain.owner import new_secret
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.owners import DynamoOwnerRepository
from core.repositories.dynamodb.table import Table
from embedded.aws_clients import aws_client
from embedded.cli.shared.errors import MissingFolder
from embedded.data.encryption import check_service_has_key, load_keys
from embedded.data.folder import DATABASE
from embedded.data.lock import is_served
from embedded.stores import open_stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from core.repositories.ports.blobs import BlobRepository
    from core.repositories.ports.deliveries import DeliveryRepository
    from core.repositories.ports.owners import OwnerRepository
    from embedded.settings import Settings
    from embedded.stores import Stores

table_option = click.option(
    "--table",
    metavar="NAME",
    help="On AWS: the DynamoDB table. Credentials and region are those of the AWS CLI.",
)


@contextmanager
def opened_stores(settings: Settings, *, new: bool = False) -> Iterator[Stores]:
    """Open the stores of the data folder and close them at the end.

    The folder must have a database. With `new` it must exist, and may lack one. Raises
    MissingFolder.
    """
    _check_data_folder(settings.data, new=new)
    stores = open_stores(settings)
    try:
        yield stores
    finally:
        stores.database.close()


@contextmanager
def opened_secrets(settings: Settings) -> Iterator[Stores]:
    """Open the stores as `opened_stores` does, for a command that encrypts secrets.

    Raises KeyUnknownToService where a running service could not read them.
    """
    with opened_stores(settings) as stores:
        if is_served(settings.data):
            check_service_has_key(stores.database, stores.secret_keys)
        yield stores


def _check_data_folder(data: Path, *, new: bool) -> None:
    if not data.exists():
        problem = f"There is no folder {data.absolute()}."
    elif data.is_dir() and not new and not (data / DATABASE).exists():
        problem = f"{data.absolute()} is not a data folder: it has no {DATABASE}."
    else:
        return
    raise MissingFolder(
        f"{problem} Name the service's data folder with --data or LABELLING_DATA, or start the"
        " service once: it creates the folder."
    )


@contextmanager
def opened_owners(
    settings: Settings, table: str | None, *, new: bool = False, encrypts: bool = False
) -> Iterator[OwnerRepository]:
    """Open the owners of a DynamoDB table, or those of the data folder where none is named.

    `new` and the errors are as in `opened_stores`, with `encrypts` as in `opened_secrets`.
    """
    if table:
        yield DynamoOwnerRepository(dynamodb_table(table), new_secret, load_keys(settings))
    elif encrypts:
        with opened_secrets(settings) as stores:
            yield stores.owners
    else:
        with opened_stores(settings, new=new) as stores:
            yield stores.owners


@contextmanager
def opened_blobs(settings: Settings, table: str | None) -> Iterator[BlobRepository]:
    """Open the blobs of a DynamoDB table, or those of the data folder where none is named."""
    if table:
        yield DynamoBlobRepository(dynamodb_table(table))
    else:
        with opened_stores(settings) as stores:
            yield stores.blobs


@contextmanager
def opened_deliveries(
    settings: Settings, table: str | None
) -> Iterator[tuple[DeliveryRepository, Callable[[str], None]]]:
    """Open the deliveries, with a function that queues a delivery by its id.

    On AWS the function does nothing: the sweep of the notifier finds what is due.
    """
    if table:
        yield DynamoDeliveryRepository(dynamodb_table(table)), lambda _: None
    else:
        with opened_stores(settings) as stores:
            yield stores.deliveries, lambda each: stores.delivery_queue.send(delivery_job(each))


def dynamodb_table(name: str) -> Table:
    """Return a DynamoDB table. Raises Unavailable."""
    return Table(aws_client("dynamodb"), name)
