"""Upload a picture and print its labels, which arrive by subscription.

pip install "gql[httpx,websockets]"; python3 client.py cat.jpg [--url URL] [--key KEY]
"""

import argparse
import asyncio
import sys
from pathlib import Path

import httpx
from gql import Client, gql
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

CREATE = gql("""
    mutation Create($input: CreateUploadInput!) {
      createUpload(input: $input) {
        ... on CreatedUpload { blob { id } target { method url headers { name value } } }
        ... on Error { message }
      }
    }
""")
EVENTS = gql("""
    subscription Events($id: ID!) {
      blobEvents(filter: {blobIds: [$id]}) {
        kind
        blob { labels { name confidence } failure { message } }
      }
    }
""")
NAMES = {".jpg": "JPEG", ".jpe": "JPEG", ".tif": "TIFF", ".heif": "HEIC"}  # others: the ending
ENDINGS = {"DELETED": "The picture was deleted.", "EXPIRED": "The picture did not arrive in time."}


async def label(picture: bytes, kind: str, url: str, key: str | None) -> list[dict]:
    """Return the labels of a picture. Raises RuntimeError if it gets none."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    upload = {"contentType": kind, "sizeBytes": len(picture)}
    async with Client(transport=HTTPXAsyncTransport(url=url, headers=headers)) as api:
        made = (await api.execute(CREATE, variable_values={"input": upload}))["createUpload"]
    if "message" in made:
        raise RuntimeError(made["message"])
    target = made["target"]  # null only where an idempotencyKey is repeated
    sent = {each["name"]: each["value"] for each in target["headers"]}
    async with httpx.AsyncClient() as store:
        answer = await store.request(target["method"], target["url"], headers=sent, content=picture)
        if answer.is_error:
            raise RuntimeError(f"The upload failed: {answer.status_code} {answer.text}")
    wait = 0.5
    while True:
        try:
            return await labels_of(made["blob"]["id"], url, headers)
        except TransportConnectionFailed:  # the service restarts
            await asyncio.sleep(wait)
            wait = min(2 * wait, 8)


async def labels_of(blob_id: str, url: str, headers: dict[str, str]) -> list[dict]:
    """Subscribe to a picture until it has labels, which may be at once; return them."""
    live = WebsocketsTransport(
        url=url.replace("http", "ws", 1),
        init_payload={name.lower(): value for name, value in headers.items()},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
    )
    async with Client(transport=live) as api:
        async for event in api.subscribe(EVENTS, variable_values={"id": blob_id}):
            kind, blob = event["blobEvents"]["kind"], event["blobEvents"]["blob"]
            if kind in ENDINGS:
                raise RuntimeError(ENDINGS[kind])
            if blob["failure"]:
                raise RuntimeError(blob["failure"]["message"])
            if blob["labels"] is not None:
                return blob["labels"]
    raise RuntimeError("The subscription ended without labels.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Upload a picture and print its labels.")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8000/graphql")
    parser.add_argument("--key")
    given = parser.parse_args()
    suffix = given.picture.suffix.lower()
    kind = NAMES.get(suffix, suffix[1:].upper())
    try:
        for found in asyncio.run(label(given.picture.read_bytes(), kind, given.url, given.key)):
            print(f"{found['confidence']:5.1f}%  {found['name']}")
    except TransportConnectionFailed:
        sys.exit(f"{given.url} does not answer. Start the service, or name another with --url.")
    except TransportQueryError as failure:  # for example, the key is wrong
        sys.exit(failure.errors[0]["message"])
    except RuntimeError as failure:
        sys.exit(str(failure))
