"""What the tests of the stack ask of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from core.domain.clock import to_text, utc_now
from core.domain.delivery import (
    MAX_PER_ENDPOINT,
    Attempt,
    Claim,
    Delivery,
    DeliveryState,
    Verdict,
    delivery_id,
)
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.table import Table
from tests.support.aws.cloud import Cloud
from tests.support.images.photos import photo

BLOB = """
query ($id: ID!) {
  blob(id: $id) {
    id status contentType sizeBytes width height createdAt labelledAt downloadUrl
    labels { name confidence parents aliases categories
      instances { confidence boundingBox { left top width height } } }
    failure { code message }
    callback { status attempts { responseStatus errorCode } }
  }
}
"""
BY_LABEL = """
query ($label: String!, $order: LabelledBlobOrder!) {
  blobsByLabel(label: $label, orderBy: $order) { edges { confidence node { id status } } }
}
"""
BY_LABELS = """
query ($all: [String!], $any: [String!], $none: [String!]) {
  blobs(filter: {labels: {all: $all, any: $any, none: $none}}) { nodes { id } }
}
"""
LISTS = """
query ($ids: [ID!]!) {
  blobs { nodes { id } }
  labelled: blobs(filter: { status: [LABELLED] }) { nodes { id } }
  nodes(ids: $ids) { ... on Blob { id } }
  labels(orderBy: BLOB_COUNT) { nodes { name blobCount aliases categories cover { id } } }
  label(name: "CAT") { name }
}
"""
CALLBACK = "id status reason attempts { responseStatus errorCode address }"
ROTATE = """
mutation {
  rotateWebhookSecret { ... on RotatedWebhookSecret { secret previousExpiresAt } }
}
"""
KEYS_PATH = "/.well-known/webhook-keys"
SEND_TEST = f"""
mutation ($url: Url!) {{
  sendTestWebhook(url: $url) {{
    ... on SentTestWebhook {{ delivery {{ {CALLBACK} }} }}
    ... on Error {{ message }}
  }}
}}
"""
REDELIVER = f"""
mutation ($id: ID!) {{
  redeliverWebhook(deliveryId: $id) {{
    ... on RedeliveredWebhook {{ delivery {{ {CALLBACK} }} }}
    ... on Error {{ message }}
  }}
}}
"""
CREATE = """
mutation ($input: CreateUploadInput!) {
  createUpload(input: $input) {
    __typename
    ... on CreatedUpload { blob { id } }
    ... on IdempotencyKeyReused { blobId }
    ... on QuotaExceeded { retryAt }
    ... on Error { message }
  }
}
"""
RELABEL = """
mutation ($id: ID!) {
  relabelBlob(blobId: $id) {
    __typename
    ... on RelabelledBlob { blob { id status } }
    ... on WrongState { status }
    ... on Error { message }
  }
}
"""
CORRECT = """
mutation ($ids: [ID!]!) {
  removeLabels(ids: $ids, names: ["cat"]) { __typename }
  addLabels(ids: $ids, labels: [{name: "Tom"}]) {
    ... on CorrectedBlobs { outcomes { ... on CorrectedBlob { blob { labels { name source } } } } }
  }
}
"""
DELETE = """
mutation ($id: ID!) {
  deleteBlob(blobId: $id) { __typename ... on DeletedBlob { blobId } ... on Error { message } }
}
"""
DELETE_LATER = """
mutation ($ids: [ID!]!) {
  deleteBlobs(ids: $ids, input: {delaySeconds: 30}) {
    ... on DeletedBlobs { outcomes { __typename ... on DeletedBlob { deletesAt } } }
  }
}
"""
RESTORE = """
mutation ($ids: [ID!]!) {
  restoreBlobs(ids: $ids) { ... on RestoredBlobs { outcomes { __typename } } }
}
"""
CALLBACK_BY_ID = f"query ($id: ID!) {{ webhookDelivery(id: $id) {{ {CALLBACK} }} }}"
FOLLOW = "subscription ($id: ID!) { blobEvents(filter: {blobIds: [$id]}) { kind } }"
DISABLED = "{ disabledWebhookEndpoints { url } }"
ENABLE = "mutation ($url: Url!) { enableWebhookEndpoint(url: $url) { __typename } }"
CAT = photo("chelsea.png")


def blob_now(cloud: Cloud, key: str, blob_id: str) -> Any:
    return cloud.graphql(key, BLOB, id=blob_id)["blob"]


def create(cloud: Cloud, key: str, **wish: Any) -> Any:
    return cloud.graphql(key, CREATE, input={"contentType": "PNG", **wish})["createUpload"]


def set_api(cloud: Cloud, **settings: str) -> None:
    """Deploy the API with other settings."""
    api = cloud.template["Resources"]["ApiLambdaFunction"]["Properties"]
    api["Environment"]["Variables"].update(settings)
    cloud.restart("api")


def relabel(cloud: Cloud, key: str, blob_id: str) -> Any:
    return cloud.graphql(key, RELABEL, id=blob_id)["relabelBlob"]


def delete(cloud: Cloud, key: str, blob_id: str) -> str:
    return str(cloud.graphql(key, DELETE, id=blob_id)["deleteBlob"]["__typename"])


def delete_later(cloud: Cloud, key: str, *ids: str) -> list[str]:
    """Let blobs wait to be deleted; return the types of the outcomes."""
    outcomes = cloud.graphql(key, DELETE_LATER, ids=ids)["deleteBlobs"]["outcomes"]
    return [each["__typename"] for each in outcomes]


def restore(cloud: Cloud, key: str, *ids: str) -> list[str]:
    """Restore blobs; return the types of the outcomes."""
    outcomes = cloud.graphql(key, RESTORE, ids=ids)["restoreBlobs"]["outcomes"]
    return [each["__typename"] for each in outcomes]


def deletion_is_due(cloud: Cloud, blob_id: str) -> None:
    """Put the time at which a waiting blob is to be deleted into the past."""
    past = {"S": to_text(utc_now() - timedelta(seconds=1))}
    cloud.dynamodb.update_item(
        TableName=cloud.ids["Table"],
        Key={"pk": {"S": f"blob#{blob_id}"}, "sk": {"S": "blob"}},
        UpdateExpression="SET #at = :past, #deletes_at = :past",
        ExpressionAttributeNames={"#at": "at", "#deletes_at": "deletes_at"},
        ExpressionAttributeValues={":past": past},
    )


def half_an_hour_passes(cloud: Cloud, blob_id: str) -> None:
    """Put a deletion back in time."""
    cloud.dynamodb.update_item(
        TableName=cloud.ids["Table"],
        Key={"pk": {"S": f"blob#{blob_id}"}, "sk": {"S": "deleted"}},
        UpdateExpression="SET #at = :at",
        ExpressionAttributeNames={"#at": "at"},
        ExpressionAttributeValues={":at": {"S": to_text(utc_now() - timedelta(minutes=31))}},
    )


def fill(cloud: Cloud, url: str) -> list[Claim]:
    """Have others hold every lease of an endpoint of Anna's."""
    deliveries = DynamoDeliveryRepository(Table(cloud.dynamodb, cloud.ids["Table"]))
    claims = []
    for number in range(MAX_PER_ENDPOINT):
        now = utc_now()
        name = delivery_id(str(number), 1)
        deliveries.add(Delivery(name, str(number), "anna", url, b"{}", now, now))
        claim = deliveries.claim(name, now, timedelta(minutes=1))
        assert claim is not None
        claims.append(claim)
    return claims


def let_one_end(cloud: Cloud, claim: Claim) -> None:
    deliveries = DynamoDeliveryRepository(Table(cloud.dynamodb, cloud.ids["Table"]))
    done = Attempt(1, utc_now(), utc_now(), 200)
    assert deliveries.finish(claim, done, Verdict(DeliveryState.DELIVERED))


def expire_all(cloud: Cloud) -> None:
    """Have the time of every blob that waits be over."""
    labeller = cloud.template["Resources"]["LabellerLambdaFunction"]["Properties"]
    labeller["Environment"]["Variables"]["LABELLING_UPLOAD_HOURS"] = "0"
    cloud.restart("labeller")
    cloud.schedule("labeller")


ONE_LABEL = """mutation {
  setLabelPolicy(input: {expectedVersion: 0, maxLabels: 1}) {
    ... on LabelPolicySet { policy { version } }
  }
}"""
