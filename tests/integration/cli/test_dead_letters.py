"""`labelling dead-letters`."""

from __future__ import annotations

from datetime import timedelta

from core.domain.clock import utc_now
from embedded.stores import Stores
from tests.support.services.commands import Run


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
