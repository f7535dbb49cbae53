"""The `labelling` command: help, settings, data folders and lists."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from core.domain.clock import utc_now
from core.repositories.ports.owners import ApiKey
from core.runtime.settings import settings_of
from embedded.cli.main import COMMANDS, main
from embedded.settings import PREFIX, Settings
from embedded.stores import Stores, open_stores
from embedded.version import running_version
from tests.support.services.commands import Run, help_of, usage_error
from tests.support.services.process import ROOT


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
