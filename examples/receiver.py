#!/usr/bin/env python3
"""Receive webhooks with Python's standard library alone.

    python examples/receiver.py --secret whsec_... [--port 9000]

Each is verified (Standard Webhooks 1.0.0), dropped if it came before, answered at once and then
printed in one line. Give --secret both secrets while one is rotated.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import hmac
import json
import queue
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOLERANCE = 5 * 60  # seconds between the sender's clock and ours
MOST_BYTES = 100_000  # a body has fewer than 20,000
MOST_IDS = 10_000  # remembered, to know a webhook that comes again
MOST_WAITING = 1_000


class Refused(Exception):
    """What came is not answered with 2xx: `status` says why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def webhook_secret(text: str) -> bytes:
    """Return the key that a secret of the form whsec_... holds. Raises ValueError."""
    return base64.b64decode(text.removeprefix("whsec_"), validate=True)


def length_of(headers: Any) -> int:
    """Return how many bytes the body has. Raises Refused."""
    try:
        length = int(headers.get("content-length", ""))
    except ValueError:
        raise Refused(400, "without a length") from None
    if not 0 <= length <= MOST_BYTES:
        raise Refused(400, "too long")
    return length


def verify(keys: list[bytes], headers: Any, body: bytes, now: float) -> str:
    """Return the webhook-id. Raises Refused unless a signature is ours and of these minutes."""
    webhook_id, timestamp = headers.get("webhook-id"), headers.get("webhook-timestamp")
    signatures = headers.get("webhook-signature")
    if not (webhook_id and timestamp and signatures):
        raise Refused(400, "without the headers of a webhook")
    try:
        age = now - int(timestamp)
    except ValueError:
        raise Refused(400, "webhook-timestamp is no number") from None
    if abs(age) > TOLERANCE:
        raise Refused(401, "too old, or from the future")
    content = f"{webhook_id}.{timestamp}.".encode() + body
    ours = [base64.b64encode(hmac.digest(key, content, hashlib.sha256)) for key in keys]
    for signature in signatures.split():  # there are several while secrets are rotated
        version, _, given = signature.partition(",")
        if version == "v1" and any(hmac.compare_digest(given.encode(), each) for each in ours):
            return str(webhook_id)
    raise Refused(401, "no signature is right")


def read_event(body: bytes) -> Any:
    """Return the event that a body tells. Raises Refused."""
    try:
        event = json.loads(body)
    except ValueError:
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        raise Refused(400, "no event")
    return event


class Inbox:
    """Events that wait for their work, none of them twice.

    In memory, hence lost in a crash: keep them in a database or a real queue before you answer.
    """

    def __init__(self) -> None:
        self.events: queue.Queue[Any] = queue.Queue(MOST_WAITING)
        self._seen: dict[str, None] = {}  # in order of arrival
        self._lock = threading.Lock()

    def add(self, webhook_id: str, event: Any) -> None:
        """Take an event in, unless it came before. Raises Refused when there is no room."""
        with self._lock:
            if webhook_id in self._seen:
                return
            try:
                self.events.put_nowait(event)
            except queue.Full:
                raise Refused(503, "busy") from None  # it will be sent again
            self._seen[webhook_id] = None
            if len(self._seen) > MOST_IDS:
                del self._seen[next(iter(self._seen))]


def in_one_line(event: Any) -> str:
    """Say what happened."""
    blob, kind = event["data"].get("blob"), event.get("type")
    if kind == "blob.labelled":
        seen = ", ".join(f"{label['name']} {label['confidence']:g}%" for label in blob["labels"])
        said = f"{blob['id']} {seen or 'nothing seen'}"
    elif kind == "blob.failed":
        said = f"{blob['id']} {blob['failure']['code']}: {blob['failure']['message']}"
    else:  # a test, or a type that is newer than this program
        said = json.dumps(event["data"], ensure_ascii=False)
    line = f"{event.get('timestamp')} {kind} {said}"
    return "".join(each if each.isprintable() else "?" for each in line)


def serve(keys: list[bytes], port: int) -> None:
    """Receive until stopped."""
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # seconds without a byte

        def do_POST(self) -> None:
            try:
                body = self.rfile.read(length_of(self.headers))
                webhook_id = verify(keys, self.headers, body, time.time())
                inbox.add(webhook_id, read_event(body))
                status = 204
            except Refused as refused:
                print(f"refused: {refused}", file=sys.stderr, flush=True)
                status = refused.status
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    def work() -> None:
        while True:
            print(in_one_line(inbox.events.get()), flush=True)

    threading.Thread(target=work, daemon=True).start()
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        print(f"Listening on http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


def main() -> None:
    """Read the command line and receive."""
    parser = argparse.ArgumentParser(description="Receive webhooks and print them.")
    parser.add_argument(
        "--secret",
        dest="keys",
        type=webhook_secret,
        action="extend",
        nargs="+",
        required=True,
        metavar="whsec_...",
        help="each secret that is valid: two while one is rotated",
    )
    parser.add_argument("--port", type=int, default=9000, help="0 takes a free one (9000)")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        serve(options.keys, options.port)


if __name__ == "__main__":
    main()
