"""`labelling audit`."""

from __future__ import annotations

import json
import re
import socket

from embedded.stores import Stores
from tests.support.services.commands import Run


def test_audit_log_lists_what_commands_changed(run: Run, stores: Stores) -> None:
    """By which user and on which host; the keys and secrets themselves are not in it."""
    key = run("keys", "create", "--owner", "anna")[1].strip()
    key_id = run("keys", "list")[1].split()[0]
    secret = run("webhook-secret", "--owner", "anna", "--rotate")[1].split()[0]
    public = run("webhook-keys", "create", "--owner", "anna")[1].strip()
    run("webhook-keys", "remove", "--owner", "anna")
    assert run("webhook-secret", "--owner", "anna")[0] == 0
    run("keys", "revoke", key_id)
    status, out, _ = run("audit", "list", "--json")
    records = json.loads(out)
    assert status == 0
    assert [(each["action"], each["subject"]) for each in records] == [
        ("key.created", key_id),
        ("webhook-secret.created", "anna"),
        ("webhook-secret.rotated", "anna"),
        ("webhook-key.created", public),
        ("webhook-keys.removed", "anna"),
        ("key.revoked", key_id),
    ]
    assert {each["owner"] for each in records} == {"anna"}
    assert {each["origin"] for each in records} == {socket.gethostname()}
    assert all(re.fullmatch(r"user:\S+", each["actor"]) for each in records)
    assert key not in out
    assert secret not in out
    lines = run("audit", "list", "--since", "1h")[1].splitlines()
    assert [line.split()[1] for line in lines] == [each["action"] for each in records]
    assert run("audit", "list", "--since", "2999-01-01") == (0, "", "No audit records.\n")
    removed = ("--action", "webhook-keys.removed", "--action", "key.revoked", "--owner", "anna")
    found = json.loads(run("audit", "list", "--json", *removed)[1])
    assert [each["action"] for each in found] == ["webhook-keys.removed", "key.revoked"]
    assert run("audit", "list", "--owner", "bea") == (0, "", "No audit records.\n")
    assert run("audit", "list", "--action", "key.lost")[0] == 2


def test_failed_command_leaves_no_audit_record(run: Run, stores: Stores) -> None:
    assert run("keys", "revoke", "zzzz")[0] == 1
    assert run("endpoints", "enable", "https://a.example/", "--owner", "anna")[0] == 1
    assert run("webhook-keys", "remove", "--owner", "nobody")[0] == 2
    assert run("audit", "list", "--json")[1] == "[]\n"
