"""What a million pictures cost on AWS, calculated from the calls that one picture causes.

    npm ci --prefix tests/aws
    python bench/cost.py [--labels N] [--bytes N] [--listeners N] [--price NAME=DOLLARS ...]

Runs the deployed stack on imitated AWS, through the real handlers: createUpload with a callback
URL, the upload, labelling, the webhook, and one query of the blob with its callback. Each listener
has subscribed to `blobLabelled` before and receives a message. The program counts every call. It
calculates DynamoDB's request units from the sizes of the items and the indexes they are in (Amazon
DynamoDB Developer Guide: "DynamoDB item sizes and formats", "On-demand capacity mode").

Prices are list prices for us-east-1 without free tiers, last checked in November 2026 on pages that
quote them. How long functions run and how much they log is assumed. All are inputs: give your own
with --price.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import redirect_stdout
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

from core.domain.clock import utc_now
from core.domain.scope import ALL_SCOPES
from core.events.topics import labelled_topic
from core.repositories.dynamodb.connections import DynamoConnectionRepository
from core.repositories.dynamodb.table import Table
from core.repositories.ports.connections import Connection, Subscription
from embedded.cli.main import main as labelling
from tests.aws.conftest import compile_template
from tests.support.aws_calls import Call
from tests.support.cloud import Cloud, deployed
from tests.support.dynamodb import INDEXES, PROJECTED
from tests.support.photos import photo
from tests.support.receiver import Receiver

MILLION = 1_000_000
# Dollars. Rekognition's first million of a month; later ones cost less.
PRICES = {
    "Rekognition image": 0.001,
    "DynamoDB write unit": 0.625 / MILLION,
    "DynamoDB read unit": 0.125 / MILLION,
    "S3 PUT, COPY": 0.005 / 1000,
    "S3 GET": 0.0004 / 1000,
    "SQS request": 0.40 / MILLION,
    "HTTP API request": 1.00 / MILLION,
    "WebSocket message": 1.00 / MILLION,
    "Lambda request": 0.20 / MILLION,
    "Lambda GB-second": 0.0000133334,
    "Logs GB": 0.50,
    "S3 GB-month": 0.023,
    "DynamoDB GB-month": 0.25,
}
# Assumed: seconds that an invocation is billed, and bytes that it logs.
SECONDS = {"api": 0.03, "labeller": 0.8, "notifier": 0.15}
LOGGED = {"api": 900, "labeller": 1600, "notifier": 1000}
LISTEN = "subscription { blobLabelled { id status labels { name confidence } } }"
BLOB = "query ($id: ID!) { blob(id: $id) { status labels { name } callback { status } } }"


def main() -> None:
    options = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--labels", type=int, default=10, help="labels of a picture (10)")
    options.add_argument("--bytes", type=int, default=2_000_000, help="its size (2 MB)")
    options.add_argument("--listeners", type=int, default=0, help="subscriptions to it (0)")
    options.add_argument("--price", action="append", default=[], metavar="NAME=DOLLARS")
    options.add_argument("--smoke", action="store_true", help="a run of seconds, to test the code")
    given = options.parse_args()
    if given.smoke:
        given.labels, given.listeners = 2, 1
    prices = dict(PRICES)
    for each in given.price:
        name, _, dollars = each.partition("=")
        if name not in prices:
            options.error(f"no price {name!r}; there are {', '.join(prices)}")
        prices[name] = float(dollars)
    units, notes = counted(given.labels, given.listeners)
    units["S3 GB-month"] = given.bytes / 1e9
    print(f"One picture of {given.bytes:,} bytes with {given.labels} labels, one webhook,")
    print(f"and {given.listeners} listeners.\n")
    print(notes)
    print(f"{'':22} {'a picture':>12} {'unit price, $':>15} {'a million, $':>13}")
    total = 0.0
    for name, price in prices.items():
        cost = units[name] * price * MILLION
        total += cost
        print(f"{name:22} {units[name]:12.6f} {price:15.10f} {cost:13.2f}")
    print(f"{'':22} {'':12} {'':15} {total:13.2f}")
    print("GB-months are one month's storage of a million pictures and their records.")


def counted(labels: int, listeners: int) -> tuple[dict[str, float], str]:
    """Label one picture; return the number of each unit used, and the calls as text."""
    metrics = Units()
    with tempfile.TemporaryDirectory() as folder:
        path = compile_template(Path(folder))
        template = json.loads(path.read_text())
    recording: dict[str, Any] = {
        "watch": metrics.watch,
        "detect": lambda: answer_with(labels),
        "answers": {"PostToConnection": lambda _: {}},
    }
    with deployed(template, **recording) as cloud:
        receiver = Receiver()
        try:
            metrics.start(cloud)
            key = new_key(cloud)
            one_picture(cloud, key, receiver.url, labels)  # its owner is made with the first
            listen(cloud, listeners)
            metrics.start(cloud)
            one_picture(cloud, key, receiver.url, labels)
        finally:
            receiver.close()
        return metrics.all(cloud), metrics.told()


def one_picture(cloud: Cloud, key: str, callback: str, labels: int) -> None:
    """Take one picture from createUpload to its webhook, and query it once."""
    with redirect_stdout(io.StringIO()):
        blob_id, target = cloud.create_upload(key, callbackUrl=callback, maxLabels=labels)
        cloud.put(target, photo("chelsea.png"))
        cloud.carry("Uploads", "labeller")
        cloud.notify()
        cloud.tell()
        assert cloud.graphql(key, BLOB, id=blob_id)["blob"]["callback"]["status"] == "DELIVERED"


def listen(cloud: Cloud, listeners: int) -> None:
    """Open that many connections with one subscription each."""
    connections = DynamoConnectionRepository(Table(cloud.dynamodb, cloud.ids["Connections"]))
    until = utc_now() + timedelta(hours=2)
    for number in range(listeners):
        name = f"L0SM9cOFvHc{number:03}="
        topic = labelled_topic("anna")
        connections.save(Connection(name, "anna", ALL_SCOPES, None, until, acknowledged=True))
        asked = Subscription(name, "1", topic, "anna", ALL_SCOPES, None, until, LISTEN)
        assert connections.subscribe(asked)


def new_key(cloud: Cloud) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        labelling(["keys", "create", "--owner", "anna", "--table", cloud.ids["Table"]])
    return out.getvalue().strip()


def answer_with(labels: int) -> dict[str, Any]:
    """Return a response of DetectLabels with names, parents and categories of real length."""
    return {
        "LabelModelVersion": "3.0",
        "Labels": [
            {
                "Name": f"Some Thing {number}",
                "Confidence": 99.12345123291016 - number,
                "Parents": [{"Name": "Animal"}, {"Name": "Mammal"}],
                "Aliases": [],
                "Categories": [{"Name": "Animals and Pets"}],
                "Instances": [],
            }
            for number in range(labels)
        ],
    }


class Units:
    """Counts calls, and DynamoDB's request units by the sizes of the items."""

    def start(self, cloud: Cloud) -> None:
        """Reset the counts and read the table's items."""
        self._cloud = cloud
        self._items = self._all_items()
        self._before = set(self._items)
        self._began = len(cloud.invoked)
        self._calls: Counter[tuple[str, str, str]] = Counter()
        self._units: defaultdict[str, float] = defaultdict(float)

    def watch(self, call: Call) -> None:
        """Count one call."""
        if not hasattr(self, "_cloud"):
            return
        self._calls[call.function, call.service, call.operation] += 1
        match call.service, call.operation:
            case "rekognition", _:
                self._units["Rekognition image"] += 1
            case "s3", "PutObject" | "CopyObject":
                self._units["S3 PUT, COPY"] += 1
            case "s3", "GetObject" | "HeadObject":
                self._units["S3 GET"] += 1
            case "sqs", _:
                self._units["SQS request"] += 1
            case "apigatewaymanagementapi", _:
                size = len(call.request.get("Data", b""))
                self._units["WebSocket message"] += max(1, math.ceil(size / 32768))
            case "dynamodb", "GetItem":
                self._read([call.answer["Item"]] if "Item" in call.answer else [{}], 1)
            case "dynamodb", "Query":
                self._read(call.answer.get("Items", []), 0.5 if "IndexName" in call.request else 1)
            case "dynamodb", "TransactWriteItems":
                for each in call.request["TransactItems"]:
                    for write in each.values():
                        self._wrote(key_of(write.get("Item") or write["Key"]), 2)
            case "dynamodb", "PutItem":
                self._wrote(key_of(call.request["Item"]), 1)
            case "dynamodb", "UpdateItem" | "DeleteItem":
                self._wrote(key_of(call.request["Key"]), 1)

    def all(self, cloud: Cloud) -> dict[str, float]:
        """Return the units used, with those of the platform."""
        units = self._units.copy()
        invoked = Counter(cloud.invoked[self._began :])
        memory = {
            resource["Properties"]["Handler"].partition(".")[0]: resource["Properties"][
                "MemorySize"
            ]
            for resource in cloud.template["Resources"].values()
            if resource["Type"] == "AWS::Lambda::Function"
        }
        notices = self._calls["notifier", "lambda", "Invoke"]
        units["HTTP API request"] += invoked["api"] - notices
        units["Lambda request"] += sum(invoked.values())
        for function, count in invoked.items():
            units["Lambda GB-second"] += count * SECONDS[function] * memory[function] / 1024
            units["Logs GB"] += count * LOGGED[function] / 1e9
        # The client's upload, and Rekognition's reading of it.
        units["S3 PUT, COPY"] += 1
        units["S3 GET"] += 1
        # S3 sends one message; a message of either queue is received and deleted by Lambda.
        units["SQS request"] += 1 + 2 * 2
        added = [item for key, item in self._all_items().items() if key not in self._before]
        units["DynamoDB GB-month"] += sum(map(stored, added)) / 1e9
        return units

    def told(self) -> str:
        """Return the calls counted, one a line."""
        lines = [
            f"{function:9} {service:12} {operation:20} {count:3}"
            for (function, service, operation), count in sorted(self._calls.items())
        ]
        return "\n".join([*lines, ""])

    def _read(self, items: list[Any], factor: float) -> None:
        size = sum(map(size_of, items))
        self._units["DynamoDB read unit"] += max(1, math.ceil(size / 4096)) * factor

    def _wrote(self, key: tuple[str, str], factor: int) -> None:
        old = self._items.get(key)
        pk, sk = key
        new = self._cloud.dynamodb.get_item(
            TableName=self._cloud.ids["Table"], Key={"pk": {"S": pk}, "sk": {"S": sk}}
        ).get("Item")
        self._units["DynamoDB write unit"] += kilobytes(max(old, new, key=size_of)) * factor
        for name, attributes in INDEXES.items():
            before, after = (entry_of(item, name, attributes) for item in (old, new))
            self._units["DynamoDB write unit"] += index_units(before, after, attributes)
        if new:
            self._items[key] = new
        else:
            self._items.pop(key, None)

    def _all_items(self) -> dict[tuple[str, str], Any]:
        items = self._cloud.dynamodb.scan(TableName=self._cloud.ids["Table"])["Items"]
        return {key_of(item): item for item in items}


def key_of(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def kilobytes(item: Mapping[str, Any] | None) -> int:
    """Return the write units billed for an item."""
    return max(1, math.ceil(size_of(item) / 1024))


def index_units(
    old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, keys: tuple[str, str]
) -> int:
    """Return the write units billed in an index, by its entries before and after (None: no entry).

    Amazon DynamoDB Developer Guide, "Write capacity units" of global secondary indexes: an entry
    whose key changes is removed and put, two writes; an unchanged entry costs nothing.
    """
    if old == new:
        return 0
    if old is None or new is None:
        return kilobytes(old or new)
    if all(old[name] == new[name] for name in keys):
        return max(kilobytes(old), kilobytes(new))
    return kilobytes(old) + kilobytes(new)


def entry_of(
    item: Mapping[str, Any] | None, index: str, attributes: tuple[str, str]
) -> Mapping[str, Any] | None:
    """Return an item's entry in an index, None where it has none."""
    if item is None or any(name not in item for name in attributes):
        return None
    if index not in PROJECTED:
        return item
    kept = {"pk", "sk", *attributes, *PROJECTED[index]}
    return {name: value for name, value in item.items() if name in kept}


def stored(item: Mapping[str, Any]) -> int:
    """Return the bytes billed for storing an item and its index entries: 100 more for each."""
    entries = [entry_of(item, name, attributes) for name, attributes in INDEXES.items()]
    return sum(size_of(each) + 100 for each in (item, *entries) if each)


def size_of(item: Mapping[str, Any] | None) -> int:
    """Return the size of an item: its names and values, in bytes."""
    return sum(len(name.encode()) + value_size(value) for name, value in (item or {}).items())


def value_size(typed: Mapping[str, Any]) -> int:
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            return len(value.encode())
        case "B":
            return len(value)
        case "N":
            return 1 + math.ceil(len(value.strip("-0").replace(".", "")) / 2)
        case "L":
            return 3 + sum(1 + value_size(part) for part in value)
        case "M":
            return 3 + sum(1 + len(name.encode()) + value_size(v) for name, v in value.items())
    return 1


if __name__ == "__main__":
    main()
