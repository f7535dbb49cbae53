"""Libraries that clients are written with, each against the real service."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from gql import Client, GraphQLRequest, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXTransport
from graphql import GraphQLError

from tests.support.images.photos import photo
from tests.support.node import require_node
from tests.support.services.process import ServiceProcess
from tests.support.waiting import PATIENCE

HERE = Path(__file__).parent
PICTURES = ("chelsea.png", "coffee.png", "motorcycle_left.png", "astronaut.png", "chelsea.png")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A service with labelled pictures, three pages of two."""
    running = ServiceProcess(tmp_path_factory.mktemp("clients")).start()
    ids = [running.upload(photo(name)) for name in PICTURES]
    for each in ids:
        running.wait_for(each, lambda blob: blob["status"] == "LABELLED")
    yield running
    assert running.stop() == 0


def node(*command: str, cwd: Path = HERE) -> list[Any]:
    """Run a program of Node; return the lines of JSON it printed."""
    ended = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]


def test_urql_uploads_and_asks(service: ServiceProcess, tmp_path: Path) -> None:
    """Mutations by POST, queries by GET, by their hash once that is known; errors as typed."""
    require_node(HERE / "node_modules" / "@urql" / "core")
    picture = tmp_path / "cat.png"
    picture.write_bytes(photo("chelsea.png"))
    told = node("node", "urql.mjs", f"{service.url}/graphql", str(picture))
    requests = [line for line in told if "method" in line]
    assert {"refused": "InvalidInput"} in told
    assert {"wrong": "GRAPHQL_VALIDATION_FAILED"} in told
    assert {"put": 200} in told
    (labels,) = [line["labels"] for line in told if "labels" in line]
    assert "Cat" in labels
    asked = [(line["method"], line["query"]) for line in requests]
    assert ("POST", True) in asked
    assert ("GET", False) in asked
    assert asked[-1] == ("GET", False)
    assert [line["status"] for line in requests].count(400) == 1  # what is wrong


def test_relay_compiles_its_containers_against_the_schema_and_pages(
    service: ServiceProcess,
) -> None:
    """Connections and Node are as Relay's specifications have them."""
    require_node(HERE / "node_modules" / "relay-compiler")
    relay = HERE / "relay"
    compiled = subprocess.run(
        [str(HERE / "node_modules" / ".bin" / "relay-compiler")],
        cwd=relay,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    told = node("node", "pages.mjs", f"{service.url}/graphql", "animal", cwd=relay)
    page = "query ($first: Int!) { blobs(first: $first) { nodes { id } } }"
    everything = [each["id"] for each in service.graphql(page, first=100)["blobs"]["nodes"]]
    listed = [line["blobs"] for line in told if "blobs" in line]
    assert [len(ids) for ids in listed] == [*range(2, len(everything), 2), len(everything)]
    assert listed[-1] == everything
    animals = [line["blobsByLabel"] for line in told if "blobsByLabel" in line]
    assert len(animals[-1]) >= 2
    assert set(animals[-1]) <= set(everything)
    assert told[-1]["refetched"]["id"] == everything[0]
    assert told[-1]["refetched"]["createdAt"]


CREATE = gql("""
    mutation ($input: CreateUploadInput!) {
      createUpload(input: $input) {
        __typename
        ... on CreatedUpload { blob { id } target { method url headers { name value } } }
        ... on Error { message }
      }
    }
""")
BLOB = gql("query ($id: ID!) { blob(id: $id) { status createdAt } }")


def test_gql_knows_the_schema_uploads_and_asks(service: ServiceProcess) -> None:
    """It checks operations by the schema it was given, and raises what the API answers."""
    transport = HTTPXTransport(url=f"{service.url}/graphql")
    with Client(transport=transport, fetch_schema_from_transport=True) as session:
        made = session.execute(
            GraphQLRequest(CREATE, variable_values={"input": {"contentType": "PNG"}})
        )
        target = made["createUpload"]["target"]
        headers = {each["name"]: each["value"] for each in target["headers"]}
        put = httpx.request(
            target["method"], target["url"], headers=headers, content=photo("coffee.png")
        )
        assert put.status_code == 200
        blob_id = made["createUpload"]["blob"]["id"]
        service.wait_for(blob_id, lambda blob: blob["status"] == "LABELLED")
        found = session.execute(GraphQLRequest(BLOB, variable_values={"id": blob_id}))
        assert found["blob"]["status"] == "LABELLED"
        with pytest.raises(GraphQLError, match="nothing"):
            session.execute(gql("{ nothing }"))
        with pytest.raises(TransportQueryError) as refused:
            session.execute(gql("{ blobs(first: 1000) { nodes { id } } }"))
        (error,) = refused.value.errors or ()
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
