"""The `labelling` command."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from moto import mock_aws

from api.auth.api_keys import authenticate_by_key
from api.errors import Unauthenticated
from core.domain.api_key import hash_key
from core.domain.clock import to_text, utc_now
from core.domain.scope import Scope
from core.repositories.dynamodb.owners import DynamoOwnerRepository
from core.repositories.dynamodb.table import Table
from core.runtime.settings import settings_of
from embedded.cli.main import main
from embedded.settings import PREFIX, Settings
from embedded.stores import Stores, open_stores
from tests.support.dynamodb import REGION, dynamodb_client, table_definition

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command on a temporary data folder; give its status, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main([*arguments, "--data", str(tmp_path)])
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return open_stores(Settings(data=tmp_path))


def usage_error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def help_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--help"])
    assert stopped.value.code == 0
    return capsys.readouterr().out


def test_help_documents_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """As a flag and as a variable, with what it does and what holds unless it is given."""
    shown = help_of(capsys)
    for each in settings_of(Settings, PREFIX):
        assert f"--{each.field.replace('_', '-')}, {each.name}\n" in shown
        assert each.help in shown
    assert "(default: 50000000)" in shown


def test_help_of_serve_has_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    """With its text, wrapped as it may be."""
    shown = " ".join(help_of(capsys, "serve").split())
    for each in settings_of(Settings, PREFIX):
        assert f"--{each.field.replace('_', '-')} " in shown
        assert " ".join(each.help.split()) in shown


@pytest.mark.parametrize(
    "command",
    [
        ("serve",),
        ("webhook-secret",),
        ("keys",),
        ("keys", "create"),
        ("keys", "list"),
        ("keys", "revoke"),
        ("deliveries",),
        ("deliveries", "list"),
        ("deliveries", "show"),
        ("deliveries", "redeliver"),
        ("webhook-keys", "list"),
        ("webhook-keys", "create"),
        ("webhook-keys", "remove"),
        ("endpoints", "list"),
        ("endpoints", "enable"),
        ("dead-letters",),
        ("dead-letters", "list"),
        ("dead-letters", "retry"),
    ],
    ids=" ".join,
)
def test_every_command_says_what_it_does(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    """--help never fails."""
    assert help_of(capsys, *command).startswith(f"usage: labelling {' '.join(command)}")


@pytest.mark.parametrize(
    "arguments", [(), ("nonsense",), ("keys",), ("keys", "create"), ("serve", "--prot", "1")]
)
def test_a_command_of_another_form_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """Exit status 2, with the usage."""
    assert "usage: labelling" in usage_error(capsys, *arguments)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("LABELLING_PROT", "1", "did you mean LABELLING_PORT?"),
        ("LABELLING_PORT", "http", "give a whole number"),
        ("LABELLING_WORKERS", "0", "give 1 or more"),
        ("LABELLING_LOG_FORMAT", "xml", "choose auto or text or json"),
    ],
)
def test_a_bad_variable_stops_every_command_with_a_remedy(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, remedy: str
) -> None:
    """Exit status 2, and no trace of Python."""
    monkeypatch.setenv(name, value)
    status, out, err = run("keys", "list")
    assert (status, out) == (2, "")
    assert err.startswith("labelling: ")
    assert remedy in err
    assert "Traceback" not in err


def test_a_bad_flag_stops_serve_with_a_remedy(run: Run) -> None:
    """As the variable would."""
    status, _, err = run("serve", "--port", "http")
    assert status == 2
    assert "give a whole number" in err


def test_a_flag_wins_over_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The data folder of the command line is the one that is used."""
    monkeypatch.setenv("LABELLING_DATA", str(tmp_path / "variable"))
    assert main(["keys", "list", "--data", str(tmp_path / "flag")]) == 0
    assert (tmp_path / "flag").is_dir()
    assert not (tmp_path / "variable").exists()
    assert main(["keys", "list"]) == 0
    assert (tmp_path / "variable").is_dir()


def test_a_key_is_shown_once_and_opens_its_owners_blobs(run: Run, stores: Stores) -> None:
    """The key alone goes to standard output, for scripts; the warning beside it."""
    status, out, err = run("keys", "create", "--owner", "anna", "--name", "laptop")
    assert status == 0
    key = out.removesuffix("\n")
    assert re.fullmatch(r"lbl_[\w-]{43}", key)
    assert "only time" in err
    authenticate = authenticate_by_key(stores.owners, None)
    assert asyncio.run(authenticate(f"Bearer {key}")).owner == "anna"
    assert key not in run("keys", "list")[1]


def test_keys_are_listed_with_owner_and_name(run: Run) -> None:
    """Oldest first, by the start of their hash."""
    assert run("keys", "list") == (0, "", "")
    run("keys", "create", "--owner", "anna", "--name", "laptop")
    run("keys", "create", "--owner", "boris")
    status, out, _ = run("keys", "list")
    assert status == 0
    first, second = out.splitlines()
    assert re.fullmatch(
        r"[0-9a-f]{12}  \d{4}-\d\d-\d\dT[\d:.]+Z  anna  admin,read,upload  no-end  laptop", first
    )
    assert "  boris" in second


def test_a_key_may_open_less_and_end(run: Run, stores: Stores) -> None:
    """As it was asked for, and as the list shows."""
    made = ("keys", "create", "--owner", "anna", "--scope", "read", "--scope", "upload")
    key = run(*made, "--expires", "90d")[1].strip()
    found = stores.owners.find_key(hash_key(key))
    assert found
    assert found.scopes == {Scope.READ, Scope.UPLOAD}
    assert found.expires_at
    assert timedelta(days=89) < found.expires_at - utc_now() <= timedelta(days=90)
    run(*made, "--expires", "2999-01-01")
    first, second = run("keys", "list")[1].splitlines()
    assert f"  anna  read,upload  until {to_text(found.expires_at)}" in first
    assert second.endswith("until 2999-01-01T00:00:00.000Z")


@pytest.mark.parametrize("end", ["2020-01-01", "0d", "soon", "99999999999d", "-1d"])
def test_no_key_is_made_that_ends_before_it_begins(run: Run, stores: Stores, end: str) -> None:
    """Or whose end can't be read."""
    status, out, err = run("keys", "create", "--owner", "anna", f"--expires={end}")
    assert (status, out) == (1, "")
    assert "--expires" in err
    assert list(stores.owners.list_keys()) == []


def test_a_revoked_key_opens_nothing(run: Run, stores: Stores) -> None:
    """Named by what the list shows; the others stay."""
    key = run("keys", "create", "--owner", "anna")[1].strip()
    run("keys", "create", "--owner", "boris")
    key_id = run("keys", "list")[1].split()[0]
    assert run("keys", "revoke", key_id) == (0, "", "")
    with pytest.raises(Unauthenticated):
        asyncio.run(authenticate_by_key(stores.owners, None)(f"Bearer {key}"))
    assert "boris" in run("keys", "list")[1]


@pytest.mark.parametrize("key_id", ["zzzz", "", "lbl_"])
def test_only_one_key_that_is_there_can_be_revoked(run: Run, key_id: str) -> None:
    """Neither none nor all of them by mistake."""
    for owner in ("anna", "boris"):
        run("keys", "create", "--owner", owner)
    status, _, err = run("keys", "revoke", key_id)
    assert status == 1
    assert "keys list" in err
    assert len(run("keys", "list")[1].splitlines()) == 2


def test_an_empty_id_names_no_key(run: Run) -> None:
    """As from a shell variable that was never set: not even the only key."""
    run("keys", "create", "--owner", "anna")
    assert run("keys", "revoke", "")[0] == 1
    assert len(run("keys", "list")[1].splitlines()) == 1


@pytest.mark.parametrize("owner", ["", "a/b", ".", "..", "é" * 33, "x" * 65])
def test_an_owner_that_no_folder_can_be_named_after_is_refused(run: Run, owner: str) -> None:
    """With what is allowed."""
    status, out, err = run("keys", "create", "--owner", owner)
    assert (status, out) == (1, "")
    assert "must be 1 to 64 bytes" in err


@pytest.mark.parametrize("owner", ["é" * 32, "x" * 64, "Zoë + Söhne 100%", "..."])
def test_any_other_owner_will_do(run: Run, owner: str) -> None:
    """Up to 64 bytes."""
    assert run("keys", "create", "--owner", owner)[0] == 0


def test_the_webhook_secret_stays_the_same(run: Run) -> None:
    """Made at first asking, one per owner."""
    first = run("webhook-secret")
    assert first[0] == 0
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", first[1])
    assert run("webhook-secret") == first
    assert run("webhook-secret", "--owner", "local") == first
    assert run("webhook-secret", "--owner", "anna")[1] != first[1]


def test_the_webhook_secret_is_rotated(run: Run) -> None:
    """The new one first, and nothing but secrets; beside it, until when the old one signs."""
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
    assert "the next can be made on" in err


def test_webhook_keys_are_made_listed_and_removed(run: Run, stores: Stores) -> None:
    """The public half is shown; a new one takes over within a day."""
    assert run("webhook-keys", "list") == (0, "", "")
    first = run("webhook-keys", "create")[1].strip()
    assert re.fullmatch(r"whpk_[A-Za-z0-9+/]{43}=", first)
    second = run("webhook-keys", "create")[1].strip()
    new, old = run("webhook-keys", "list")[1].splitlines()
    assert new == second
    assert re.fullmatch(re.escape(first) + r"  until \d{4}-\d\d-\d\dT[\d:.]+Z", old)
    assert run("webhook-keys", "list", "--owner", "anna") == (0, "", "")
    assert run("webhook-keys", "remove", "--owner", "anna") == (0, "", "")
    assert stores.owners.find_owner("anna") is None, "looking makes none"
    assert run("webhook-keys", "remove") == (0, "", "")
    assert run("webhook-keys", "list") == (0, "", "")


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
def test_what_is_no_owners_name_has_no_secrets(
    run: Run, stores: Stores, command: tuple[str, ...]
) -> None:
    """And no record is made of it."""
    status, out, err = run(*command, "--owner", "a/b")
    assert (status, out) == (1, "")
    assert "must be 1 to 64 bytes" in err
    assert stores.owners.find_owner("a/b") is None


def test_dead_letters_are_listed_and_sent_back(run: Run, stores: Stores) -> None:
    """Pictures, webhooks, and what was set aside of the feed."""
    assert run("dead-letters", "list") == (0, "", "")
    stores.upload_events.send_dead_letter('{"picture": 1}')
    stores.delivery_queue.send_dead_letter('{"delivery_id": "x"}')
    stores.quarantine.send_dead_letter('{"change": 7}')
    status, out, _ = run("dead-letters", "list")
    assert status == 0
    found = [line.split("  ", 2) for line in out.splitlines()]
    assert [(queue, json.loads(body)) for queue, _, body in found] == [
        ("uploads", {"picture": 1}),
        ("hints", {"delivery_id": "x"}),
        ("changes", {"change": 7}),
    ]
    status, out, _ = run("dead-letters", "retry")
    assert status == 0
    assert out.startswith("3 sent back")
    assert [
        each.depth() for each in (stores.upload_events, stores.delivery_queue, stores.quarantine)
    ] == [1, 1, 1]
    assert run("dead-letters", "list") == (0, "", "")


def test_a_folder_that_cannot_be_used_is_told_without_a_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 1: a file where the folder should be, a database that is none."""
    (tmp_path / "file").write_text("not a folder")
    assert main(["keys", "list", "--data", str(tmp_path / "file")]) == 1
    (tmp_path / "labelling.sqlite").write_text("not a database, and long enough to tell" * 50)
    assert main(["keys", "list", "--data", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert err.count("labelling: ") == 2
    assert "Traceback" not in err


def test_serve_is_given_the_settings(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Flags as read; its answer is the exit status."""
    given: list[Settings] = []

    def serve(settings: Settings) -> int:
        given.append(settings)
        return 7

    monkeypatch.setattr("embedded.serve.serve", serve)
    monkeypatch.setenv("LABELLING_WORKERS", "3")
    assert run("serve", "--port", "0", "--log-format", "json")[0] == 7
    (settings,) = given
    assert (settings.port, settings.workers, settings.log_format) == (0, 3, "json")
    assert settings.data == tmp_path


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a DynamoDB table, and what the AWS CLI would have told of it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        dynamodb_client().create_table(TableName="records", **table_definition())
        yield "records"


def test_keys_of_a_service_on_aws_are_kept_in_its_table(
    run: Run, table: str, tmp_path: Path
) -> None:
    """Made, listed and revoked as here; nothing is kept on this machine."""
    there = ("--table", table)
    status, out, err = run("keys", "create", "--owner", "anna", "--name", "laptop", *there)
    assert (status, "only time" in err) == (0, True)
    owners = DynamoOwnerRepository(Table(dynamodb_client(), table), lambda: "whsec_1")
    known = owners.find_key(hash_key(out.strip()))
    assert known is not None
    assert (known.owner, known.name) == ("anna", "laptop")
    assert "anna  admin,read,upload  no-end  laptop" in run("keys", "list", *there)[1]
    assert run("keys", "revoke", known.hash[:12], *there)[0] == 0
    assert run("keys", "list", *there)[1] == run("keys", "list")[1] == ""
    assert run("webhook-secret", "--owner", "anna", *there)[1].startswith("whsec_")
    assert len(run("webhook-secret", "--rotate", "--owner", "anna", *there)[1].splitlines()) == 2
    public = run("webhook-keys", "create", "--owner", "anna", *there)[1]
    assert run("webhook-keys", "list", "--owner", "anna", *there)[1] == public
    assert [each.name for each in tmp_path.iterdir() if each.is_dir()] == []


def test_a_table_that_is_not_there_is_told(run: Run, table: str) -> None:
    """With what AWS says."""
    status, _, err = run("keys", "list", "--table", "other")
    assert status == 1
    assert "not found" in err


def test_without_a_region_the_command_says_what_to_set(
    run: Run, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a traceback."""
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    status, _, err = run("keys", "list", "--table", table)
    assert status == 1
    assert "AWS_REGION" in err
