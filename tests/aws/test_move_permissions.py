"""The permissions that docs/move.md names: `labelling move` needs each, and no other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from core.domain.clock import utc_now
from embedded.settings import Settings
from embedded.stores import Stores, open_stores
from tests.aws.test_move import add_labelled, move, settle
from tests.aws.test_move_back import fill, move_back
from tests.support.aws.calls import Call, Permission, permissions_of
from tests.support.aws.cloud import Cloud
from tests.support.aws.emulators import ROOT
from tests.support.aws.iam import Statement, allows

REFERENCES = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "123456789012",
}


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    opened = open_stores(Settings(data=tmp_path / "data"))
    yield opened
    opened.database.close()


@contextmanager
def needed_permissions() -> Iterator[set[Permission]]:
    """Collect what the calls of all threads must be allowed to do."""
    needed: set[Permission] = set()
    make = BaseClient._make_api_call

    def noted(client: BaseClient, operation: str, request: Mapping[str, Any]) -> Any:
        asked, error = dict(request), None  # botocore rewrites it
        try:
            return make(client, operation, request)
        except ClientError as exc:
            error = exc.response["Error"]["Code"]
            raise
        finally:
            service = client.meta.service_model.service_name
            call = Call("move", service, operation, asked, error=error)
            needed.update(permissions_of(call, REFERENCES))

    with patch.object(BaseClient, "_make_api_call", noted):
        yield needed


def documented(cloud: Cloud, number: int) -> list[Statement]:
    """Return the statements of the guide's policy of this number."""
    guide = (ROOT / "docs" / "move.md").read_text(encoding="utf-8")
    policy = re.findall(r"```json\n(.*?)```", guide, re.DOTALL)[number]
    for name in ("Table", "Bucket"):
        policy = policy.replace(name.upper(), cloud.ids[name])
    return [
        Statement(each["Effect"], tuple(each["Action"]), tuple(each["Resource"]))
        for each in json.loads(policy)["Statement"]
    ]


def check(statements: list[Statement], needed: set[Permission]) -> None:
    assert [each for each in needed if not allows(statements, *each)] == []
    for statement in statements:
        for action in statement.actions:
            # The actions of a statement are needed on one of its resources.
            used = [each for each in needed if allows([statement], *each) and each[0] == action]
            assert used, action


def test_documented_permissions_are_enough_and_needed(
    cloud: Cloud, tmp_path: Path, stores: Stores
) -> None:
    data = tmp_path / "data"
    fill(data, stores)
    gone = add_labelled(data, stores)
    settle(stores)
    with needed_permissions() as needed:
        assert move(cloud, data) == 0
        stores.blobs.delete(gone, utc_now())
        settle(stores)
        assert move(cloud, data) == 0
    check(documented(cloud, 0), needed)
    with needed_permissions() as needed:
        assert move_back(cloud, tmp_path / "new", "--stopped") == 0
    check(documented(cloud, 1), needed)
