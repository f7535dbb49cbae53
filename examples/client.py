"""Upload a picture and print its labels, which arrive by subscription.

pip install "gql[httpx,websockets]"; python3 client.py cat.jpg [--url URL] [--key KEY]
"""

import argparse
import asyncio
import sys
from pathlib import Path

import httpx
from gql import Client, gql
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
        blob { labels { name confidence } failure { message } }
      }
    }
""")
TYPES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}


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
        answer.raise_for_status()
    live = WebsocketsTransport(
        url=url.replace("http", "ws", 1),
        init_payload={"authorization": headers["Authorization"]} if key else {},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
    )
    async with Client(transport=live) as api:
        async for event in api.subscribe(EVENTS, variable_values={"id": made["blob"]["id"]}):
            blob = event["blobEvents"]["blob"]
            if blob is None:
                break
            if blob["failure"]:
                raise RuntimeError(blob["failure"]["message"])
            if blob["labels"] is not None:
                return blob["labels"]
    raise RuntimeError("The picture expired, or was deleted.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Upload a picture and print its labels.")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8000/graphql")
    parser.add_argument("--key")
    given = parser.parse_args()
    kind = TYPES[given.picture.suffix.lower()]
    try:
        for found in asyncio.run(label(given.picture.read_bytes(), kind, given.url, given.key)):
            print(f"{found['confidence']:5.1f}%  {found['name']}")
    except RuntimeError as failure:
        sys.exit(str(failure))
