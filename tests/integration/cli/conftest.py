"""Commands on a new data folder, and on a table of AWS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.cli.main import main
from embedded.settings import Settings
from embedded.stores import Stores, open_stores
from tests.support.aws.dynamodb import REGION, dynamodb_client, table_definition
from tests.support.aws.moto import moto_aws
from tests.support.services.commands import Run


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
