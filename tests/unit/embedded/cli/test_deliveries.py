"""`labelling deliveries` and `labelling endpoints`, on a data folder and on a table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.domain.clock import to_text, utc_now
from core.domain.delivery import Attempt, Delivery, DeliveryState, Verdict, delivery_id
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.table import Table
from core.repositories.ports.deliveries import DeliveryRepository
from embedded.cli.main import main
from embedded.settings import Settings
from embedded.stores import open_stores
from tests.support.aws.dynamodb import REGION, dynamodb_client, table_definition
from tests.support.aws.moto import moto_aws
from tests.support.blobs import NOON

HOOK = "https://example.org/hook"
Run = Callable[..., tuple[int, str, str]]


class Rig:
    """The deliveries of a store, and the command that works on them."""

    def __init__(self, deliveries: DeliveryRepository, where: tuple[str, str], run: Run) -> None:
        self.deliveries = deliveries
        self._where = where
        self._run = run

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        return self._run(*arguments, *self._where)

    def add(self, number: int, state: DeliveryState, at: datetime = NOON, **outcome: Any) -> str:
        """Add a delivery whose only attempt ended in a state; return its id."""
        name = delivery_id(str(number), 3)
        body = b'{"type":"blob.labelled"}'
        self.deliveries.add(Delivery(name, str(number), "anna", f"{HOOK}/{number}", body, at, at))
        if state is not DeliveryState.PENDING:
            claim = self.deliveries.claim(name, at, timedelta(seconds=30))
            assert claim is not None
            ended = at + timedelta(seconds=1)
            attempt = Attempt(1, at, ended, **outcome)
            self.deliveries.finish(claim, attempt, Verdict(state))
        return name

    def state(self, name: str) -> DeliveryState:
        found = self.deliveries.get(name)
        assert found is not None
        return found.state


@pytest.fixture(params=["folder", pytest.param("table", marks=pytest.mark.slow)])
def rig(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Rig]:
    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main([*arguments])
        return (status, *capsys.readouterr())

    if request.param == "folder":
        stores = open_stores(Settings(data=tmp_path))
        yield Rig(stores.deliveries, ("--data", str(tmp_path)), run)
        stores.database.close()
    else:
        monkeypatch.setenv("AWS_REGION", REGION)
        with moto_aws():
            client = dynamodb_client()
            client.create_table(TableName="records", **table_definition())
            yield Rig(
                DynamoDeliveryRepository(Table(client, "records")), ("--table", "records"), run
            )


def test_deliveries_are_listed(rig: Rig) -> None:
    """All, or those of a state, of an owner, since a time."""
    rig.add(1, DeliveryState.PENDING)
    rig.add(2, DeliveryState.EXHAUSTED, error="timeout")
    late = rig.add(3, DeliveryState.EXHAUSTED, NOON + timedelta(hours=1), error="timeout")
    _, out, _ = rig("deliveries", "list")
    assert [line.split() for line in out.splitlines()] == [
        ["msg_1_3", "pending", "0", to_text(NOON), "anna", f"{HOOK}/1"],
        [
            late,
            "exhausted",
            "1",
            to_text(NOON + timedelta(hours=1, seconds=1)),
            "anna",
            f"{HOOK}/3",
        ],
        ["msg_2_3", "exhausted", "1", to_text(NOON + timedelta(seconds=1)), "anna", f"{HOOK}/2"],
    ]
    since = ("--since", to_text(NOON + timedelta(minutes=30)))
    assert rig("deliveries", "list", "--state", "exhausted", *since)[1].split()[0] == late
    assert rig("deliveries", "list", "--owner", "boris") == (0, "", "No webhooks found.\n")
    assert rig("deliveries", "list", "--state", "gone", "--state", "delivered")[1] == ""
    listed = json.loads(rig("deliveries", "list", "--json")[1])
    assert [(each["id"], each["due_at"], each["ended_at"]) for each in listed] == [
        ("msg_1_3", to_text(NOON), None),
        (late, None, to_text(NOON + timedelta(hours=1, seconds=1))),
        ("msg_2_3", None, to_text(NOON + timedelta(seconds=1))),
    ]
    assert list(listed[0]) == [
        *("id", "blob_id", "owner", "url", "state", "attempts"),
        *("created_at", "due_at", "ended_at", "last_error", "reason"),
    ]


def test_delivery_is_shown_completely(rig: Rig) -> None:
    """With its attempts and its body."""
    outcome: dict[str, Any] = {"status": 500, "error": "status", "response": b"oh no"}
    name = rig.add(1, DeliveryState.EXHAUSTED, address="192.0.2.1", **outcome)
    status, out, _ = rig("deliveries", "show", name)
    assert status == 0
    assert f"url       {HOOK}/1\n" in out
    assert "event     blob.labelled, 24 bytes\n" in out
    assert "exhausted" in out
    assert "failed: status 500." in out
    assert re.search(r"attempt   1  \S+  500 in 1\.000 s  192\.0\.2\.1  'oh no'\n", out)
    assert out.endswith('body      {"type":"blob.labelled"}\n')
    pending = rig.add(2, DeliveryState.PENDING)
    assert f"state     pending, due {to_text(NOON)}" in rig("deliveries", "show", pending)[1]
    assert rig.deliveries.claim(pending, NOON, timedelta(seconds=30))
    assert re.search(r"attempt   1  \S+  unknown\n", rig("deliveries", "show", pending)[1])


def test_deliveries_are_sent_again_by_id(rig: Rig) -> None:
    """In whatever state they ended."""
    names = [rig.add(1, DeliveryState.DELIVERED), rig.add(2, DeliveryState.GONE, status=410)]
    other = rig.add(3, DeliveryState.EXHAUSTED)
    status, out, _ = rig("deliveries", "redeliver", *names)
    assert (status, out.split()[0]) == (0, "2")
    assert [rig.state(each) for each in names] == [DeliveryState.PENDING] * 2
    assert rig.state(other) is DeliveryState.EXHAUSTED
    assert sorted(rig.deliveries.find_due(utc_now(), 10)) == names


def test_all_exhausted_since_a_time_are_sent_again(rig: Rig) -> None:
    """Neither earlier ones nor those that ended in another state."""
    early = rig.add(1, DeliveryState.EXHAUSTED, NOON - timedelta(hours=2))
    several = [rig.add(n, DeliveryState.EXHAUSTED) for n in range(2, 14)]
    gone = rig.add(20, DeliveryState.GONE, status=410)
    assert rig("deliveries", "redeliver", "--since", to_text(NOON))[1].startswith("12 ")
    assert {rig.state(each) for each in several} == {DeliveryState.PENDING}
    assert rig.state(early) is DeliveryState.EXHAUSTED
    assert rig.state(gone) is DeliveryState.GONE
    assert rig("deliveries", "redeliver", "--since", "9999d", "--owner", "boris")[1][0] == "0"
    rig("deliveries", "redeliver", "--since", to_text(NOON), "--state", "gone")
    assert rig.state(gone) is DeliveryState.PENDING


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("deliveries", "show", "msg_9_9"), "no delivery msg_9_9; see 'labelling deliveries list'"),
        (("deliveries", "redeliver", "msg_9_9"), "no delivery msg_9_9"),
        (("deliveries", "redeliver"), "give either ids of webhooks, or --since"),
        (
            ("deliveries", "redeliver", "msg_9_9", "--since", "3d"),
            "give either ids of webhooks, or --since",
        ),
        (("deliveries", "list", "--since", "soon"), "'soon' is neither a time such as"),
        (("endpoints", "enable", HOOK), "local has no such disabled endpoint"),
    ],
)
def test_impossible_requests_are_errors(rig: Rig, arguments: tuple[str, ...], message: str) -> None:
    """The message says what to do instead."""
    status, out, errors = rig(*arguments)
    assert (status, out) == (1, "")
    assert message in errors


def test_disabled_endpoints_are_listed_and_enabled(rig: Rig) -> None:
    """Those of one owner."""
    rig.deliveries.disable_endpoint("anna", HOOK, NOON)
    assert rig("endpoints", "list") == (0, "", "local has no disabled endpoints.\n")
    assert rig("endpoints", "list", "--owner", "anna")[1] == f"{to_text(NOON)}  {HOOK}\n"
    assert rig("endpoints", "enable", f"{HOOK}?a=b", "--owner", "anna")[0] == 0
    assert rig("endpoints", "list", "--owner", "anna")[1] == ""
