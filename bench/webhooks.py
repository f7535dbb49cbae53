"""How fast webhooks leave, what one hanging receiver costs the others, and what hostile ones cost.

    python bench/webhooks.py [--deliveries N] [--rounds N] [--smoke]

The sender is the embedded service as users start it, without its HTTP server and with nothing to
label: its worker's threads, its queue and deliveries in SQLite, and the guarded HTTP client, on one
core. The receivers run on another core. The baseline is httpcore alone in the same run: it sends
the same bodies, signed with one secret, from as many threads, and stores nothing. A process that
holds the guarded HTTP client alone posts to the hostile receivers.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

import httpcore

from core.domain.clock import utc_now
from core.domain.delivery import Delivery, DeliveryState, delivery_id, delivery_job
from core.domain.owner import new_secret
from core.events.webhook_payload import blob_event
from embedded.service import Service
from embedded.settings import Settings
from embedded.stores import Stores
from notifier.signing import signed_headers
from tests.support.blobs import a_blob, labelled, uploaded

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
BODY = blob_event(
    labelled(uploaded(a_blob()), *((f"Some Thing {number}", 90.0 - number) for number in range(10)))
)
DEADLINE: Final = 3.0  # seconds, for a hostile receiver
GZIP_BYTES: Final = 300_000_000  # of the gzip bomb, decompressed


def main() -> None:
    options = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--deliveries", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--smoke", action="store_true", help="a run of seconds, to test the code")
    given = options.parse_args()
    if given.smoke:
        given.deliveries, given.rounds = 100, 1
    deadline, unpacked = (0.5, 1_000_000) if given.smoke else (DEADLINE, GZIP_BYTES)
    cores = sorted(os.sched_getaffinity(0))
    print(f"{given.deliveries} deliveries of {len(BODY)} bytes, {given.rounds} rounds, one core.\n")
    with receivers(cores[-1]) as (fast, hanging):
        os.sched_setaffinity(0, {cores[0]})
        bare, alone, mixed = [], [], []
        memory: list[int] = []
        for _ in range(given.rounds):
            bare.append(rate_of_httpcore(fast, given.deliveries))
            alone.append(rate_of_service(fast, None, given.deliveries, memory))
            mixed.append(rate_of_service(fast, hanging, given.deliveries, memory))
    print(f"httpcore alone           {median(bare):7.0f} /s  1.00  (baseline)")
    print(f"service                  {median(alone):7.0f} /s  {ratio(alone, bare):.2f}")
    print(f"with a hanging endpoint  {median(mixed):7.0f} /s  {ratio(mixed, bare):.2f}")
    print(f"  of the service alone                {ratio(mixed, alone):.2f}  (goal 0.9)")
    print(f"resident memory, MB: {', '.join(f'{each / 1e6:.0f}' for each in memory)}\n")
    for name, script in (("drip", drip), ("gzip", gzip_bomb(unpacked))):
        took, megabytes, outcome = meet(script, deadline)
        print(f"{name}: {outcome} after {took:.2f} s, deadline {deadline} s, {megabytes:.0f} MB")


def median(rates: list[float]) -> float:
    return statistics.median(rates)


def ratio(rates: list[float], baseline: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(rates, baseline, strict=True))


# The service


def rate_of_service(fast: str, hanging: str | None, count: int, memory: list[int]) -> float:
    """Return the rate of `count` deliveries, with as many queued for a hanging endpoint if given.

    Appends the resident memory at the end to `memory`, in bytes.
    """
    with tempfile.TemporaryDirectory() as folder:
        nothing: Any = None  # no picture is uploaded
        service = Service(
            Settings(data=Path(folder)),
            nothing,
            base_url="http://127.0.0.1",
            keyless=True,
            make_thumbnail=nothing,
        )
        fill(service.stores, fast, hanging, count)
        began = time.perf_counter()
        service.worker.start()
        wait_for(service.stores, count)
        took = time.perf_counter() - began
        memory.append(resident())
        service.worker.stop(0.1)  # posts to the hanging endpoint are left behind
        return count / took


def fill(stores: Stores, fast: str, hanging: str | None, count: int) -> None:
    """Store deliveries and queue their jobs, those of the hanging endpoint first."""
    with stores.database.write(synced=False):
        for name, url in (("hang", hanging), ("fast", fast)):
            for number in range(count if url else 0):
                now = utc_now()
                blob_id = f"{name}{number}"
                delivery = Delivery(
                    delivery_id(blob_id, 3), blob_id, "local", str(url), BODY, now, now
                )
                if stores.deliveries.add(delivery):
                    stores.delivery_queue.send(delivery_job(delivery.id))


def wait_for(stores: Stores, count: int) -> None:
    while True:
        with stores.database.read() as connection:
            (done,) = connection.execute(
                "SELECT count(*) FROM deliveries WHERE state = ?", (DeliveryState.DELIVERED,)
            ).fetchone()
        if done >= count:
            return
        time.sleep(0.05)


# The baseline


def rate_of_httpcore(url: str, count: int) -> float:
    """Sign and POST `count` times from the service's number of threads."""
    secret = new_secret()
    numbers = iter(range(count))
    lock = threading.Lock()

    def send() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            signed = signed_headers([secret], f"msg_{number}", int(time.time()), BODY)
            with httpcore.ConnectionPool(max_keepalive_connections=0) as pool:
                answer = pool.request("POST", url, headers=list(signed.items()), content=BODY)
            assert answer.status == 200

    threads = Settings().webhook_workers
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(send) for _ in range(threads)]:
            done.result()
    return count / (time.perf_counter() - began)


# Receivers


@contextmanager
def receivers(core: int) -> Iterator[tuple[str, str]]:
    """Start a receiver that answers at once and one that never does, in another process."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve_receivers, args=(core, theirs), daemon=True
    )
    process.start()
    fast, hanging = ours.recv()
    try:
        yield f"http://127.0.0.1:{fast}/fast", f"http://127.0.0.1:{hanging}/hang"
    finally:
        ours.send("stop")
        process.join(5)
        if process.is_alive():
            process.terminate()


def serve_receivers(core: int, told: Any) -> None:
    os.sched_setaffinity(0, {core})
    fast, hanging = (socket.create_server(("127.0.0.1", 0), backlog=1024) for _ in range(2))
    for listener, serve in ((fast, answer), (hanging, hang)):
        for _ in range(8):
            threading.Thread(target=accept, args=(listener, serve), daemon=True).start()
    told.send([each.getsockname()[1] for each in (fast, hanging)])
    told.recv()


def accept(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    while True:
        connection, _ = listener.accept()
        serve(connection)


def answer(connection: socket.socket) -> None:
    with connection:
        received = b""
        while BODY[-8:] not in received[-16:]:
            if not (more := connection.recv(65536)):
                return
            received += more
        connection.sendall(OK)


def hang(connection: socket.socket) -> None:
    # Held until the sender gives up; other connections are accepted meanwhile.
    threading.Thread(
        target=lambda: [None for _ in iter(lambda: connection.recv(65536), b"")]
    ).start()


# Hostile receivers


def drip(connection: socket.socket) -> None:
    """Send a response header that takes 41 seconds."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(410):
        connection.sendall(b"a")
        time.sleep(0.1)


def gzip_bomb(size: int) -> Callable[[socket.socket], None]:
    """Return what sends a response that decompresses to `size` bytes."""
    packer = zlib.compressobj(wbits=31)
    packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(size // 1_000_000))
    packed += packer.flush()
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    return lambda connection: connection.sendall(head.encode() + packed)


def meet(script: Callable[[socket.socket], None], deadline: float) -> tuple[float, float, str]:
    """Post to such a receiver; return seconds, the sender's peak memory in MB, and the outcome."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            with suppress(OSError):  # once the sender gives up
                script(connection)

    threading.Thread(target=serve, daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    sender = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "hostile" / "post.py"), url, str(deadline)],
        input=BODY,
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    listener.close()
    took, megabytes, outcome = json.loads(sender.stdout)
    return took, megabytes, outcome


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
