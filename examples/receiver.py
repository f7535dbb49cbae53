#!/usr/bin/env python3
"""Receive webhooks with Python's standard library alone.

    python examples/receiver.py --secret whsec_... [--port 9000]

Verifies each webhook (Standard Webhooks 1.0.0), drops duplicates, answers at once and then prints
one line. While a secret is rotated, give --secret both secrets.
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
MAX_BYTES = 100_000  # a body has fewer than 20,000
MAX_IDS = 10_000  # remembered, to recognise duplicates
MAX_QUEUED = 1_000


class RequestError(Exception):
    """The request is rejected with this status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def webhook_secret(text: str) -> bytes:
    """Return the key that a secret of the form whsec_... holds. Raises ValueError."""
    return base64.b64decode(text.removeprefix("whsec_"), validate=True)


def length_of(headers: Any) -> int:
    """Return the length of the body in bytes. Raises RequestError."""
    try:
        length = int(headers.get("content-length", ""))
    except ValueError:
        raise RequestError(400, "no content-length") from None
    if not 0 <= length <= MAX_BYTES:
        raise RequestError(400, "too long")
    return length


def verify(keys: list[bytes], headers: Any, body: bytes, now: float) -> str:
    """Return the webhook-id. Raises RequestError without a valid, recent signature."""
    webhook_id, timestamp = headers.get("webhook-id"), headers.get("webhook-timestamp")
    signatures = headers.get("webhook-signature")
    if not (webhook_id and timestamp and signatures):
        raise RequestError(400, "a header is missing")
    try:
        age = now - int(timestamp)
    except ValueError:
        raise RequestError(400, "webhook-timestamp is not a number") from None
    if abs(age) > TOLERANCE:
        raise RequestError(401, "too old, or from the future")
    content = f"{webhook_id}.{timestamp}.".encode() + body
    ours = [base64.b64encode(hmac.digest(key, content, hashlib.sha256)) for key in keys]
    for signature in signatures.split():  # there are several while secrets are rotated
        version, _, given = signature.partition(",")
        if version == "v1" and any(hmac.compare_digest(given.encode(), each) for each in ours):
            return str(webhook_id)
    raise RequestError(401, "no signature matches")


def read_event(body: bytes) -> Any:
    """Return the event in a body. Raises RequestError."""
    try:
        event = json.loads(body)
    except ValueError:
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        raise RequestError(400, "the body is not an event")
    return event


class Inbox:
    """A queue of events without duplicates.

    It is in memory, so a crash loses it: use a database or a real queue instead.
    """

    def __init__(self) -> None:
        self.events: queue.Queue[Any] = queue.Queue(MAX_QUEUED)
        self._seen: dict[str, None] = {}  # in order of arrival
        self._lock = threading.Lock()

    def add(self, webhook_id: str, event: Any) -> None:
        """Queue an event unless it is a duplicate. Raises RequestError if the queue is full."""
        with self._lock:
            if webhook_id in self._seen:
                return
            try:
                self.events.put_nowait(event)
            except queue.Full:
                raise RequestError(503, "busy") from None  # the service retries
            self._seen[webhook_id] = None
            if len(self._seen) > MAX_IDS:
                del self._seen[next(iter(self._seen))]


def in_one_line(event: Any) -> str:
    """Return the event as one line of text."""
    blob, kind = event["data"].get("blob"), event.get("type")
    if kind in ("blob.labelled", "blob.labels_changed"):
        seen = ", ".join(f"{label['name']} {label['confidence']:g}%" for label in blob["labels"])
        text = f"{blob['id']} {seen or 'nothing seen'}"
    elif kind == "blob.failed":
        text = f"{blob['id']} {blob['failure']['code']}: {blob['failure']['message']}"
    else:  # a test, or a type that is newer than this program
        text = json.dumps(event["data"], ensure_ascii=False)
    line = f"{event.get('timestamp')} {kind} {text}"
    return "".join(each if each.isprintable() else "?" for each in line)


def serve(keys: list[bytes], port: int) -> None:
    """Receive webhooks until the process is stopped."""
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # seconds without a byte

        def do_POST(self) -> None:
            try:
                body = self.rfile.read(length_of(self.headers))
                webhook_id = verify(keys, self.headers, body, time.time())
                inbox.add(webhook_id, read_event(body))
                status = 204
            except RequestError as error:
                print(f"rejected: {error}", file=sys.stderr, flush=True)
                status = error.status
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
    """Read the command line and receive webhooks."""
    parser = argparse.ArgumentParser(description="Receive webhooks and print them.")
    parser.add_argument(
        "--secret",
        dest="keys",
        type=webhook_secret,
        action="extend",
        nargs="+",
        required=True,
        metavar="whsec_...",
        help="the valid secrets: two while one is rotated",
    )
    parser.add_argument("--port", type=int, default=9000, help="0 takes a free one (9000)")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        serve(options.keys, options.port)


if __name__ == "__main__":
    main()
