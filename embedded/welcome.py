"""What the service prints when it is ready."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from core.domain.webhook_url import CallbackRules


READY: Final = "Image labelling is ready"


def welcome(
    url: str, data: Path, *, keyless: bool, rules: CallbackRules, unconfined: str | None
) -> str:
    """Return the URLs, the data folder and commands to paste.

    `unconfined` says why the processes that decode pictures are not confined, None if they are.
    """
    if rules.private:
        reach = "anywhere, this machine and private networks too; --private-callbacks no forbids it"
    else:
        reach = "to public addresses only" + ("" if rules.http else ", by https")
        reach += "; --private-callbacks yes allows this machine and private networks"
    key = "" if keyless else " -H 'Authorization: Bearer YOUR_KEY'"
    return textwrap.dedent(f"""
        {READY}.
          Gallery   {url}/
          GraphiQL  {url}/graphql
          Admin     {url}/admin
          REST      {url}/docs
          Webhooks  go {reach}
          Data      {data.resolve()}
          Decoders  {f"not confined: {unconfined}" if unconfined else "confined"}

        Try it (any JPEG in place of cat.jpg):
          BLOB=$(curl -s -X POST {url}/v1/blobs{key})
          field() {{ python3 -c "import json,sys; print(json.load(sys.stdin)['$1'])"; }}
          curl -s -T cat.jpg -H 'Content-Type: image/jpeg' "$(echo "$BLOB" | field upload_url)"
          sleep 1; curl -s{key} {url}/v1/blobs/"$(echo "$BLOB" | field blob_id)"

        Stop with Ctrl-C.
        """)
