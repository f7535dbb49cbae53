"""Parts of requests to DynamoDB: keys, expressions, and the writes of a transaction. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

Item = Mapping[str, Mapping[str, Any]]

KEY_BYTES: Final = 1000  # DynamoDB: 2048 bytes of partition key, 1024 of sort key

_NAME: Final = re.compile(r"#(\w+)")


def key(pk: str, sk: str) -> Item:
    """Return a typed primary key."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def transact_put(item: Item, condition: str | None = None, **values: Any) -> dict[str, Any]:
    """Describe a put for `Table.transact`."""
    return {"Put": {"Item": item, **expression_arguments(condition, values)}}


def transact_update(
    pk: str, sk: str, expression: str, condition: str | None = None, **values: Any
) -> dict[str, Any]:
    """Describe an update for `Table.transact`."""
    parts = expression_arguments(condition, values, expression)
    return {"Update": {"Key": key(pk, sk), "UpdateExpression": expression, **parts}}


def transact_delete(
    pk: str, sk: str, condition: str | None = None, **values: Any
) -> dict[str, Any]:
    """Describe a removal for `Table.transact`."""
    return {"Delete": {"Key": key(pk, sk), **expression_arguments(condition, values)}}


def escape_key(text: str) -> str:
    """Write a text so that it holds no `#`: two different texts never look the same in a key."""
    return text.replace("%", "%25").replace("#", "%23")


def fits_key(*texts: str) -> bool:
    """Tell whether texts can be values of key attributes: neither empty nor too long."""
    return all(0 < len(text.encode()) <= KEY_BYTES for text in texts)


def expression_arguments(
    condition: str | None, values: Mapping[str, Any], *others: str
) -> dict[str, Any]:
    """Write a condition, the values, and the names that the expressions mention as `#name`."""
    parts: dict[str, Any] = {}
    if condition:
        parts["ConditionExpression"] = condition
    names = _NAME.findall(" ".join((condition or "", *others)))
    if names:
        parts["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
    if values:
        parts["ExpressionAttributeValues"] = {f":{name}": value for name, value in values.items()}
    return parts
