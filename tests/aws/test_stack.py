"""The stack as deployed, from an upload's promise to its webhook, by the real handlers."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from standardwebhooks import Webhook

from core.domain.label import Detection, Label
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.table import Table
from embedded.cli.main import main
from labeller.detectors.base import Options, Picture
from tests.support.aws.cloud import CREATE, Cloud, Rekognition, made_key
from tests.support.aws.dynamodb import table_definition
from tests.support.aws.iam import Template
from tests.support.aws.stack_operations import (
    BY_LABEL,
    BY_LABELS,
    CAT,
    LISTS,
    blob_now,
)
from tests.support.webhooks.receiver import Receiver


def test_the_whole_way(
    cloud: Cloud, key: str, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """From createUpload to a signed webhook, and the blob is found by its labels."""
    blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url)
    assert target["method"] == "PUT"
    assert cloud.put(target, CAT) == 200
    assert cloud.carry("Uploads", "labeller") == 1

    blob = blob_now(cloud, key, blob_id)
    assert (blob["status"], blob["failure"]) == ("LABELLED", None)
    assert (blob["width"], blob["height"], blob["sizeBytes"]) == (451, 300, len(CAT))
    nothing: dict[str, Any] = {"parents": [], "aliases": [], "categories": [], "instances": []}
    box = {"left": 0.25, "top": 0.0, "width": 0.5, "height": 1.0}
    assert blob["labels"] == [
        {"name": "Animal", "confidence": 99.0, **nothing},
        {
            "name": "Cat",
            "confidence": 97.5,
            "parents": ["Animal"],
            "aliases": ["Kitty"],
            "categories": ["Animals and Pets"],
            "instances": [{"confidence": 96.0, "boundingBox": box}],
        },
    ]
    assert blob["createdAt"] <= blob["labelledAt"]
    assert cloud.get(blob["downloadUrl"]) == CAT

    assert cloud.notify() == 1
    received = receiver.wait_for(lambda _: True)
    capsys.readouterr()
    main(["webhook-secret", "--owner", "anna", "--table", cloud.ids["Table"]])
    secret = capsys.readouterr().out.strip()
    event = Webhook(secret).verify(received.body, received.headers)
    assert event["type"] == "blob.labelled"
    assert event["data"]["blob"]["id"] == blob_id
    assert [each["name"] for each in event["data"]["blob"]["labels"]] == [
        each["name"] for each in blob["labels"]
    ]
    assert blob_now(cloud, key, blob_id)["callback"] == {
        "status": "DELIVERED",
        "attempts": [{"responseStatus": 200, "errorCode": None}],
    }

    name = blob["labels"][0]["name"]
    for order in ("NEWEST", "CONFIDENCE"):
        found = cloud.graphql(key, BY_LABEL, label=name.upper(), order=order)["blobsByLabel"]
        assert [edge["node"] for edge in found["edges"]] == [{"id": blob_id, "status": "LABELLED"}]
    lists = cloud.graphql(key, LISTS, ids=[blob_id, "other"])
    assert lists["blobs"]["nodes"] == lists["labelled"]["nodes"] == [{"id": blob_id}]
    assert lists["nodes"] == [{"id": blob_id}, None]
    assert lists["labels"]["nodes"] == [
        {
            **{each: label[each] for each in ("name", "aliases", "categories")},
            "blobCount": 1,
            "cover": {"id": blob_id},
        }
        for label in blob["labels"]
    ]
    assert lists["label"] == {"name": "Cat"}

    assert cloud.notify() == 0, "one change, one webhook"
    assert len(receiver.received) == 1


def test_blobs_are_found_by_several_labels(
    cloud: Cloud, key: str, rekognition: Rekognition, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of some, one of others, none of yet others; in any case."""
    made = {}
    for names in ("Cat", "Dog", "Cat Dog"):
        blob_id, target = cloud.create_upload(key)
        cloud.put(target, CAT)
        rekognition.answer["Labels"] = [
            {"Name": name, "Confidence": 90.0} for name in ["Animal", *names.split()]
        ]
        cloud.carry("Uploads", "labeller")
        made[names] = blob_id
    cloud.notify()
    for wanted, found in [
        ({"all": ["animal", "CAT"]}, ["Cat Dog", "Cat"]),
        ({"any": ["dog", "cat"]}, ["Cat Dog", "Dog", "Cat"]),
        ({"any": ["dog", "cat"], "none": ["Cat"]}, ["Dog"]),
        ({"all": ["dog"], "any": ["cat", "cow"]}, ["Cat Dog"]),
        ({"all": ["animal", "cow"]}, []),
    ]:
        nodes = cloud.graphql(key, BY_LABELS, **wanted)["blobs"]["nodes"]
        assert [node["id"] for node in nodes] == [made[names] for names in found]
    other = made_key(cloud, capsys, "boris")
    assert cloud.graphql(other, BY_LABELS, all=["animal"])["blobs"]["nodes"] == []


def test_facts_are_kept_found_and_changed(cloud: Cloud, key: str, receiver: Receiver) -> None:
    """Through labelling, in the webhook, and in every list that they have."""
    facts: dict[str, Any] = {
        "fileName": "Straße.png",
        "externalId": "order-17",
        "metadata": [{"key": "album", "value": "Élan"}],
    }
    blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url, **facts)
    cloud.put(target, CAT)
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    told = json.loads(receiver.wait_for(lambda _: True).body)["data"]["blob"]
    assert (told["fileName"], told["externalId"]) == ("Straße.png", "order-17")
    assert told["metadata"] == {"album": "Élan"}
    found = """
      query ($by: BlobFilter, $order: BlobOrder!) {
        blobs(filter: $by, orderBy: $order) { nodes { id fileName downloadUrl } }
      }
    """
    for by, order in [
        ({"fileNamePrefix": "STRASSE"}, "FILE_NAME"),
        ({"externalIds": ["order-17", "order-18"]}, "NEWEST"),
        ({"metadata": facts["metadata"]}, "OLDEST"),
    ]:
        (node,) = cloud.graphql(key, found, by=by, order=order)["blobs"]["nodes"]
        assert (node["id"], node["fileName"]) == (blob_id, "Straße.png")
        assert cloud.get(node["downloadUrl"]) == CAT
        assert "filename%2A%3DUTF-8%27%27Stra%25C3%259Fe.png" in node["downloadUrl"]
    taken = cloud.graphql(key, CREATE, input={"contentType": "PNG", "externalId": "order-17"})
    assert taken["createUpload"]["__typename"] == "ExternalIdTaken"
    update = """
      mutation ($id: ID!) {
        updateBlob(blobId: $id, input: {externalId: null, metadata: null}) {
          ... on UpdatedBlob { blob { fileName externalId metadata { key } } }
        }
      }
    """
    left = {"fileName": "Straße.png", "externalId": None, "metadata": []}
    assert cloud.graphql(key, update, id=blob_id) == {"updateBlob": {"blob": left}}
    assert cloud.create_upload(key, externalId="order-17")[0] != blob_id


class Eye:
    """A detector of another package."""

    def __init__(self, options: Options) -> None:
        self.name = f"eye/{options.max_pixels}"

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        with picture.open() as stream:
            size = len(stream.read())
        assert size == picture.size
        return Detection((Label("Iris", 88.0),), 4, 3, self.name)


def test_another_packages_detector_labels(
    cloud: Cloud, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By module and factory; Rekognition isn't asked, and whatever the store tells is handed on."""
    monkeypatch.setitem(sys.modules, "eyes", SimpleNamespace(Eye=Eye))  # type: ignore[misc]
    cloud.own["labeller"]["LABELLING_DETECTOR"] = "eyes:Eye"
    cloud.restart("labeller")
    blob_id, target = cloud.create_upload(key)
    cloud.put(target, CAT)
    assert cloud.carry("Uploads", "labeller") == 1
    assert [label["name"] for label in blob_now(cloud, key, blob_id)["labels"]] == ["Iris"]
    blobs = DynamoBlobRepository(Table(cloud.dynamodb, cloud.ids["Table"]))
    assert blobs.find("anna", [blob_id])[blob_id].detector == "eye/100000000"


def test_the_table_is_the_one_that_the_contract_is_tested_on(compiled: Template) -> None:
    """Keys, indexes and projections."""
    table = compiled["Resources"]["Table"]["Properties"]
    wanted = table_definition()
    for name in wanted.keys() - {"AttributeDefinitions"}:
        assert table[name] == wanted[name]
    attributes = [each["AttributeDefinitions"] for each in (table, wanted)]
    assert sorted(attributes[0], key=str) == sorted(attributes[1], key=str)
