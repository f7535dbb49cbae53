"""Commands of tests, run in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from embedded.cli.main import main

Run = Callable[..., tuple[int, str, str]]


def usage_error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err


def help_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments, "--help"]) == 0
    return capsys.readouterr().out
