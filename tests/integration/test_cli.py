"""The `labelling` command."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from api.auth.api_keys import authenticate_by_key
from api.errors import Unauthenticated
from core.domain.api_key import hash_key
from core.domain.clock import to_text, utc_now
from core.domain.scope import Scope
from core.repositories.dynamodb.owners import DynamoOwnerRepository
from core.repositories.dynamodb.table import Table
from core.repositories.ports.owners import ApiKey
from core.runtime.settings import settings_of
from embedded.cli.main import COMMANDS, main
from embedded.settings import PREFIX, Settings
from embedded.stores import Stores, open_stores
from embedded.version import running_version
from tests.support.blobs import a_blob
from tests.support.dynamodb import REGION, dynamodb_client, table_definition
from tests.support.moto import moto_aws
from tests.support.process import ROOT

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command on a new data folder; return its status, output and errors."""
    open_stores(Settings(data=tmp_path)).database.close()

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main([*arguments, "--data", str(tmp_path)])
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return open_stores(Settings(data=tmp_path))


def usage_error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err


def help_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments, "--help"]) == 0
    return capsys.readouterr().out


def test_help_documents_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """As an option and as a variable, with its help text and its default."""
    shown = help_of(capsys)
    for each in settings_of(Settings, PREFIX):
        assert f"--{each.field.replace('_', '-')}, {each.name}\n" in shown
        assert each.help in shown
    assert "[default: 50000000]" in shown


def test_help_of_serve_documents_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """With its help text, which may be wrapped, also after a hyphen."""
    shown = " ".join(help_of(capsys, "serve").split()).replace("- ", "-")
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
        ("endpoints",),
        ("import",),
        ("export",),
        ("relabel",),
        ("completion",),
        ("webhook-keys",),
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
def test_every_command_has_help(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    assert help_of(capsys, *command).startswith(f"Usage: labelling {' '.join(command)}")


@pytest.mark.parametrize(
    "arguments", [(), ("nonsense",), ("keys",), ("keys", "create"), ("serve", "--prot", "1")]
)
def test_wrong_usage_is_an_error(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """The exit status is 2, and the usage is printed."""
    assert "Usage: labelling" in usage_error(capsys, *arguments)


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (("srve",), "Did you mean 'serve'?"),
        (("keys", "lst"), "Did you mean 'list'?"),
        (("keys", "create", "--ownr", "anna"), "Did you mean '--owner'?"),
        (("serve", "--worker", "1"), "'--workers'"),
    ],
)
def test_misspelt_name_is_answered_with_a_similar_one(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], suggestion: str
) -> None:
    """Commands and options."""
    assert suggestion in usage_error(capsys, *arguments)


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"labelling, version {running_version()}\n"


def test_summaries_are_those_of_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """The list of commands is printed without loading them, and agrees with them."""
    shown = help_of(capsys)
    for lazy in COMMANDS:
        command = lazy.load()
        assert command.name == lazy.name
        assert f"  {lazy.name} " in shown
        assert command.help is not None
        assert lazy.short_help == " ".join(command.help.split("\n\n")[0].split())


def test_listing_commands_does_not_load_them() -> None:
    """`labelling --help` starts fast; measured by what is imported."""
    code = (
        "import sys; from embedded.cli.main import COMMANDS, main; main(['--help']);"
        "print([each for each in ('boto3', 'httpx', 'rich', 'fastapi', 'embedded.stores')"
        " if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode().splitlines()[-1] == "[]"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    monkeypatch.setattr(BashComplete, "_check_version", lambda *_: None)
    assert main(["completion", shell]) == 0
    assert "_LABELLING_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("labelling ke", ["plain,keys"]),
        ("labelling keys ", ["plain,create", "plain,list", "plain,revoke", "plain,rotate"]),
        ("labelling serve --log-format ", ["plain,auto", "plain,text", "plain,json"]),
        ("labelling keys list --data ", ["file,"]),
        ("labelling keys create --scope u", ["plain,upload"]),
    ],
)
def test_commands_options_and_values_are_completed(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    completions: list[str],
) -> None:
    """As the script of bash asks for them."""
    monkeypatch.setenv("_LABELLING_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.splitlines() == completions


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("LABELLING_PROT", "1", "did you mean LABELLING_PORT?"),
        ("LABELLING_PORT", "http", "give a whole number"),
        ("LABELLING_WORKERS", "0", "give 1 or more"),
        ("LABELLING_LOG_FORMAT", "xml", "choose auto or text or json"),
    ],
)
def test_bad_variable_is_an_error_of_every_command(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, remedy: str
) -> None:
    """The exit status is 2, the message says what to do, and there is no traceback."""
    monkeypatch.setenv(name, value)
    status, out, err = run("keys", "list")
    assert (status, out) == (2, "")
    assert err.startswith("labelling: ")
    assert remedy in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--port", "http", "--port is 'http': give a whole number."),
        ("--workers", "0", "--workers is 0: give 1 or more."),
        ("--log-format", "xml", "--log-format is 'xml': choose auto or text or json."),
        ("--faces", "maybe", "--faces is 'maybe': choose yes or no."),
    ],
)
def test_bad_value_of_an_option_is_an_error(
    run: Run, option: str, value: str, message: str
) -> None:
    """The message names the option, not its variable, and says what to do."""
    status, out, err = run("serve", option, value)
    assert (status, out) == (2, "")
    assert message in err


def test_option_wins_over_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The data folder of the command line is used."""
    for name in ("option", "variable"):
        stores = open_stores(Settings(data=tmp_path / name))
        stores.owners.add_key(ApiKey("0" * 64, name, "", utc_now()))
        stores.database.close()
    monkeypatch.setenv("LABELLING_DATA", str(tmp_path / "variable"))
    assert main(["keys", "list", "--data", str(tmp_path / "option")]) == 0
    assert "  option  " in capsys.readouterr().out
    assert main(["keys", "list"]) == 0
    assert "  variable  " in capsys.readouterr().out


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


def test_dead_letters_are_listed_and_retried(run: Run, stores: Stores) -> None:
    """Those of pictures, of webhooks, and of the change feed."""
    assert run("dead-letters", "list") == (0, "", "No dead letters.\n")
    stores.upload_events.send_dead_letter('{"picture": 1}')
    stores.delivery_queue.send_dead_letter('{"delivery_id": "x"}')
    stores.quarantine.send_dead_letter('{"change": 7}')
    status, out, _ = run("dead-letters", "list")
    assert status == 0
    found = [line.split("  ", 6) for line in out.splitlines()]
    malformed = "The message is malformed: no retry will help."
    assert [(each[0], *each[3:6]) for each in found] == [
        ("uploads", "0", "-", "-"),
        ("hints", "0", "-", "x"),
        ("changes", "0", "-", "-"),
    ]
    assert [each[6] for each in found] == [
        f"{malformed} An S3 event must have a list of Records.",
        "The webhook was deleted.",
        malformed,
    ]
    status, out, _ = run("dead-letters", "retry")
    assert status == 0
    assert out.startswith("3 sent back")
    assert [
        each.depth() for each in (stores.upload_events, stores.delivery_queue, stores.quarantine)
    ] == [1, 1, 1]
    assert run("dead-letters", "list") == (0, "", "No dead letters.\n")


def test_dead_letters_are_retried_or_discarded_by_id(run: Run, stores: Stores) -> None:
    for number in range(5):
        stores.upload_events.send_dead_letter(f'{{"picture": {number}}}')
    first, second, third, fourth, _ = (
        letter.id for letter in stores.upload_events.dead_letters(10)
    )
    assert run("dead-letters", "retry", "uploads", first)[1].startswith("1 sent back")
    assert run("dead-letters", "discard", "uploads", second) == (0, "1 deleted.\n", "")
    assert (stores.upload_events.depth(), stores.upload_events.dead_depth()) == (1, 3)
    for command in (("retry", "uploads", second), ("discard", "uploads", second)):
        status, _, err = run("dead-letters", *command)
        assert status == 1
        assert f"no dead letter {second}" in err
    assert "choose from uploads, hints, changes" in run("dead-letters", "discard", "x", "1")[2]
    assert run("dead-letters", "retry", "uploads", third, fourth)[1].startswith("2 sent back")
    assert run("dead-letters", "retry", "uploads")[1].startswith("1 sent back")
    start = utc_now() - timedelta(days=1)
    records = stores.audit.read(start, utc_now() + timedelta(days=1))
    assert [(each.action.value, each.subject) for each in records] == [
        ("dead-letters.retried", f"{first} of uploads"),
        ("dead-letter.discarded", f"{second} of uploads"),
        ("dead-letters.retried", f"{third} of uploads"),
        ("dead-letters.retried", f"{fourth} of uploads"),
        ("dead-letters.retried", "1 of uploads"),
    ]


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


def test_unusable_data_folder_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file in place of the folder, or a file that is not a database: exit status 1."""
    (tmp_path / "file").write_text("not a folder")
    assert main(["keys", "list", "--data", str(tmp_path / "file")]) == 1
    (tmp_path / "labelling.sqlite").write_text("not a database, and long enough to tell" * 50)
    assert main(["keys", "list", "--data", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert err.count("labelling: ") == 2
    assert main(["serve", "--data", str(tmp_path / "file" / "data")]) == 1
    err = capsys.readouterr().err
    assert f"The data folder {tmp_path / 'file' / 'data'} can't be created: " in err
    assert "--data or LABELLING_DATA" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "command",
    [
        ("keys", "create", "--owner", "anna"),
        ("keys", "list"),
        ("keys", "revoke", "0"),
        ("webhook-secret",),
        ("webhook-keys", "list"),
        ("webhook-keys", "create"),
        ("webhook-keys", "remove"),
        ("deliveries", "list"),
        ("deliveries", "show", "msg_1_3"),
        ("deliveries", "redeliver", "msg_1_3"),
        ("endpoints", "list"),
        ("endpoints", "enable", "https://example.org"),
        ("dead-letters", "list"),
        ("dead-letters", "retry"),
        ("relabel", "--all"),
        ("audit", "list"),
        ("backup", "target"),
        ("verify",),
        ("url-secret", "rotate"),
    ],
    ids=" ".join,
)
def test_missing_data_folder_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    """The exit status is 2, and neither a folder nor a database is created."""
    missing = tmp_path / "missing"
    assert main([*command, "--data", str(missing)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(
        f"labelling: There is no folder {missing}. Name the service's data folder"
    )
    assert list(tmp_path.iterdir()) == []


def test_folder_without_a_database_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder of something else does not get a database."""
    (tmp_path / "cat.jpg").touch()
    assert main(["keys", "list", "--data", str(tmp_path)]) == 2
    assert "is not a data folder: it has no labelling.sqlite" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["cat.jpg"]


def test_key_can_be_created_before_the_first_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder that exists: a service that others can reach starts only with a key."""
    assert main(["keys", "create", "--owner", "anna", "--data", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["keys", "list", "--data", str(tmp_path)]) == 0
    assert "  anna  " in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        ("keys", "list"),
        ("webhook-keys", "list"),
        ("deliveries", "list"),
        ("endpoints", "list"),
        ("dead-letters", "list"),
        ("audit", "list"),
    ],
    ids=" ".join,
)
def test_empty_list_is_reported_on_standard_error(run: Run, command: tuple[str, ...]) -> None:
    """Standard output stays empty for scripts; with --json it is an empty array."""
    status, out, err = run(*command)
    assert (status, out) == (0, "")
    assert re.fullmatch(r"(No|local has no) [\w ]+\.\n", err)
    assert run(*command, "--json") == (0, "[]\n", "")


def test_lists_are_printed_as_json(run: Run, stores: Stores) -> None:
    """An array of objects, with the values of the lines."""
    made = ("keys", "create", "--owner", "anna")
    run(*made, "--name", "laptop", "--scope", "read", "--expires", "2999-01-01")
    run(*made)
    first, second = json.loads(run("keys", "list", "--json")[1])
    assert re.fullmatch(r"[0-9a-f]{12}", first.pop("id"))
    assert first.pop("created_at") <= second["created_at"]
    assert first == {
        "owner": "anna",
        "scopes": ["read"],
        "expires_at": "2999-01-01T00:00:00.000Z",
        "last_used_at": None,
        "name": "laptop",
    }
    assert (second["scopes"], second["expires_at"]) == (
        ["admin", "delete", "edit", "read", "upload"],
        None,
    )

    public = run("webhook-keys", "create")[1].strip()
    keys = json.loads(run("webhook-keys", "list", "--json")[1])
    assert keys == [{"public_key": public, "expires_at": None}]

    stores.deliveries.disable_endpoint("local", "https://example.org/", utc_now())
    (endpoint,) = json.loads(run("endpoints", "list", "--json")[1])
    assert (list(endpoint), endpoint["url"]) == (["disabled_at", "url"], "https://example.org/")

    stores.upload_events.send_dead_letter('{"picture": 1}')
    (letter,) = json.loads(run("dead-letters", "list", "--json")[1])
    assert (letter["queue"], letter["message"]) == ("uploads", '{"picture": 1}')
    assert letter["sent_at"]
    assert "malformed" in letter["reason"]


@pytest.mark.parametrize("folder", ["/", str(ROOT), None])
def test_default_data_folder_is_the_same_in_every_working_directory(
    tmp_path: Path, folder: str | None
) -> None:
    """It is the one of ./run: `data` in the project's folder."""
    environ = {name: value for name, value in os.environ.items() if name != "LABELLING_DATA"}
    code = "from embedded.settings import Settings; print(Settings().data)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder or tmp_path,
        env={**environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().strip() == str(ROOT / "data")


def test_serve_receives_the_settings(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From options and variables; the exit status is what it returns."""
    received: list[Settings] = []

    def serve(settings: Settings) -> int:
        received.append(settings)
        return 7

    monkeypatch.setattr("embedded.serve.serve", serve)
    monkeypatch.setenv("LABELLING_WORKERS", "3")
    assert run("serve", "--port", "0", "--log-format", "json")[0] == 7
    (settings,) = received
    assert (settings.port, settings.workers, settings.log_format) == (0, 3, "json")
    assert settings.data == tmp_path


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Create a DynamoDB table and the environment of the AWS CLI; return the table's name."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with moto_aws():
        dynamodb_client().create_table(TableName="records", **table_definition())
        yield "records"


def test_keys_of_a_service_on_aws_are_in_its_table(run: Run, table: str, tmp_path: Path) -> None:
    """Created, listed and revoked with --table; nothing is stored on this machine."""
    on_aws = ("--table", table)
    status, out, err = run("keys", "create", "--owner", "anna", "--name", "laptop", *on_aws)
    assert (status, "cannot be shown again" in err) == (0, True)
    owners = DynamoOwnerRepository(Table(dynamodb_client(), table), lambda: "whsec_1")
    known = owners.find_key(hash_key(out.strip()))
    assert known is not None
    assert (known.owner, known.name) == ("anna", "laptop")
    assert "anna  admin,delete,edit,read,upload  no-end  laptop" in run("keys", "list", *on_aws)[1]
    assert run("webhook-secret", "--owner", "ana", *on_aws)[0] == 2
    assert run("webhook-secret", "--owner", "anna", *on_aws)[1].startswith("whsec_")
    assert len(run("webhook-secret", "--rotate", "--owner", "anna", *on_aws)[1].splitlines()) == 2
    public = run("webhook-keys", "create", "--owner", "anna", *on_aws)[1]
    assert run("webhook-keys", "list", "--owner", "anna", *on_aws)[1] == public
    assert run("keys", "revoke", known.hash[:12], *on_aws)[0] == 0
    assert run("keys", "list", *on_aws)[1] == run("keys", "list")[1] == ""
    assert [each.name for each in tmp_path.iterdir() if each.is_dir()] == []


def test_missing_table_is_an_error(run: Run, table: str) -> None:
    """The message is that of AWS."""
    status, _, err = run("keys", "list", "--table", "other")
    assert status == 1
    assert "not found" in err


def test_missing_region_is_an_error(run: Run, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to set."""
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    status, _, err = run("keys", "list", "--table", table)
    assert status == 1
    assert "AWS_REGION" in err


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


def test_audit_log_of_a_service_on_aws_is_in_its_table(run: Run, table: str) -> None:
    run("keys", "create", "--owner", "anna", "--table", table)
    (record,) = json.loads(run("audit", "list", "--table", table, "--json")[1])
    assert (record["action"], record["owner"]) == ("key.created", "anna")


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


POLICY = {
    "minConfidence": 30.5,
    "maxLabels": 7,
    "rules": [{"action": "RENAME", "label": "Automobile", "replacement": "Gefährt für zwei"}],
}


def test_label_policy_is_set_from_what_is_shown(run: Run, stores: Stores, tmp_path: Path) -> None:
    """With its version, so that a file of an earlier one is refused. The audit log names it."""
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(POLICY), encoding="utf-8")
    run("keys", "create", "--owner", "anna")
    set_ = ("policy", "set", "--owner", "anna", str(file))
    assert run(*set_) == (0, "The label policy of anna has version 1.\n", "")
    status, shown, _ = run("policy", "show", "--owner", "anna")
    found = json.loads(shown)
    assert status == 0
    assert {name: found[name] for name in POLICY} == POLICY
    assert (found["version"], found["progress"]) == (1, {"examined": 0, "finishedAt": None})
    assert stores.blobs.policies.find("anna").policy.rules[0].replacement == "Gefährt für zwei"
    file.write_text(shown, encoding="utf-8")
    assert run(*set_)[:2] == (0, "The label policy of anna has version 2.\n")
    file.write_text(json.dumps({**found, "maxLabels": 9}), encoding="utf-8")
    status, _, problem = run(*set_)
    assert (status, "no longer at version 1 but at version 2" in problem) == (1, True)
    assert "label-policy.set  anna" in run("audit", "list")[1]
    assert json.loads(run("policy", "show")[1])["version"] == 0


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "FILE: must be JSON: "),
        ("[]", "FILE: must have an object with minConfidence, maxLabels and rules"),
        ('{"least": 1}', "FILE: has the unknown field 'least'"),
        ('{"version": true}', "version: must be the number that 'labelling policy show' prints"),
        ('{"minConfidence": "high"}', "minConfidence: must be a number"),
        ('{"maxLabels": 41}', "maxLabels: must be 1 to 40"),
        ('{"maxLabels": 1.5}', "maxLabels: must be a whole number"),
        ('{"rules": {}}', "rules: must be a list"),
        ('{"rules": ["HIDE"]}', "rules.0: must be an object whose action is one of HIDE, ALLOW"),
        ('{"rules": [{"action": []}]}', "rules.0: must be an object whose action is one of HIDE"),
        ('{"rules": [{"action": "HIDE", "name": "Cat"}]}', "rules.0: has the unknown field"),
        ('{"rules": [{"action": "HIDE", "label": 5}]}', "rules.0.label: must be a text"),
        ('{"rules": [{"action": "RENAME", "label": "Cat"}]}', "rules.0.replacement: RENAME needs"),
    ],
)
def test_wrong_label_policy_is_refused(
    run: Run, tmp_path: Path, content: str, problem: str
) -> None:
    file = tmp_path / "policy.json"
    file.write_text(content, encoding="utf-8")
    status, _, told = run("policy", "set", str(file))
    assert (status, f"labelling: {problem}" in told) == (1, True)
    assert json.loads(run("policy", "show")[1])["version"] == 0


def test_label_policy_of_a_service_on_aws_is_in_its_table(
    run: Run, table: str, tmp_path: Path
) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(POLICY), encoding="utf-8")
    assert run("policy", "set", str(file), "--table", table)[0] == 0
    shown = json.loads(run("policy", "show", "--table", table)[1])
    assert {name: shown[name] for name in POLICY} == POLICY
    assert json.loads(run("policy", "show")[1])["version"] == 0


def test_vocabulary_is_set_from_what_is_shown(run: Run, stores: Stores, tmp_path: Path) -> None:
    """With its version, so that a file of an earlier one is refused. The audit log names it."""
    file = tmp_path / "vocabulary.json"
    labels = [{"name": "Rex", "parents": ["Dog"], "aliases": ["Straßenköter"]}]
    file.write_text(json.dumps({"labels": labels}), encoding="utf-8")
    run("keys", "create", "--owner", "anna")
    set_ = ("vocabulary", "set", "--owner", "anna", str(file))
    assert run(*set_) == (0, "The vocabulary of anna has version 1.\n", "")
    status, shown, _ = run("vocabulary", "show", "--owner", "anna")
    assert (status, json.loads(shown)) == (0, {"version": 1, "labels": labels})
    assert stores.blobs.vocabularies.find("anna").labels[0].aliases == ("Straßenköter",)
    file.write_text(shown, encoding="utf-8")
    assert run(*set_)[:2] == (0, "The vocabulary of anna has version 2.\n")
    file.write_text('{"version": 1, "labels": []}', encoding="utf-8")
    status, _, problem = run(*set_)
    assert (status, "no longer at version 1 but at version 2" in problem) == (1, True)
    assert "vocabulary.set  anna" in run("audit", "list")[1]
    assert json.loads(run("vocabulary", "show")[1]) == {"version": 0, "labels": []}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "FILE: must be JSON: "),
        ("{}", "FILE: must have an object with labels"),
        ('{"labels": [], "rules": []}', "FILE: has the unknown field 'rules'"),
        (
            '{"labels": [], "version": "1"}',
            "version: must be the number that 'labelling voc",
        ),
        ('{"labels": {}}', "labels: must be a list"),
        ('{"labels": ["Rex"]}', "labels.0: must be an object with a name"),
        ('{"labels": [{"name": "Rex", "parent": "Dog"}]}', "labels.0: has the unknown field"),
        ('{"labels": [{"name": "Rex", "parents": "Dog"}]}', "labels.0.parents: must be a list of"),
        ('{"labels": [{"name": ""}]}', "labels.0.name: must have 1 to 100 characters"),
    ],
)
def test_wrong_vocabulary_is_refused(run: Run, tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "vocabulary.json"
    file.write_text(content, encoding="utf-8")
    status, _, told = run("vocabulary", "set", str(file))
    assert (status, f"labelling: {problem}" in told) == (1, True)
    assert json.loads(run("vocabulary", "show")[1])["version"] == 0


def test_vocabulary_of_a_service_on_aws_is_in_its_table(
    run: Run, table: str, tmp_path: Path
) -> None:
    file = tmp_path / "vocabulary.json"
    file.write_text('{"labels": [{"name": "Rex"}]}', encoding="utf-8")
    assert run("vocabulary", "set", str(file), "--table", table)[0] == 0
    shown = json.loads(run("vocabulary", "show", "--table", table)[1])
    assert shown == {"version": 1, "labels": [{"name": "Rex"}]}
    assert json.loads(run("vocabulary", "show")[1])["version"] == 0
