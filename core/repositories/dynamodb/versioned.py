"""Documents of owners that have a version, each an item, on DynamoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.repositories.dynamodb.table import ConditionFailed

if TYPE_CHECKING:
    from core.repositories.dynamodb.expressions import Item
    from core.repositories.dynamodb.table import Table


def put_next(table: Table, item: Item, version: int) -> bool:
    """Write an item in place of that with the version before.

    Return False if the stored item has another version. botocore may repeat the write after a lost
    response: then it is this one.
    """
    try:
        if version == 1:
            table.put(item, "attribute_not_exists(pk)")
        else:
            table.put(item, "#version = :before", before={"N": str(version - 1)})
    except ConditionFailed:
        return False
    return True
