"""`labelling webhook-secret` and `labelling webhook-keys`."""

from __future__ import annotations

import re

import pytest

from embedded.stores import Stores
from tests.support.services.commands import Run


def test_webhook_secret_stays_the_same(run: Run) -> None:
    """It is created when it is first needed, one for each owner."""
    first = run("webhook-secret")
    assert first[0] == 0
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", first[1])
    assert run("webhook-secret") == first
    assert run("webhook-secret", "--owner", "local") == first
    assert run("webhook-secret", "--owner", "anna")[1] != first[1]


def test_webhook_secret_can_be_rotated(run: Run) -> None:
    """The new secret comes first; standard error tells until when the old one signs."""
    first = run("webhook-secret")
    assert first[2] == ""
    status, out, err = run("webhook-secret", "--rotate")
    new, old = out.splitlines()
    assert status == 0
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", new)
    assert old == first[1].strip()
    assert re.fullmatch(r"2 of 2 signs until \d{4}-\d\d-\d\dT[\d:.]+Z\n", err)
    assert run("webhook-secret") == (0, out, err)
    for _ in range(3):
        assert run("webhook-secret", "--rotate")[0] == 0
    status, out, err = run("webhook-secret", "--rotate")
    assert (status, out) == (1, "")
    assert "The next can be made on" in err


def test_webhook_keys_are_created_listed_and_removed(run: Run, stores: Stores) -> None:
    """The public half is shown; a replaced key signs for another day."""
    assert run("webhook-keys", "list") == (0, "", "local has no webhook keys.\n")
    first = run("webhook-keys", "create")[1].strip()
    assert re.fullmatch(r"whpk_[A-Za-z0-9+/]{43}=", first)
    second = run("webhook-keys", "create")[1].strip()
    new, old = run("webhook-keys", "list")[1].splitlines()
    assert new == second
    assert re.fullmatch(re.escape(first) + r"  until \d{4}-\d\d-\d\dT[\d:.]+Z", old)
    assert run("webhook-keys", "list", "--owner", "anna") == (0, "", "anna has no webhook keys.\n")
    assert run("webhook-keys", "remove", "--owner", "anna")[0] == 2
    assert stores.owners.find_owner("anna") is None, "listing creates no owner"
    assert run("webhook-keys", "remove") == (0, "", "")
    assert run("webhook-keys", "list") == (0, "", "local has no webhook keys.\n")


@pytest.mark.parametrize(
    "command",
    [
        ("webhook-secret",),
        ("webhook-secret", "--rotate"),
        ("webhook-keys", "list"),
        ("webhook-keys", "create"),
        ("webhook-keys", "remove"),
    ],
    ids=" ".join,
)
def test_invalid_owner_is_an_error_of_webhook_commands(
    run: Run, stores: Stores, command: tuple[str, ...]
) -> None:
    """No record is created for it."""
    status, out, err = run(*command, "--owner", "a/b")
    assert (status, out) == (1, "")
    assert "must be 1 to 64 bytes" in err
    assert stores.owners.find_owner("a/b") is None
