"""The OpenAPI document, the page made from it, and requests that are made up from it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate
from schemathesis.specs.openapi import checks

from api.rest.app import create_app
from api.rest.openapi import example_of
from api.rest.problems import KINDS
from api.rest.schemas import PROBLEMS, Problem, code_of
from tests.conftest import SettableClock
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores


@pytest.fixture(scope="module")
def stores_of_anna(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStores]:
    stores = EmbeddedStores(tmp_path_factory.mktemp("openapi"), SettableClock())
    yield stores
    stores.close()


@pytest.fixture(scope="module")
def served(stores_of_anna: EmbeddedStores) -> Iterator[AppClient]:
    """The API, whose owner needs no key."""
    app = create_app(stores_of_anna.services("anna"), readiness=lambda: {"store": None})
    with AppClient(app) as client:
        yield client


@pytest.fixture(scope="module")
def document(served: AppClient) -> dict[str, Any]:
    answer = served.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_document_is_valid(document: dict[str, Any]) -> None:
    """By the rules of OpenAPI 3.1."""
    validate(document)
    assert document["servers"] == [{"url": "/"}]


def test_document_names_the_public_url(stores: EmbeddedStores) -> None:
    app = create_app(stores.services(), public_url="https://labels.example")
    with AppClient(app) as client:
        servers = client.get("/openapi.json").json()["servers"]
    assert servers == [{"url": "https://labels.example"}]


def test_document_describes_every_route(document: dict[str, Any]) -> None:
    """Each has a summary, a description, an id, and a schema and a meaning of each response."""
    described = {
        (path, method)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation["summary"] and operation["description"] and operation["operationId"]
    }
    assert described == {
        ("/v1/blobs", "post"),
        ("/v1/blobs/{blob_id}", "get"),
        ("/.well-known/webhook-keys", "get"),
        ("/healthz", "get"),
        ("/readyz", "get"),
    }
    for operation in operations(document):
        for response in operation["responses"].values():
            assert response["description"] != "Successful Response"
            (content,) = response["content"].values()
            assert content["schema"]


def test_operations_that_need_a_key_say_so(document: dict[str, Any]) -> None:
    """They can be answered 401, 403 and 429."""
    keyed = [each for each in operations(document) if each.get("security")]
    assert [each["operationId"] for each in keyed] == ["createBlob", "getBlob"]
    for operation in keyed:
        assert {"401", "403", "429", "500", "503"} <= operation["responses"].keys()
        (requirement,) = operation["security"]
        assert requirement.keys() <= document["components"]["securitySchemes"].keys()


def test_every_error_response_is_a_problem_with_examples(document: dict[str, Any]) -> None:
    """An example of each kind, which its schema accepts."""
    for operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) < 400 or operation["operationId"] == "getReadiness":
                continue
            content = response["content"]["application/problem+json"]
            names = {each["$ref"] for each in content["schema"].get("anyOf", [content["schema"]])}
            assert len(content["examples"]) == len(names)
            schema = {**content["schema"], "components": document["components"]}
            for example in content["examples"].values():
                jsonschema.validate(example["value"], schema)
                assert example["value"]["status"] == int(status)


def test_request_examples_are_accepted(served: AppClient, document: dict[str, Any]) -> None:
    body = document["paths"]["/v1/blobs"]["post"]["requestBody"]
    for example in body["content"]["application/json"]["examples"].values():
        assert served.post("/v1/blobs", json=example["value"]).status_code == 201


@pytest.mark.parametrize("kind", PROBLEMS, ids=lambda kind: kind.__name__)
def test_schema_and_example_of_a_problem_agree(kind: type[Problem]) -> None:
    example = example_of(kind)
    assert kind.model_validate(example).code == code_of(kind)
    required = {name for name, field in kind.model_fields.items() if field.is_required()}
    assert required <= example.keys() <= kind.model_fields.keys()


MODES = schemathesis.GenerationMode
REQUESTS = [
    ("createBlob", MODES.POSITIVE),
    ("createBlob", MODES.NEGATIVE),
    # Any text is an id or a name, so that every request to these fits.
    ("getBlob", MODES.POSITIVE),
    ("getWebhookKeys", MODES.POSITIVE),
    ("getHealth", MODES.POSITIVE),
    ("getReadiness", MODES.POSITIVE),
]


@pytest.fixture(scope="module")
def strategies(document: dict[str, Any]) -> dict[Any, st.SearchStrategy[Any]]:
    """Requests without a key, by operation; those of the mode NEGATIVE do not fit the document."""
    keyless = copy.deepcopy(document)
    for operation in operations(keyless):
        operation.pop("security", None)
    schema = schemathesis.openapi.from_dict(keyless)
    found = {
        each.ok().definition.raw["operationId"]: each.ok() for each in schema.get_all_operations()
    }
    return {(name, mode): found[name].as_strategy(generation_mode=mode) for name, mode in REQUESTS}


def test_requests_are_made_up_for_every_operation(document: dict[str, Any]) -> None:
    assert {name for name, _ in REQUESTS} == {each["operationId"] for each in operations(document)}


@settings(phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize(("name", "mode"), REQUESTS)
def test_responses_are_those_of_the_document(
    served: AppClient,
    strategies: dict[Any, st.SearchStrategy[Any]],
    name: str,
    mode: MODES,
    data: st.DataObject,
) -> None:
    """Status, media type, headers and body; a request that does not fit is rejected."""
    case = data.draw(strategies[name, mode])
    request = case.as_transport_kwargs(base_url="http://testserver")
    answer = served.request(
        request["method"],
        request["url"],
        headers=request["headers"],
        params=request["params"],
        content=request.get("data"),
        json=request.get("json"),
    )
    case.validate_response(
        answer,
        checks=[
            schemathesis.checks.not_a_server_error,
            checks.status_code_conformance,
            checks.content_type_conformance,
            checks.response_headers_conformance,
            checks.response_schema_conformance,
            checks.negative_data_rejection,
        ],
    )


class Page(HTMLParser):
    """The ids, links and loaded files of a page; fails for tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)
        for name, value in attrs:
            match tag, name:
                case _, "id":
                    self.ids.append(str(value))
                case "a", "href":
                    self.links.append(str(value))
                case _, "src" | "href" | "srcset" | "data":
                    self.loaded.append(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_docs_page_describes_everything_and_loads_nothing(
    served: AppClient, document: dict[str, Any]
) -> None:
    """Its links lead to its own parts and to the document; its style is the one allowed."""
    answer = served.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = Page(answer.text)
    assert page.open == []
    assert page.loaded == []
    assert "<script" not in answer.text
    assert {link.removeprefix("#") for link in page.links} <= {*page.ids, "openapi.json"}
    assert len(set(page.ids)) == len(page.ids)
    assert {each["operationId"] for each in operations(document)} <= set(page.ids)
    for path in document["paths"]:
        assert path in answer.text


def test_type_of_a_problem_leads_to_its_description(served: AppClient) -> None:
    problem_type = served.get("/v1/blobs/absent").json()["type"]
    path, _, part = problem_type.partition("#")
    page = Page(served.get(path).text)
    assert part in page.ids
    assert set(KINDS) <= set(page.ids)


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for methods in document["paths"].values() for each in methods.values()]
