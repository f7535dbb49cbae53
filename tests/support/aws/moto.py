"""moto in place of AWS, at the least cost for each test."""

from __future__ import annotations

import copy
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import boto3
from moto import mock_aws
from moto.core import responses
from moto.core.serialize import BaseJSONSerializer
from moto.core.utils import method_names_from_class
from moto.dynamodb import models
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table


@cache
def session() -> boto3.Session:
    """Return a session that has read botocore's descriptions of services once for all tests."""
    return boto3.Session()


@contextmanager
def moto_aws() -> Iterator[None]:
    """Have AWS imitated, empty, in this process; nothing is left of it afterwards."""
    with (
        mock_aws(),
        # For which moto would have a new session made: tens of milliseconds for each client.
        patch.object(boto3, "DEFAULT_SESSION", session()),
        # moto inspects the class that handles a call at each call.
        patch.object(responses, "method_names_from_class", _method_names),
        patch.object(models, "copy", SimpleNamespace(deepcopy=_copy)),
        patch.object(models.DynamoDBBackend, "transact_write_items", _transact),
        patch.object(BaseJSONSerializer, "_serialize_type_structure", _serialize_structure),
    ):
        yield


_method_names = cache(method_names_from_class)

# moto asks each attribute value for all eleven types, by several spellings: half of its time.

_serialize_type_structure = BaseJSONSerializer._serialize_type_structure


def _serialize_structure(
    self: BaseJSONSerializer, serialized: Any, value: Any, shape: Any, key: str
) -> None:
    if shape.name != "AttributeValue" or not isinstance(value, dict):
        _serialize_type_structure(self, serialized, value, shape, key)
        return
    typed: dict[str, Any] = {}
    for kind, content in value.items():
        self._serialize(typed, content, shape.members[kind], kind)
    serialized[key] = typed


# moto copies the whole table once for each write of a transaction, to put it back if one fails.
# One copy is enough, and in it the items next to those that are written.

_transaction = threading.local()
_transact_write_items = models.DynamoDBBackend.transact_write_items


def _transact(self: models.DynamoDBBackend, writes: list[dict[str, Any]]) -> None:
    _transaction.writes = [write for each in writes for write in each.values()]
    _transaction.copies = {}
    try:
        _transact_write_items(self, writes)
    finally:
        del _transaction.writes, _transaction.copies


def _copy(original: Any) -> Any:
    if not isinstance(original, Table) or not hasattr(_transaction, "writes"):
        return copy.deepcopy(original)
    copies = _transaction.copies
    if original.name not in copies:
        copies[original.name] = _before(original, _transaction.writes)
    return copies[original.name]


def _before(table: Table, writes: list[Mapping[str, Any]]) -> Table:
    before = copy.copy(table)
    if table.stream_shard is not None:
        before.stream_shard = copy.copy(table.stream_shard)
        before.stream_shard.table = before
        before.stream_shard.items = list(table.stream_shard.items)
    before.items = defaultdict(dict, {name: dict(row) for name, row in table.items.items()})
    for write in writes:
        name = DynamoType((write.get("Key") or write["Item"])[table.hash_key_attr])
        if name in before.items:
            before.items[name] = copy.deepcopy(table.items[name])
    return before
