"""What a million pictures cost on AWS, calculated from the calls that pictures cause.

    npm ci --prefix tests/aws
    python bench/cost.py [--labels N] [--boxes N] [--burst N] [--bytes N] [--listeners N]
                         [--price NAME=DOLLARS ...]

Runs the deployed stack on imitated AWS, through the real handlers: createUpload with a callback
URL, the upload, labelling, the webhook, and one query of the blob with its callback. Each listener
has subscribed to `blobEvents` before and receives a message. The program counts every call. It
calculates DynamoDB's request units from the sizes of the items and the indexes they are in.

In a burst the pictures of an owner come together, and the functions receive them in batches as
large as the template allows. They share half of their labels; the others are of forty. A burst also
shows what a page of `blobsByLabel` reads.

Prices are list prices for us-east-1 without free tiers, last checked in November 2026 on pages that
quote them. How long functions run and how much they log is assumed. All are inputs: give your own
with --price.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import struct
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

from core.domain.blob_event import BlobEventKind
from core.domain.clock import utc_now
from core.domain.scope import ALL_SCOPES
from core.events.topics import owner_topic
from core.repositories.dynamodb.connections import DynamoConnectionRepository
from core.repositories.dynamodb.table import Table
from core.repositories.ports.connections import Connection, Subscription
from embedded.cli.main import main as labelling
from tests.aws.conftest import compile_template
from tests.support.aws.cloud import Cloud, deployed
from tests.support.aws.request_units import Units
from tests.support.images.photos import photo
from tests.support.webhooks.receiver import Receiver

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
# Assumed: seconds that an invocation is billed, for its first event and for each further one of a
# batch, and bytes that it logs for each event.
SECONDS = {"api": (0.03, 0.03), "labeller": (0.8, 0.1), "notifier": (0.15, 0.03)}
LOGGED = {"api": 900, "labeller": 1600, "notifier": 1000}
CROWDS = 2  # labels that have boxes
OTHER_LABELS = 40  # from which the pictures of a burst have half of theirs
LISTEN = """subscription { blobEvents(filter: {kinds: [LABELLED]}) {
  id kind blob { id status labels { name confidence } } } }"""
PAGE = """query ($order: LabelledBlobOrder!) {
  blobsByLabel(label: "Some Thing 0", orderBy: $order, first: 20) {
    nodes { id status labels { name confidence } } } }"""
BLOB = "query ($id: ID!) { blob(id: $id) { status labels { name } callback { status } } }"


def main() -> None:
    options = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--labels", type=int, default=10, help="labels of a picture (10)")
    options.add_argument("--boxes", type=int, default=0, help="boxes of each of two labels (0)")
    options.add_argument("--burst", type=int, default=1, help="pictures that come together (1)")
    options.add_argument("--bytes", type=int, default=2_000_000, help="a picture's size (2 MB)")
    options.add_argument("--listeners", type=int, default=0, help="subscriptions to it (0)")
    options.add_argument("--price", action="append", default=[], metavar="NAME=DOLLARS")
    options.add_argument("--smoke", action="store_true", help="a run of seconds, to test the code")
    given = options.parse_args()
    if given.smoke:
        given.labels, given.boxes, given.listeners = 2, 1, 1
    prices = dict(PRICES)
    for each in given.price:
        name, _, dollars = each.partition("=")
        if name not in prices:
            options.error(f"no price {name!r}; there are {', '.join(prices)}")
        prices[name] = float(dollars)
    units, notes = counted(given)
    units["S3 GB-month"] = given.bytes / 1e9
    print(f"A picture of {given.bytes:,} bytes with {given.labels} labels, {given.boxes} boxes on")
    print(f"each of {CROWDS} of them, one webhook and {given.listeners} listeners, ", end="")
    print(f"of {given.burst} that come together.\n")
    print(notes)
    print(f"{'':22} {'a picture':>12} {'unit price, $':>15} {'a million, $':>13}")
    total = 0.0
    for name, price in prices.items():
        cost = units[name] * price * MILLION
        total += cost
        print(f"{name:22} {units[name]:12.6f} {price:15.10f} {cost:13.2f}")
    print(f"{'':22} {'':12} {'':15} {total:13.2f}")
    print("GB-months are one month's storage of a million pictures and their records.")


def counted(given: argparse.Namespace) -> tuple[dict[str, float], str]:
    """Label the pictures; return the number of each unit used by one, and notes."""
    metrics = Units()
    with tempfile.TemporaryDirectory() as folder:
        path = compile_template(Path(folder))
        template = json.loads(path.read_text())
    pictures = count()
    recording: dict[str, Any] = {
        "watch": metrics.watch,
        "detect": lambda: answer_with(given.labels, given.boxes, next(pictures)),
        "answers": {"PostToConnection": lambda _: {}},
    }
    with deployed(template, **recording) as cloud:
        receiver = Receiver()
        try:
            metrics.start(cloud)
            key = new_key(cloud)
            label_pictures(cloud, key, receiver.url, 1, given.labels)  # it makes its owner
            listen(cloud, given.listeners)
            metrics.start(cloud)
            label_pictures(cloud, key, receiver.url, given.burst, given.labels)
            units = {
                name: used / given.burst for name, used in all_units(metrics, cloud, given).items()
            }
            notes = told(metrics, given.burst)
            if given.burst > 1:
                notes += "".join(page_units(metrics, cloud, key))
        finally:
            receiver.close()
    return defaultdict(float, units), notes


def label_pictures(cloud: Cloud, key: str, callback: str, burst: int, labels: int) -> None:
    """Take pictures from createUpload to their webhooks, and query each once."""
    with redirect_stdout(io.StringIO()):
        wanted = [
            cloud.create_upload(key, callbackUrl=callback, maxLabels=labels) for _ in range(burst)
        ]
        for _, target in wanted:
            cloud.put(target, photo("chelsea.png"))
        cloud.carry("Uploads", "labeller", batch_size(cloud, "Uploads"))
        cloud.notify(batch_size(cloud, "Table"))
        cloud.tell()
        for blob_id, _ in wanted:
            blob = cloud.graphql(key, BLOB, id=blob_id)["blob"]
            assert blob["callback"]["status"] == "DELIVERED"


def batch_size(cloud: Cloud, source: str) -> int:
    """Return how many events of a source an invocation receives at most."""
    (size,) = [
        resource["Properties"]["BatchSize"]
        for resource in cloud.template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::EventSourceMapping"
        and resource["Properties"]["EventSourceArn"]["Fn::GetAtt"][0] == source
    ]
    return int(size)


def all_units(metrics: Units, cloud: Cloud, given: argparse.Namespace) -> dict[str, float]:
    """Return the units used, with those of the platform."""
    units = metrics.units.copy()
    invoked = Counter(cloud.invoked[metrics.invoked_before :])
    memory = {
        resource["Properties"]["Handler"].partition(".")[0]: resource["Properties"]["MemorySize"]
        for resource in cloud.template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    notices = metrics.calls["notifier", "lambda", "Invoke"]
    units["HTTP API request"] += invoked["api"] - notices
    units["Lambda request"] += sum(invoked.values())
    # An upload and its event; two changes and a delivery job. The api receives no batches.
    events = {"api": invoked["api"], "labeller": given.burst, "notifier": 3 * given.burst}
    for function, invocations in invoked.items():
        first, further = SECONDS[function]
        seconds = invocations * first + (events[function] - invocations) * further
        units["Lambda GB-second"] += seconds * memory[function] / 1024
        units["Logs GB"] += events[function] * LOGGED[function] / 1e9
    # The client's upload, and Rekognition's reading of it.
    units["S3 PUT, COPY"] += given.burst
    units["S3 GET"] += given.burst
    # S3 sends a message for each upload; Lambda receives and deletes a batch of either queue.
    units["SQS request"] += given.burst + 2 * (invoked["labeller"] + given.burst)
    units["DynamoDB GB-month"] += metrics.stored() / 1e9
    return units


def told(metrics: Units, burst: int) -> str:
    """Return the calls counted, one a line, and the write units of each kind of item."""
    lines = [
        f"{function:9} {service:12} {operation:20} {count:4}"
        for (function, service, operation), count in sorted(metrics.calls.items())
    ]
    lines += ["", "DynamoDB write units of a picture"]
    lines += [f"{name:36} {used / burst:7.2f}" for name, used in sorted(metrics.written.items())]
    return "\n".join([*lines, "", ""])


def page_units(metrics: Units, cloud: Cloud, key: str) -> Iterator[str]:
    """Query a page by label in each order; yield what it reads."""
    for order in ("NEWEST", "CONFIDENCE"):
        metrics.start(cloud)
        with redirect_stdout(io.StringIO()):
            shown = len(cloud.graphql(key, PAGE, order=order)["blobsByLabel"]["nodes"])
        calls = sum(n for (_, service, _), n in metrics.calls.items() if service == "dynamodb")
        used = metrics.units["DynamoDB read unit"]
        yield f"A page of {shown} by label, {order}: {used:g} read units, {calls} calls.\n"
    yield "\n"


def listen(cloud: Cloud, listeners: int) -> None:
    """Open that many connections with one subscription each."""
    connections = DynamoConnectionRepository(Table(cloud.dynamodb, cloud.ids["Connections"]))
    until = utc_now() + timedelta(hours=2)
    for number in range(listeners):
        name = f"L0SM9cOFvHc{number:03}="
        topics = (owner_topic("anna", BlobEventKind.LABELLED),)
        connections.save(Connection(name, "anna", ALL_SCOPES, None, until, acknowledged=True))
        asked = Subscription(name, "1", topics, "anna", ALL_SCOPES, None, until, LISTEN)
        assert connections.subscribe(asked)


def new_key(cloud: Cloud) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        labelling(["keys", "create", "--owner", "anna", "--table", cloud.ids["Table"]])
    return out.getvalue().strip()


def answer_with(labels: int, boxes: int, picture: int) -> dict[str, Any]:
    """Return a response of DetectLabels with names, parents and categories of real length."""
    shared = (labels + 1) // 2
    others = (picture * (labels - shared) + n for n in range(labels - shared))
    numbers = [*range(shared), *(shared + n % OTHER_LABELS for n in others)]
    chance = random.Random(picture)  # noqa: S311  # numbers of a real length
    return {
        "LabelModelVersion": "3.0",
        "Labels": [
            {
                "Name": f"Some Thing {number}",
                "Confidence": 99.12345123291016 - place,
                "Parents": [{"Name": "Animal"}, {"Name": "Mammal"}],
                "Aliases": [],
                "Categories": [{"Name": "Animals and Pets"}],
                "Instances": [box(chance) for _ in range(boxes if place < CROWDS else 0)],
            }
            for place, number in enumerate(numbers)
        ],
    }


def box(chance: random.Random) -> dict[str, Any]:
    """Return an instance; Rekognition's numbers have single precision."""

    def number(least: float, most: float) -> float:
        (single,) = struct.unpack("f", struct.pack("f", chance.uniform(least, most)))
        return float(single)

    left, top, width, height = (number(0, 0.5) for _ in range(4))
    place = {"Left": left, "Top": top, "Width": width, "Height": height}
    return {"BoundingBox": place, "Confidence": number(60, 99)}


if __name__ == "__main__":
    main()
