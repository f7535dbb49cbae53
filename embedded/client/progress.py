"""Show the progress of a command on standard error."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXIT_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells report a program that Ctrl-C ended
LINE_SECONDS: Final = 10.0  # between two lines of progress without a terminal


@contextmanager
def progress(
    what: str, total: int | None
) -> Iterator[tuple[Callable[[int, str], None], Callable[[str], None]]]:
    """Show progress on standard error: a bar on a terminal, elsewhere a line now and then.

    Yield two functions: one updates the progress (the number done, and a note on it), the other
    prints a message in between.
    """
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _line_printer(what, total), say
        return
    columns: list[Any] = [TextColumn(what), BarColumn(), MofNCompleteColumn()]
    columns += [TextColumn("{task.fields[note]}"), TimeRemainingColumn()]
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=total, note="")

        def show(done: int, note: str) -> None:
            bar.update(task, completed=done, note=note)

        yield show, lambda text: console.print(Text(printable(text)))


def _line_printer(what: str, total: int | None) -> Callable[[int, str], None]:
    printed_at = time.monotonic()

    def show(done: int, note: str) -> None:
        nonlocal printed_at
        if time.monotonic() - printed_at >= LINE_SECONDS:
            printed_at = time.monotonic()
            of_total = f" of {total}" if total is not None else ""
            say(f"{what}: {done}{of_total}" + (f", {note}" if note else ""))

    return show


def say(text: str) -> None:
    """Print a message for the user on standard error, which keeps standard output for results."""
    print(text, file=sys.stderr, flush=True)


def printable(text: object) -> str:
    """Return a text with its non-printable characters escaped, safe to print on a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))
