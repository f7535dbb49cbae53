"""Telling a person how far a command is."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXIT_INTERRUPTED: Final = 130  # of a program that Ctrl-C ended, as shells have it
LINE_SECONDS: Final = 10.0  # between lines on the progress, where nobody looks at a bar


@contextmanager
def progress(
    what: str, total: int | None
) -> Iterator[tuple[Callable[[int, str], None], Callable[[str], None]]]:
    """Give what shows how far it is, and what says something meanwhile, to whoever looks on.

    A bar on a terminal, a line now and then elsewhere; both on standard error. The first takes how
    many are done with, and more to say of it.
    """
    from rich.console import Console  # for those who wait alone  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text  # noqa: PLC0415

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _lines(what, total), say
        return
    columns: list[Any] = [TextColumn(what), BarColumn(), MofNCompleteColumn()]
    columns += [TextColumn("{task.fields[more]}"), TimeRemainingColumn()]
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=total, more="")

        def show(seen: int, more: str) -> None:
            progress.update(task, completed=seen, more=more)

        yield show, lambda text: console.print(Text(shown(text)))


def _lines(what: str, total: int | None) -> Callable[[int, str], None]:
    last = time.monotonic()

    def show(seen: int, more: str) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_SECONDS:
            last = time.monotonic()
            of = f" of {total}" if total is not None else ""
            say(f"{what}: {seen}{of}" + (f", {more}" if more else ""))

    return show


def say(text: str) -> None:
    """Tell a person, at once, apart from what a program may read."""
    print(text, file=sys.stderr, flush=True)


def shown(text: object) -> str:
    """Write a text for a terminal: what is not printable is escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))
