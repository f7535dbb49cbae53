#!/usr/bin/env python3
"""Whether anything that was acknowledged is lost when the machine below the service fails.

    bench/faults.py [--fault NAME] [--rounds 100] [--smoke]

Clients upload photographs with a callback URL, add labels, have pictures labelled again and delete
them, without a pause. Meanwhile one of these faults strikes, round after round:

- kill: the service is ended by SIGKILL at a random moment, and started again,
- detector-killed: a detector process is ended by SIGKILL,
- detector-hung: a detector process is stopped by SIGSTOP, and must be replaced,
- read-only: the data folder is mounted read-only for some time, or, where this user may not mount,
  loses the modes for it: nothing can be created, renamed or deleted,
- full-disk: another program fills the disk to its last byte for some time,
- clock: the clock is set a day forward, right, an hour back, and right again.

The service is started again after a kill alone: with every other fault, a new picture must be
labelled after each round by the process that was struck. At the end the service is left to finish.
Then

- every picture whose PUT was answered with 200 is labelled, and its webhook was delivered,
- it has every label whose addition was acknowledged, and
- it is gone if its deletion was acknowledged,
- no request was refused with another code than the fault explains,
- with the clock set, each webhook was signed with the time of the service's clock, sessions ended
  by that clock, and a receiver verifies webhooks when the clock is right again,
- `labelling verify` finds nothing.

The exit status is 1 if one of them does not hold. Requests that a kill cut off may have had their
effect or not.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

import httpx

from bench.load.clients import Clients, broken, upload
from bench.load.clock_checks import ClockChecks
from bench.load.faults import CannotStrike, Fault, opened
from tests.support.images.photos import as_jpeg, photo
from tests.support.services.process import ServiceProcess
from tests.support.waiting import wait_until
from tests.support.webhooks.receiver import Receiver

FAULTS = ("kill", "detector-killed", "detector-hung", "read-only", "full-disk", "clock")
CLIENTS = 3
SMOKE_ROUNDS = {"kill": 2, "clock": 4}
# The smoke mode leaves out a hung detector, which is replaced after a minute.
SLOW = "detector-hung"
CHANCE = random.Random(1)  # noqa: S311  # the same moments each time


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--fault", choices=FAULTS, action="append", help="one of them; may repeat")
    options.add_argument("--rounds", type=int, default=100)
    options.add_argument("--smoke", action="store_true", help="a few rounds, to test the code")
    given = options.parse_args()
    names = given.fault or [name for name in FAULTS if not (given.smoke and name == SLOW)]
    failed = False
    for name in names:
        rounds = SMOKE_ROUNDS.get(name, 1) if given.smoke else given.rounds
        with tempfile.TemporaryDirectory() as folder:
            try:
                with opened(name, Path(folder)) as (fault, data):
                    clients = 1 if given.smoke else CLIENTS
                    for line in strikes(name, fault, data, rounds, clients, hurried=given.smoke):
                        failed |= line.startswith("BROKEN")
                        print(line, flush=True)
            except CannotStrike as reason:
                print(f"{name}: not run: {reason}")
    sys.exit(failed)


def strikes(
    name: str,
    fault: Fault,
    data: Path,
    rounds: int,
    number_of_clients: int,
    *,
    hurried: bool,
) -> Iterator[str]:
    """Strike, and yield what was done and what was broken."""
    receiver = Receiver()
    environ: dict[str, Any] = dict(fault.environ)
    service = ServiceProcess(data, "--log-level", "error", *fault.flags, **environ).start()
    checks = ClockChecks(fault.clock, service, receiver) if fault.clock else None
    clients = Clients(service, receiver.url, number_of_clients, fault.refusals)
    try:
        least, most = fault.seconds
        for number in range(rounds):
            fault.strike(service, number, CHANCE.uniform(least, most / (5 if hurried else 1)))
            if name != "kill":
                recover(service)
            if checks:
                checks.check_session()
        wait_until(lambda: clients.done["upload"] > 0)
        clients.stop()
        found = [*clients.faults, *broken(service, receiver, clients.promises)]
        if checks:
            found += checks.check_at_the_end(as_jpeg(photo("rocket.jpg")) + os.urandom(8))
    finally:
        clients.stop()
        service.stop()
        receiver.close()
    verify = [sys.executable, "-m", "embedded", "verify", "--data", str(data)]
    verified = subprocess.run(verify, cwd=ROOT, capture_output=True, text=True, check=False)
    done = ", ".join(f"{number} {what}" for what, number in sorted(clients.done.items()))
    yield f"{name}: {rounds} rounds, {done}"
    for code, message in sorted(clients.refused.items()):
        yield f"  refused with {code}: {message}"
    if checks:
        yield f"  {checks.webhooks} timestamps of webhooks and {checks.sessions} sessions checked"
    yield f"  {verified.stdout.strip()}"
    if verified.returncode:
        yield f"BROKEN labelling verify: {verified.stderr.strip()}"
    for each in found:
        yield f"BROKEN {each}"
    yield f"  {len(found)} promises broken"


def recover(service: ServiceProcess) -> None:
    """Wait until the service is ready, and labels a new picture."""
    with httpx.Client(base_url=service.url, timeout=60) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        blob_id = upload(client, as_jpeg(photo("rocket.jpg")) + os.urandom(8))
    service.wait_for(blob_id, lambda blob: blob["status"] == "LABELLED")


if __name__ == "__main__":
    main()
