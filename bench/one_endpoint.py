"""Whether a rush of webhooks to one endpoint leaves any behind, on imitated DynamoDB.

    python bench/one_endpoint.py [--runs N] [--webhooks N] [--workers N] [--store moto|dynalite]

Each run adds webhooks to one endpoint while workers send them, and ends when no job is left; no
sweep helps. It prints how many were sent once, how many are pending, and the most that were sent
at the same time, which is never more than the limit of an endpoint. It ends with 1 after a fault.
dynalite needs Node: npm ci --prefix tests/aws.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

from core.domain.delivery import MAX_PER_ENDPOINT
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.table import Table
from tests.support.aws.dynamodb import (
    OneAtATime,
    WithTransactions,
    dynamodb_client,
    running_dynalite,
    table_definition,
)
from tests.support.aws.moto import moto_aws
from tests.support.webhooks.rush import rush


def main() -> None:
    options = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=10, help="10")
    options.add_argument("--webhooks", type=int, default=150, help="of a run (150)")
    options.add_argument("--workers", type=int, default=40, help="that send them (40)")
    options.add_argument("--store", choices=("moto", "dynalite"), default="moto")
    options.add_argument("--smoke", action="store_true", help="a run of seconds, to test the code")
    given = options.parse_args()
    if given.smoke:
        given.runs, given.webhooks, given.workers = 1, 20, 12
    print(f"{given.webhooks} webhooks to one endpoint, {given.workers} workers, {given.store}")
    print("run  sent once  pending  most at a time")
    faults = 0
    with table(given.store) as records:
        for run in range(1, given.runs + 1):
            deliveries = DynamoDeliveryRepository(records)
            rushed = rush(deliveries, given.webhooks, given.workers, run)
            print(f"{run:3} {rushed.sent_once:10} {rushed.pending:8} {rushed.most:15}", flush=True)
            whole = (given.webhooks, 0) == (rushed.sent_once, rushed.pending)
            faults += not whole or rushed.most > MAX_PER_ENDPOINT
    print(f"{faults} faults; at most {MAX_PER_ENDPOINT} are allowed at a time")
    sys.exit(1 if faults else 0)


@contextmanager
def table(store: str) -> Iterator[Table]:
    """Yield an empty table on an imitation of DynamoDB."""
    if store == "moto":
        with moto_aws():
            client = dynamodb_client()
            client.create_table(TableName="records", **table_definition())
            yield Table(OneAtATime(client), "records")
        return
    with running_dynalite() as url:
        client = dynamodb_client(url)
        client.create_table(TableName="records", **table_definition())
        client.get_waiter("table_exists").wait(TableName="records", WaiterConfig={"Delay": 0.01})
        yield Table(WithTransactions(client), "records")


if __name__ == "__main__":
    main()
