"""Parts of DynamoDB requests: keys, expressions, and the writes of a transaction. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

Item = Mapping[str, Mapping[str, Any]]

KEY_BYTES: Final = 1000  # DynamoDB: 2048 bytes of partition key, 1024 of sort key

_NAME: Final = re.compile(r"#(\w+)")


def key(pk: str, sk: str) -> Item:
    """Return a primary key as attribute values."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def transact_put(item: Item, condition: str | None = None, **values: Any) -> dict[str, Any]:
    """Return a put for `Table.transact`."""
    return {"Put": {"Item": item, **expression_arguments(condition, values)}}


def transact_update(
    pk: str, sk: str, expression: str, condition: str | None = None, **values: Any
) -> dict[str, Any]:
    """Return an update for `Table.transact`."""
    parts = expression_arguments(condition, values, expression)
    return {"Update": {"Key": key(pk, sk), "UpdateExpression": expression, **parts}}


def transact_delete(
    pk: str, sk: str, condition: str | None = None, **values: Any
) -> dict[str, Any]:
    """Return a delete for `Table.transact`."""
    return {"Delete": {"Key": key(pk, sk), **expression_arguments(condition, values)}}


def escape_key(text: str) -> str:
    """Escape `#` in a text that is part of a key, so that different texts give different keys."""
    return text.replace("%", "%25").replace("#", "%23")


def fits_key(*texts: str) -> bool:
    """Tell whether texts are valid as key attributes: not empty, and not too long."""
    return all(0 < len(text.encode()) <= KEY_BYTES for text in texts)


def expression_arguments(
    condition: str | None, values: Mapping[str, Any], *others: str
) -> dict[str, Any]:
    """Return the request's condition, values, and names that the expressions use as `#name`."""
    parts: dict[str, Any] = {}
    if condition:
        parts["ConditionExpression"] = condition
    names = _NAME.findall(" ".join((condition or "", *others)))
    if names:
        parts["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
    if values:
        parts["ExpressionAttributeValues"] = {f":{name}": value for name, value in values.items()}
    return parts
