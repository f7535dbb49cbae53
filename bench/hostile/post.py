"""POST standard input to a URL with the guarded HTTP client: `post.py URL DEADLINE_SECONDS`.

Prints a JSON array: the seconds it took, the peak memory of this process in MB, and the outcome.
bench/webhooks.py runs it in a process of its own, so that the memory is the client's.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from core.domain.webhook_url import CallbackRules
from notifier.http.client import SendError, WebhookClient


def main() -> None:
    url, deadline = sys.argv[1:]
    client = WebhookClient(deadline=float(deadline), rules=CallbackRules(private=True))
    body = sys.stdin.buffer.read()
    began = time.perf_counter()
    try:
        response = client.post(url, {}, body)
        outcome = f"status {response.status}, {len(response.body)} bytes read"
    except SendError as error:
        outcome = str(error)
    took = time.perf_counter() - began
    # Not getrusage, whose peak includes the parent's at the fork.
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
    print(json.dumps([took, peak, outcome]))


if __name__ == "__main__":
    main()
