"""Print lists as lines or as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

T = TypeVar("T")

json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")


def print_list(
    items: Iterable[T],
    *,
    as_json: bool,
    record: Callable[[T], Mapping[str, Any]],
    line: Callable[[T], str],
    empty: str,
) -> None:
    """Print each item as it comes: its `line`, or its `record` in a JSON array.

    Without items, print `empty` on standard error, or an empty array on standard output.
    """
    count = 0
    for count, item in enumerate(items, start=1):
        if as_json:
            click.echo("[" if count == 1 else ",")
            click.echo(json.dumps(record(item)), nl=False)
        else:
            click.echo(line(item))
    if as_json:
        click.echo("\n]" if count else "[]")
    elif not count:
        click.echo(empty, err=True)
