"""A label policy is applied to stored blobs, whenever the process is killed meanwhile."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

from core.backends.sqlite import Database
from core.domain.clock import utc_now
from core.repositories.sqlite.blobs import SqliteBlobRepository
from core.repositories.sqlite.label_counts import find_wrong_counts
from embedded.migrations import MIGRATIONS
from tests.support.services.process import ServiceProcess
from tests.support.services.stored_blobs import store_labelled
from tests.support.waiting import wait_until

BLOBS: Final = 600
KILLS: Final = 2
SET: Final = """
mutation ($version: Int!, $to: String!) {
  setLabelPolicy(input: {
    expectedVersion: $version
    rules: [{action: RENAME, label: "Thing 0", replacement: $to}]
  }) { ... on LabelPolicySet { policy { version } } }
}
"""
PROGRESS: Final = "{ viewer { labelPolicy { progress { examined finishedAt } } } }"
IN_USE: Final = "{ labels(first: 100) { nodes { name blobCount } } }"


def progress(service: ServiceProcess) -> dict[str, Any]:
    found: dict[str, Any] = service.graphql(PROGRESS)["viewer"]["labelPolicy"]["progress"]
    return found


def has_examined(service: ServiceProcess, number: int) -> bool:
    return bool(progress(service)["examined"] > number)


def in_use(service: ServiceProcess) -> dict[str, int]:
    nodes = service.graphql(IN_USE)["labels"]["nodes"]
    return {each["name"]: each["blobCount"] for each in nodes}


def test_policy_is_applied_after_kills(tmp_path: Path) -> None:
    """It goes on from where it was, and each label is counted once for each blob."""
    service = ServiceProcess(tmp_path).start()
    service.stop()
    database = Database(tmp_path / "labelling.sqlite", MIGRATIONS)
    store_labelled(database, SqliteBlobRepository(database, utc_now), BLOBS, owner="local")
    database.close()
    service.start()
    service.graphql(SET, version=0, to="First")
    for number in range(KILLS):
        wait_until(partial(has_examined, service, number * BLOBS // KILLS))
        service.kill()
        service.start()
    wait_until(lambda: progress(service)["finishedAt"])
    wait_until(lambda: in_use(service).get("First") == BLOBS)
    counts = in_use(service)
    assert "Thing 0" not in counts
    assert counts["Thing 1"] == BLOBS
    service.stop()
    database = Database(tmp_path / "labelling.sqlite", MIGRATIONS)
    assert not find_wrong_counts(database)
    database.close()
