"""The table of all records on two stand-ins for DynamoDB: moto and dynalite.

Where either differs from what Amazon documents, the documentation wins and the difference is made
good here.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.aws.moto import session

FOLDER: Final = Path(__file__).parents[2] / "aws"
DYNALITE: Final = FOLDER / "node_modules" / "dynalite"
REGION: Final = "eu-central-1"

ATTRIBUTES: Final = (
    *("pk", "sk", "by_owner", "by_status", "by_digest", "by_name"),
    *("id", "rank", "list", "at"),
)
INDEXES: Final[dict[str, tuple[str, str]]] = {
    "by-owner": ("by_owner", "id"),
    "by-status": ("by_status", "id"),
    "by-digest": ("by_digest", "id"),
    "by-name": ("by_owner", "by_name"),
    "by-confidence": ("pk", "rank"),
    "by-list": ("list", "at"),
}
PROJECTED: Final[dict[str, tuple[str, ...]]] = {
    "by-list": ("lease_until", "owner", "name"),
    "by-digest": (),
    "by-name": (),
}


def table_definition() -> dict[str, Any]:
    """Return the parameters of CreateTable, as in serverless.yml."""
    return {
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": "S"} for name in ATTRIBUTES
        ],
        "KeySchema": _keys("pk", "sk"),
        "GlobalSecondaryIndexes": [
            {
                "IndexName": name,
                "KeySchema": _keys(*keys),
                "Projection": _projection(PROJECTED.get(name)),
            }
            for name, keys in INDEXES.items()
        ],
        "BillingMode": "PAY_PER_REQUEST",
    }


def _projection(attributes: tuple[str, ...] | None) -> dict[str, Any]:
    if attributes is None:
        return {"ProjectionType": "ALL"}
    if not attributes:
        return {"ProjectionType": "KEYS_ONLY"}
    return {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(attributes)}


def connections_definition() -> dict[str, Any]:
    """Return the parameters of CreateTable for the table of connections."""
    return {
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")
        ],
        "KeySchema": _keys("pk", "sk"),
        "BillingMode": "PAY_PER_REQUEST",
    }


def _keys(hash_name: str, range_name: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": hash_name, "KeyType": "HASH"},
        {"AttributeName": range_name, "KeyType": "RANGE"},
    ]


@cache
def dynamodb_client(endpoint: str | None = None) -> Any:
    """A client with made-up credentials, made once for all tests.

    It does not sign what moto receives in this process, as moto checks no signature.
    """
    return session().client(
        "dynamodb",
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(
            retries={"total_max_attempts": 1},
            # Else botocore would describe the machine again for each call.
            user_agent="tests",
            signature_version=None if endpoint else UNSIGNED,
        ),
    )


class OneAtATime:
    """A client whose calls don't overlap.

    DynamoDB's conditional writes are atomic; moto checks a condition and then writes, so that
    two threads may both pass.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)

        def locked(**arguments: Any) -> Any:
            with self._lock:
                return call(**arguments)

        return locked


class WithTransactions:
    """A client of dynalite, which has no transactions: here one of its own kind.

    If a write's condition fails, the writes before it are undone; the lock keeps others out.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> None:  # noqa: N803
        calls = {
            "Put": self._client.put_item,
            "Update": self._client.update_item,
            "Delete": self._client.delete_item,
        }
        assert len(TransactItems) <= 100
        with self._lock:
            undo: list[Callable[[], Any]] = []
            for n, each in enumerate(TransactItems):
                ((action, write),) = each.items()
                undo.append(self._restoring(write))
                try:
                    calls[action](**write)
                except ClientError as error:
                    for restore in undo[:n]:
                        restore()
                    raise _cancelled(error, n, len(TransactItems)) from error

    def _restoring(self, write: Mapping[str, Any]) -> Callable[[], Any]:
        """A call that undoes a write which is to come."""
        key = write.get("Key") or {name: write["Item"][name] for name in ("pk", "sk")}
        table = write["TableName"]
        before = self._client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
        if before is None:
            return partial(self._client.delete_item, TableName=table, Key=key)
        return partial(self._client.put_item, TableName=table, Item=before)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def _cancelled(error: ClientError, failed: int, count: int) -> ClientError:
    code = error.response["Error"]["Code"].removesuffix("Exception")
    reasons = [{"Code": code if n == failed else "None"} for n in range(count)]
    response: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "cancelled"},
        "CancellationReasons": reasons,
    }
    return ClientError(response, "TransactWriteItems")


@contextmanager
def running_dynalite() -> Iterator[str]:
    """Start dynalite on a free port of this machine; give its URL."""
    script = (
        "const server = require('dynalite')({createTableMs: 0, deleteTableMs: 0});"
        # On a busy machine Node would close an idle connection while a request is on its way.
        "server.keepAliveTimeout = 0;"
        "server.listen(0, '127.0.0.1', () => console.log(JSON.stringify(server.address())));"
        "process.stdin.on('close', () => process.exit(0)).resume();"
    )
    # It ends with this process, however that ends: its standard input closes.
    process = subprocess.Popen(
        ["node", "-e", script],
        cwd=FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
    finally:
        process.kill()
        process.communicate()
