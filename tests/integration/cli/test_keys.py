"""`labelling keys`, and the names of owners."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from api.auth.api_keys import authenticate_by_key
from api.errors import Unauthenticated
from core.domain.api_key import hash_key
from core.domain.clock import to_text, utc_now
from core.domain.scope import Scope
from core.repositories.ports.owners import ApiKey
from embedded.cli.main import main
from embedded.stores import Stores
from tests.support.blobs import a_blob
from tests.support.services.commands import Run


def test_created_key_authenticates_its_owner(run: Run, stores: Stores) -> None:
    """Standard output has the key alone, for scripts; a warning goes to standard error."""
    status, out, err = run("keys", "create", "--owner", "anna", "--name", "laptop")
    assert status == 0
    key = out.removesuffix("\n")
    assert re.fullmatch(r"lbl_[\w-]{43}", key)
    assert "cannot be shown again" in err
    authenticate = authenticate_by_key(stores.owners, None)
    assert asyncio.run(authenticate(f"Bearer {key}")).owner == "anna"
    assert key not in run("keys", "list")[1]


def test_keys_are_listed_with_owner_and_name(run: Run) -> None:
    """Oldest first, each with the start of its hash."""
    assert run("keys", "list") == (0, "", "No API keys.\n")
    run("keys", "create", "--owner", "anna", "--name", "laptop")
    run("keys", "create", "--owner", "boris")
    status, out, _ = run("keys", "list")
    assert status == 0
    first, second = out.splitlines()
    assert re.fullmatch(
        r"[0-9a-f]{12}  \d{4}-\d\d-\d\dT[\d:.]+Z  anna  admin,delete,edit,read,upload  no-end"
        r"  laptop",
        first,
    )
    assert "  boris" in second


def test_key_can_have_scopes_and_an_expiry(run: Run, stores: Stores) -> None:
    """Both are stored and listed."""
    create = ("keys", "create", "--owner", "anna", "--scope", "read", "--scope", "upload")
    key = run(*create, "--expires", "90d")[1].strip()
    found = stores.owners.find_key(hash_key(key))
    assert found
    assert found.scopes == {Scope.READ, Scope.UPLOAD}
    assert found.expires_at
    assert timedelta(days=89) < found.expires_at - utc_now() <= timedelta(days=90)
    run(*create, "--expires", "2999-01-01")
    first, second = run("keys", "list")[1].splitlines()
    assert f"  anna  read,upload  until {to_text(found.expires_at)}" in first
    assert second.endswith("until 2999-01-01T00:00:00.000Z")


@pytest.mark.parametrize("end", ["2020-01-01", "0d", "soon", "99999999999d", "-1d"])
def test_expiry_that_is_past_or_malformed_is_an_error(run: Run, stores: Stores, end: str) -> None:
    """No key is created."""
    status, out, err = run("keys", "create", "--owner", "anna", f"--expires={end}")
    assert (status, out) == (1, "")
    assert "--expires" in err
    assert list(stores.owners.list_keys()) == []


def test_revoked_key_does_not_authenticate(run: Run, stores: Stores) -> None:
    """The key is named by its id in the list; other keys stay."""
    _, key, err = run("keys", "create", "--owner", "anna", "--name", "laptop")
    key = key.strip()
    run("keys", "create", "--owner", "boris")
    key_id = run("keys", "list")[1].split()[0]
    assert f"Its id is {key_id}." in err
    revoked = f"Revoked the key {key_id} of anna, 'laptop'.\n"
    assert run("keys", "revoke", key_id) == (0, revoked, "")
    with pytest.raises(Unauthenticated):
        asyncio.run(authenticate_by_key(stores.owners, None)(f"Bearer {key}"))
    assert "boris" in run("keys", "list")[1]


@pytest.mark.parametrize("key_id", ["zzzz", "", "lbl_"])
def test_revoke_requires_the_id_of_a_key(run: Run, key_id: str) -> None:
    for owner in ("anna", "boris"):
        run("keys", "create", "--owner", owner)
    status, _, err = run("keys", "revoke", key_id)
    assert status == 1
    assert f"no key has an id that starts with {key_id!r}: see 'labelling keys list'" in err
    assert len(run("keys", "list")[1].splitlines()) == 2


def test_id_that_matches_several_keys_revokes_none(run: Run, stores: Stores) -> None:
    for end in "12":
        stores.owners.add_key(ApiKey("ab" * 31 + "c" + end, "anna", "", utc_now()))
    status, _, err = run("keys", "revoke", "abab")
    assert status == 1
    assert "2 keys have an id that starts with 'abab': give more of the id" in err
    assert len(stores.owners.list_keys()) == 2


def test_empty_id_matches_no_key(run: Run) -> None:
    """As from an unset shell variable: not even the only key is revoked."""
    run("keys", "create", "--owner", "anna")
    assert run("keys", "revoke", "")[0] == 1
    assert len(run("keys", "list")[1].splitlines()) == 1


@pytest.mark.parametrize("owner", ["", "a/b", ".", "..", "é" * 33, "x" * 65])
def test_owner_that_cannot_name_a_folder_is_an_error(run: Run, owner: str) -> None:
    """The message says what is allowed."""
    status, out, err = run("keys", "create", "--owner", owner)
    assert (status, out) == (1, "")
    assert "must be 1 to 64 bytes" in err


@pytest.mark.parametrize("owner", ["é" * 32, "x" * 64, "Zoë + Söhne 100%", "..."])
def test_owner_may_have_any_other_name(run: Run, owner: str) -> None:
    """Up to 64 bytes."""
    assert run("keys", "create", "--owner", owner)[0] == 0


@pytest.mark.parametrize(
    "command",
    [
        ("webhook-secret",),
        ("webhook-secret", "--rotate"),
        ("webhook-keys", "create"),
        ("webhook-keys", "remove"),
        ("policy", "set", "-"),
        ("vocabulary", "set", "-"),
        ("delete", "--yes"),
    ],
    ids=" ".join,
)
def test_misspelt_owner_is_refused_and_nothing_is_created(
    run: Run, stores: Stores, command: tuple[str, ...]
) -> None:
    run("keys", "create", "--owner", "alice")
    status, out, err = run(*command, "--owner", "alcie")
    assert (status, out) == (2, "")
    assert "There is no owner 'alcie'" in err
    assert "Did you mean 'alice'?" in err
    creates = command not in (("webhook-keys", "remove"), ("delete", "--yes"))
    assert ("Give --new-owner" in err) == creates
    assert stores.owners.find_owner("alcie") is None
    assert run("audit", "list", "--owner", "alcie")[1] == ""


def test_owner_with_a_picture_alone_exists(run: Run, stores: Stores) -> None:
    """As one of OpenID Connect, which needs no key. One without a picture is named as new."""
    stores.blobs.create(a_blob(utc_now(), owner="carla"))
    status, secret, _ = run("webhook-secret", "--owner", "carla")
    assert (status, secret[:6]) == (0, "whsec_")
    assert run("webhook-secret", "--owner", "dora")[0] == 2
    assert run("webhook-secret", "--owner", "dora", "--new-owner")[0] == 0
    assert run("webhook-secret", "--owner", "dora")[0] == 0, "it has a record now"
    records = json.loads(run("audit", "list", "--json")[1])
    assert [(each["action"], each["owner"]) for each in records] == [
        ("webhook-secret.created", "carla"),
        ("webhook-secret.created", "dora"),
    ]


@pytest.mark.parametrize(
    ("command", "content"), [("policy", '{"maxLabels": 3}'), ("vocabulary", '{"labels": []}')]
)
def test_owner_with_settings_alone_exists(
    run: Run, tmp_path: Path, command: str, content: str
) -> None:
    file = tmp_path / "settings.json"
    file.write_text(content)
    assert run(command, "set", "--owner", "dora", str(file))[0] == 2
    assert run(command, "set", "--owner", "dora", "--new-owner", str(file))[0] == 0
    assert run(command, "set", "--owner", "dora", str(file))[0] == 0


def test_operators_key_opens_no_owners_data(run: Run, stores: Stores) -> None:
    """A key has the scope only where it is named; it is of no use on AWS."""
    key = run("keys", "create", "--owner", "ops", "--scope", "operator")[1].strip()
    found = stores.owners.find_key(hash_key(key))
    assert found is not None
    assert found.scopes == {Scope.OPERATOR}
    usual = run("keys", "create", "--owner", "anna")[1].strip()
    found = stores.owners.find_key(hash_key(usual))
    assert found is not None
    assert Scope.OPERATOR not in found.scopes
    refused = run("keys", "create", "--owner", "ops", "--scope", "operator", "--table", "t")
    assert refused[0] == 1
    assert "on AWS, use IAM" in refused[2]


def test_key_can_be_created_before_the_first_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder that exists: a service that others can reach starts only with a key."""
    assert main(["keys", "create", "--owner", "anna", "--data", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["keys", "list", "--data", str(tmp_path)]) == 0
    assert "  anna  " in capsys.readouterr().out


def test_rotated_key_works_during_the_overlap(run: Run, stores: Stores) -> None:
    """The new key is like the old one."""
    old = run(
        "keys",
        "create",
        "--owner",
        "anna",
        "--scope",
        "read",
        "--name",
        "laptop",
        "--expires",
        "9d",
    )[1].strip()
    old_id = run("keys", "list")[1].split()[0]
    status, out, err = run("keys", "rotate", old_id, "--overlap", "2h")
    assert status == 0
    assert "The old key works until" in err
    before = stores.owners.find_key(hash_key(old))
    after = stores.owners.find_key(hash_key(out.strip()))
    assert before is not None
    assert after is not None
    assert (after.owner, after.scopes, after.name) == ("anna", frozenset({Scope.READ}), "laptop")
    now = utc_now()
    assert before.expires_at is not None
    assert after.expires_at is not None
    assert timedelta(hours=1) < before.expires_at - now <= timedelta(hours=2)
    assert after.expires_at - now > timedelta(days=8)
    records = json.loads(run("audit", "list", "--json")[1])
    assert [(each["action"], each["subject"]) for each in records[1:]] == [
        ("key.rotated", old_id),
        ("key.created", after.hash[:12]),
    ]
    # The overlap never prolongs a key.
    run("keys", "rotate", old_id, "--overlap", "3h")
    assert stores.owners.find_key(before.hash) == before


def test_expired_or_unknown_key_cannot_be_rotated(run: Run, stores: Stores) -> None:
    stores.owners.add_key(ApiKey("ab" * 32, "anna", "", utc_now(), expires_at=utc_now()))
    for key_id in ("ab" * 6, "zzzz", ""):
        assert run("keys", "rotate", key_id)[0] == 1
    assert run("keys", "rotate", "ab" * 6, "--overlap", "soon")[0] == 1
    assert len(stores.owners.list_keys()) == 1
