"""Progress and messages on standard error."""

from __future__ import annotations

import pytest

from embedded.client.progress import printable, progress


def test_control_characters_are_escaped() -> None:
    """A file name must not send commands to the terminal."""
    assert printable("a\x1b[31m\nb[red]ü\u202e") == "a\\x1b[31m\\nb[red]ü\\u202e"


def test_without_a_terminal_progress_is_printed_as_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedded.client.progress.LINE_SECONDS", 0.0)
    with progress("Importing", 3) as (show, say):
        show(1, "2 MB uploaded")
        say("Waiting.")
        show(3, "")
    with progress("Exporting", None) as (show, _):
        show(7, "")
    assert capsys.readouterr() == (
        "",
        "Importing: 1 of 3, 2 MB uploaded\nWaiting.\nImporting: 3 of 3\nExporting: 7\n",
    )
