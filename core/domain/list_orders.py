"""Which orders a list of blobs can have: an index has to have that order. Pure."""

from __future__ import annotations

from core.domain.errors import InvalidValue


def check_order(order: str, *, labels: int, prefix: bool, few: str | None) -> None:
    """Refuse an order that no index has for a filter; the message tells what to change.

    `labels` is the number of labels required, `prefix` whether the start of a file's name is, and
    `few` the condition that only few blobs match, if there is one.
    """
    if prefix and order != "FILE_NAME":
        raise InvalidValue(
            "orderBy",
            "fileNamePrefix finds a part of the list of file names, which is in their order: order "
            "by FILE_NAME",
        )
    if order not in ("CONFIDENCE", "FILE_NAME"):
        return
    if order == "CONFIDENCE" and labels != 1:
        raise InvalidValue(
            "orderBy",
            "CONFIDENCE is the confidence of one label: name exactly one label in "
            "filter.labels.all, and none in any, or order by NEWEST",
        )
    if few:
        raise InvalidValue(
            "orderBy",
            f"{order} cannot be combined with {few}: few blobs match it, so list them by NEWEST "
            "and sort them",
        )
