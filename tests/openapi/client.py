"""Upload an image with the generated client, print its labels, and what wrong requests give.

python client.py URL IMAGE
"""

import json
import sys
import time
from pathlib import Path

import httpx
from labelling_client import Client  # type: ignore[import-not-found]
from labelling_client.api.blobs import create_blob, get_blob  # type: ignore[import-not-found]
from labelling_client.models import (  # type: ignore[import-not-found]
    BlobNotFound,
    BlobStatus,
    CallbackUrlRefused,
    CreatedBlob,
    ImageType,
    NewBlob,
)

url, image = sys.argv[1:]
client = Client(base_url=url)
created = create_blob.sync(client=client, body=NewBlob(content_type=ImageType.IMAGEPNG))
assert isinstance(created, CreatedBlob), created
headers = created.upload_headers.to_dict()
put = httpx.put(created.upload_url, content=Path(image).read_bytes(), headers=headers, timeout=30)
assert put.status_code == 200, put.text

while (blob := get_blob.sync(created.blob_id, client=client)).status is not BlobStatus.LABELLED:
    assert blob.failure is None, blob
    time.sleep(0.05)
print(json.dumps({"labels": [each.label for each in blob.labels]}))

absent = get_blob.sync("absent", client=client)
assert isinstance(absent, BlobNotFound), absent
print(json.dumps({"absent": absent.blob_id}))
refused = create_blob.sync(client=client, body=NewBlob(callback_url="ftp://example.org/"))
assert isinstance(refused, CallbackUrlRefused), refused
print(json.dumps({"refused": refused.url}))
