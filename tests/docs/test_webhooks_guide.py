"""The code in docs/webhooks.md runs against webhooks that the service sent."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import build_schema, parse, validate
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from core.domain.delivery import MAX_PER_ENDPOINT, DeliveryState
from core.domain.owner import new_secret
from core.events.webhook_payload import CUT_TEXT, MAX_BODY
from embedded.cli.main import EXIT_USAGE, main
from notifier.delivery import USER_AGENT
from notifier.http.client import MAX_RESPONSE_BYTES
from notifier.retries import RETRY_DELAYS
from tests.support.images.photos import photo
from tests.support.node import require_node
from tests.support.services.process import ROOT, ServiceProcess
from tests.support.webhooks.receiver import Received, Receiver
from tests.support.webhooks.schema import valid

GUIDE = (ROOT / "docs" / "webhooks.md").read_text()
NODE_MODULES = ROOT / "tests" / "web" / "node_modules"


@dataclass(frozen=True)
class Case:
    """A webhook as a receiver gets it, and whether the service sent it."""

    name: str
    secret: str
    body: bytes
    headers: dict[str, str]
    genuine: bool

    def as_json(self) -> dict[str, Any]:
        body = base64.b64encode(self.body).decode()
        return {"secret": self.secret, "body": body, "headers": self.headers}


@dataclass(frozen=True)
class Sent:
    """A webhook of each type from the real service, during a rotation of secret and key.

    Secrets and public keys (JWKs) are newest first.
    """

    received: list[Received]
    secrets: list[str]
    keys: list[dict[str, str]]


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Sent:
    test = code("Quick start", "graphql")[0]
    rotate = code("Secrets", "graphql")[0]
    with ExitStack() as stack:
        service = ServiceProcess(tmp_path_factory.mktemp("data")).start()
        stack.callback(service.stop)
        receiver = stack.enter_context(contextlib.closing(Receiver()))
        service.graphql(rotate)
        for _ in range(2):
            command(service, "webhook-keys", "create")
        service.upload(photo("chelsea.png"), callback=receiver.url)
        service.upload(b"\x89PNG\r\n\x1a\n" + b"junk" * 100, callback=receiver.url)
        service.graphql(test.replace("http://127.0.0.1:9000/hook", receiver.url))
        types = ("blob.labelled", "blob.failed", "webhook.test")
        return Sent(
            [receiver.wait_for(of_type(each)) for each in types],
            command(service, "webhook-secret").split(),
            httpx.get(f"{service.url}/.well-known/webhook-keys").json()["keys"],
        )


def command(service: ServiceProcess, *arguments: str) -> str:
    """Run the `labelling` command beside the service; return what it prints."""
    ran = subprocess.run(
        [sys.executable, "-m", "embedded", *arguments, "--data", str(service.data)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return ran.stdout


def of_type(wanted: str) -> Callable[[Received], bool]:
    return lambda received: json.loads(received.body)["type"] == wanted


@pytest.fixture(scope="module")
def cases(sent: Sent) -> list[Case]:
    """The real webhooks, and changed ones, most of which must be rejected."""
    secret, secret_before = sent.secrets
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    real = [
        Case(
            json.loads(each.body)["type"],
            secret,
            each.body,
            {name: each.headers[name] for name in names},
            genuine=True,
        )
        for each in sent.received
    ]
    first = real[0]
    other = new_secret()
    beyond_ascii = replace(first, name="beyond ASCII", body='{"type":"☃ Ünïcode"}'.encode())

    def with_headers(name: str, *, genuine: bool, **changed: str) -> Case:
        headers = first.headers | {f"webhook-{key}": value for key, value in changed.items()}
        return replace(first, name=name, headers=headers, genuine=genuine)

    ours, *others = first.headers["webhook-signature"].split(" ")
    assert [each.partition(",")[0] for each in others] == ["v1", "v1a", "v1a"]
    theirs = signed(first, other).headers["webhook-signature"]
    return [
        *real,
        replace(first, name="the previous secret", secret=secret_before),
        signed(beyond_ascii, secret),
        signed(replace(first, name="four minutes ago"), secret, timedelta(minutes=-4)),
        with_headers("while rotated", genuine=True, signature=f"{theirs} {ours}"),
        with_headers("two versions", genuine=True, signature=f"v1a,{'A' * 86}== {ours}"),
        replace(
            first, name="body", body=first.body.replace(b"LABELLED", b"labelled"), genuine=False
        ),
        replace(first, name="another secret", secret=other, genuine=False),
        with_headers("another id", genuine=False, id="msg_1"),
        with_headers("another version", genuine=False, signature=ours.replace("v1,", "v1a,")),
        with_headers("no version", genuine=False, signature=ours.removeprefix("v1,")),
        with_headers("no signature", genuine=False, signature="v1,"),
        with_headers("half a signature", genuine=False, signature=ours[:20]),
        with_headers("no timestamp", genuine=False, timestamp=""),
        with_headers("timestamp is not a number", genuine=False, timestamp="noon"),
        *(
            replace(signed(first, secret, by), name=f"signed {by} from now", genuine=False)
            for by in (timedelta(minutes=-6), timedelta(minutes=6), timedelta(days=-1))
        ),
    ]


def signed(case: Case, secret: str, by: timedelta = timedelta(0)) -> Case:
    """Return the webhook, signed with a secret at another time."""
    at = datetime.now(UTC) + by
    webhook_id = case.headers["webhook-id"]
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, at, case.body.decode()),
    }
    return replace(case, headers=headers)


def code(heading: str, language: str) -> list[str]:
    """Return the blocks of code under a heading."""
    section = re.split(rf"\n##+ {re.escape(heading)}\n", GUIDE)[1]
    section = re.split(r"\n##+ ", section)[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def check(cases: list[Case], accepted: list[bool]) -> None:
    """Assert that exactly the genuine webhooks were accepted."""
    wrong = [
        case.name for case, each in zip(cases, accepted, strict=True) if each is not case.genuine
    ]
    assert not wrong


def require(program: str) -> str:
    """Return a program's path; skip where it is absent, fail in CI."""
    path = shutil.which(program)
    if path is None:
        missing = f"{program} is not installed"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    return path


@pytest.mark.parametrize("heading", ["Python, with standardwebhooks", "Python alone"])
def test_python_verification_accepts_genuine_webhooks_only(
    heading: str, cases: list[Case], tmp_path: Path
) -> None:
    (tmp_path / "verify.py").write_text(code(heading, "python")[0])
    read_event = runpy.run_path(str(tmp_path / "verify.py"))["read_event"]
    accepted = []
    for case in cases:
        event = None
        with contextlib.suppress(WebhookVerificationError, ValueError):
            event = read_event(case.secret, case.body, case.headers)
            assert event == json.loads(case.body)
        accepted.append(event is not None)
    check(cases, accepted)


@pytest.mark.parametrize(
    ("heading", "package"),
    [
        ("JavaScript, with standardwebhooks", "standardwebhooks"),
        ("JavaScript, with svix", "svix"),
        ("Node alone", None),
    ],
)
def test_javascript_verification_accepts_genuine_webhooks_only(
    heading: str, package: str | None, cases: list[Case], tmp_path: Path
) -> None:
    require_node(NODE_MODULES / package if package else ROOT)
    (tmp_path / "verify.mjs").write_text(code(heading, "js")[0])
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    driver = """
        import { readFileSync } from "node:fs";
        import { readEvent } from "./verify.mjs";
        const accepted = JSON.parse(readFileSync(0)).map(({ secret, body, headers }) => {
          try {
            return typeof readEvent(secret, Buffer.from(body, "base64"), headers).type === "string";
          } catch (error) {
            return false;
          }
        });
        console.log(JSON.stringify(accepted));
    """
    check(cases, run_node(driver, [case.as_json() for case in cases], tmp_path))


def run_node(driver: str, given: object, folder: Path) -> Any:
    """Run a module in a folder; return what it prints."""
    (folder / "driver.mjs").write_text(driver)
    ran = subprocess.run(
        ["node", "driver.mjs"],
        cwd=folder,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_go_verification_accepts_genuine_webhooks_only(cases: list[Case], tmp_path: Path) -> None:
    """Debian's Go 1.19 builds it with its standard library alone."""
    go = require("go")
    (tmp_path / "webhook").mkdir()
    (tmp_path / "webhook" / "verify.go").write_text(code("Go", "go")[0])
    (tmp_path / "go.mod").write_text("module receiver\n\ngo 1.19\n")
    (tmp_path / "main.go").write_text("""
        package main

        import (
            "encoding/json"
            "net/http"
            "os"
            "receiver/webhook"
        )

        func main() {
            var given []struct {
                Secret  string
                Body    []byte
                Headers map[string]string
            }
            if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
                panic(err)
            }
            accepted := []bool{}
            for _, each := range given {
                header := http.Header{}
                for name, value := range each.Headers {
                    header.Set(name, value)
                }
                accepted = append(accepted, webhook.Verify(each.Secret, header, each.Body) == nil)
            }
            json.NewEncoder(os.Stdout).Encode(accepted)
        }
    """)
    ran = subprocess.run(
        [go, "run", "."],
        cwd=tmp_path,
        input=json.dumps([case.as_json() for case in cases]),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "GOFLAGS": "", "GOPROXY": "off", "GOCACHE": str(tmp_path / "cache")},
    )
    assert ran.returncode == 0, ran.stderr
    check(cases, json.loads(ran.stdout))


def test_shell_verification_accepts_genuine_webhooks_only(
    cases: list[Case], tmp_path: Path
) -> None:
    require("openssl")
    (tmp_path / "verify.sh").write_text(code("Shell", "sh")[0])
    accepted = []
    for case in cases:
        ran = subprocess.run(
            ["sh", str(tmp_path / "verify.sh"), *case.headers.values()],
            input=case.body,
            capture_output=True,
            timeout=30,
            check=False,
            env={**os.environ, "WEBHOOK_SECRET": case.secret},
        )
        assert (ran.returncode == 0) is (ran.stdout == b"verified\n"), ran.stderr
        accepted.append(ran.returncode == 0)
    check(cases, accepted)


def test_public_keys_verify_signatures_of_their_owner_only(tmp_path: Path) -> None:
    require_node(ROOT)
    (tmp_path / "verify.mjs").write_text(code("Public keys", "js")[0])
    driver = """
        import { generateKeyPairSync, sign } from "node:crypto";
        import { readEvent } from "./verify.mjs";
        const [old, current, other] = [0, 1, 2].map(() => generateKeyPairSync("ed25519"));
        const keys = [old, current].map((pair) => pair.publicKey.export({ format: "jwk" }));
        const body = Buffer.from('{"type":"☃"}');
        const try_ = (pair, changed = {}, version = "v1a", age = 0) => {
          const timestamp = String(Math.floor(Date.now() / 1000) - age);
          const signed = Buffer.concat([Buffer.from(`msg_1.${timestamp}.`), body]);
          const signature = `${version},${sign(null, signed, pair.privateKey).toString("base64")}`;
          const headers = {
            "webhook-id": "msg_1",
            "webhook-timestamp": timestamp,
            "webhook-signature": `v1,AAAA ${signature}`,
            ...changed,
          };
          try {
            return readEvent(keys, body, headers).type === "☃";
          } catch (error) {
            return error.message;
          }
        };
        console.log(JSON.stringify([
          try_(old),
          try_(current),
          try_(other),
          try_(current, { "webhook-id": "msg_2" }),
          try_(current, {}, "v1"),
          try_(current, { "webhook-signature": "v1a," }),
          try_(current, {}, "v1a", 400),
        ]));
    """
    wrong = "no signature matches"
    assert run_node(driver, None, tmp_path) == [
        *(True, True, wrong, wrong, wrong, wrong),
        "too old, or from the future",
    ]


@pytest.mark.parametrize("held", [0, 1])
def test_new_and_previous_public_key_verify_real_webhooks(
    sent: Sent, held: int, tmp_path: Path
) -> None:
    require_node(ROOT)
    (tmp_path / "verify.mjs").write_text(code("Public keys", "js")[0])
    driver = """
        import { readFileSync } from "node:fs";
        import { readEvent } from "./verify.mjs";
        const { keys, webhooks } = JSON.parse(readFileSync(0));
        console.log(JSON.stringify(webhooks.map(({ body, headers }) => {
          try {
            return readEvent(keys, Buffer.from(body, "base64"), headers).type;
          } catch (error) {
            return error.message;
          }
        })));
    """
    came = [Case("", "", each.body, each.headers, genuine=True).as_json() for each in sent.received]
    changed = came[0] | {"body": base64.b64encode(sent.received[0].body + b" ").decode()}
    given = {"keys": [sent.keys[held]], "webhooks": [*came, changed]}
    assert len(sent.keys) == 2
    assert run_node(driver, given, tmp_path) == [
        *("blob.labelled", "blob.failed", "webhook.test", "no signature matches")
    ]


def test_header_table_lists_every_header_of_the_service(sent: Sent) -> None:
    table = dict(
        re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", GUIDE.split("## Verify")[0], re.MULTILINE)
    )
    by_http = {"host", "content-length", "connection", "accept-encoding", "accept"}
    for received in sent.received:
        assert received.headers.keys() - by_http == table.keys()
        assert table["content-type"] == f"`{received.headers['content-type']}`"
        assert table["user-agent"] == f"`{received.headers['user-agent']}`" == f"`{USER_AGENT}`"


def test_real_bodies_and_examples_fit_the_schema_and_each_other(
    sent: Sent,
) -> None:
    examples = code("What is sent", "json")
    assert len(examples) == len(sent.received)
    for received, example in zip(sent.received, examples, strict=True):
        assert shape(valid(received.body)) == shape(valid(example.encode()))


def shape(value: Any) -> Any:
    """Return the names in a body, without its values."""
    if isinstance(value, dict):
        # The names in metadata are the client's.
        return {name: 0 if name == "metadata" else shape(each) for name, each in value.items()}
    return (
        [shape(value[0])] if isinstance(value, list) and value and isinstance(value[0], dict) else 0
    )


def operations() -> list[Any]:
    """Return every GraphQL operation of the guide."""
    return re.findall(r"```graphql\n(.*?)```", GUIDE, re.DOTALL)


def commands() -> list[Any]:
    """Return every `labelling` command of the guide."""
    found = re.findall(r"^labelling (.*)$", GUIDE, re.MULTILINE)
    found += re.findall(r"`labelling ((?:deliveries|endpoints|webhook)[^`]*)`", GUIDE)
    return found


@pytest.mark.parametrize("operation", operations())
def test_every_operation_is_valid(operation: str) -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    assert validate(schema, parse(operation)) == []


@pytest.mark.parametrize("command", commands())
def test_every_command_parses(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a data folder without pictures it may then fail. alice has a key."""
    assert main(["keys", "create", "--owner", "alice", "--data", str(tmp_path)]) == 0
    assert main([*command.split(), "--data", str(tmp_path)]) != EXIT_USAGE, capsys.readouterr().err


def test_retry_table_matches_the_schedule() -> None:
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", GUIDE, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, len(RETRY_DELAYS) + 2))
    assert [duration(pause) for _, pause, _ in rows[1:]] == list(RETRY_DELAYS)
    for n, (_, _, since) in enumerate(rows):
        assert duration(since) == sum(RETRY_DELAYS[:n], timedelta(0))


def duration(text: str) -> timedelta:
    """Read '2 h 35 min 5 s'."""
    units = {"h": "hours", "min": "minutes", "s": "seconds"}
    parts = re.findall(r"(\d+) (h|min|s)\b", text)
    return timedelta(**{units[unit]: int(number) for number, unit in parts})


def test_states_and_limits_match_the_code() -> None:
    rows = re.findall(r"^\| `([a-z]+)` \| `[A-Z]", GUIDE, re.MULTILINE)
    assert rows == [state.value for state in DeliveryState]
    for text in (
        f"fewer than {MAX_BODY + 1:,} bytes",
        f"more than {CUT_TEXT} characters",
        f"at most {MAX_RESPONSE_BYTES // 1024} kB of the body are read",
        f"At most {MAX_PER_ENDPOINT} attempts",
    ):
        assert text in GUIDE.replace("\n", " "), text
