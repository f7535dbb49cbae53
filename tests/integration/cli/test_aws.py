"""Commands on the table of a service on AWS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.domain.api_key import hash_key
from core.repositories.dynamodb.owners import DynamoOwnerRepository
from core.repositories.dynamodb.table import Table
from tests.support.aws.dynamodb import dynamodb_client
from tests.support.services.commands import Run


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


def test_audit_log_of_a_service_on_aws_is_in_its_table(run: Run, table: str) -> None:
    run("keys", "create", "--owner", "anna", "--table", table)
    (record,) = json.loads(run("audit", "list", "--table", table, "--json")[1])
    assert (record["action"], record["owner"]) == ("key.created", "anna")
