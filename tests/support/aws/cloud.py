"""The deployed stack on imitated AWS, worked by hand.

Whatever AWS would carry from one part to the next is carried here; the real handlers do the work,
each with the environment that the template gives it.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import importlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import unquote_plus, urlsplit

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from embedded.cli.main import main
from tests.support.aws.calls import Call, calling_as, recorded_calls
from tests.support.aws.http_api import http_api_event
from tests.support.aws.iam import References, Template, references
from tests.support.aws.sigv4 import check_presigned
from tests.support.aws.stack import REGION, deploy, function_environ, imitated_aws
from tests.support.aws.websocket_api import WebSocketApi
from tests.support.waiting import PATIENCE

CREATE = """
mutation ($input: CreateUploadInput!) {
  createUpload(input: $input) {
    __typename
    ... on CreatedUpload {
      blob { id status }
      target { url method headers { name value } expiresAt maxBytes }
    }
    ... on Error { message }
  }
}
"""
FUNCTIONS: Final = ("api", "labeller", "notifier")


@dataclass(frozen=True)
class Context:
    """What Lambda tells a handler of its invocation."""

    function_name: str
    aws_request_id: str
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:any"

    def get_remaining_time_in_millis(self) -> int:
        """As at the start of an invocation of a minute."""
        return 60_000


class Cloud:
    """The stack, its functions and what lies in it.

    `notices` are the asynchronous invocations that Lambda has yet to make.
    """

    def __init__(
        self, template: Template, calls: list[Call], notices: list[Mapping[str, Any]]
    ) -> None:
        self.notices = notices
        self._one_at_a_time = threading.RLock()  # as they share an environment
        self.template = copy.deepcopy(template)
        self.calls = calls
        self.ids = deploy(template)
        self.refs: References = references(template, self.ids)
        self.dynamodb, self.s3 = boto3.client("dynamodb"), boto3.client("s3")
        self._sqs = boto3.client("sqs")
        self._streams = boto3.client("dynamodbstreams")
        self.invoked: list[str] = []
        self.dead_letters: list[dict[str, Any]] = []
        # The one thing the template doesn't say: tests' receivers are on this machine.
        callbacks = {"LABELLING_PRIVATE_CALLBACKS": "yes"}
        self.own: dict[str, dict[str, str]] = {
            "api": dict(callbacks),
            "labeller": {},
            "notifier": dict(callbacks),
        }
        self._iterators: dict[str, str] = {}
        for name in FUNCTIONS:
            self.restart(name)
        self.drain("Uploads")  # what S3 sends when notifications are set up

    def restart(self, function: str) -> None:
        """Have a function's next event go to a new container."""
        for kept in vars(self._handler(function)).values():
            if hasattr(kept, "cache_clear"):
                kept.cache_clear()

    @contextmanager
    def sockets(self) -> Iterator[WebSocketApi]:
        """Have the stack's WebSocket API, for clients on this machine."""
        with WebSocketApi(lambda event: self.invoke("api", event)) as sockets:
            self.own["api"]["LABELLING_WEBSOCKET_URL"] = sockets.url
            self.restart("api")
            yield sockets

    def tell(self) -> int:
        """Make the invocations that are waiting, of the API's function; return how many."""
        notices, self.notices[:] = list(self.notices), []
        for request in notices:
            assert request["FunctionName"] == self.refs["ApiSnapStartLambdaAlias"]
            assert request["InvocationType"] == "Event"
            self.invoke("api", json.loads(request["Payload"]))
        return len(notices)

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """Call a function's handler as Lambda does, with its own environment."""
        with self._one_at_a_time:
            return self._invoke(function, event)

    def _invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        self.invoked.append(function)
        context = Context(f"labelling-dev-{function}", f"request-{len(self.invoked)}")
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LABEL")},
            **function_environ(self.template, function, self.ids),
            **self.own[function],
        }
        with patch.dict(os.environ, environ, clear=True), calling_as(function):
            return self._handler(function).handler(json.loads(json.dumps(event)), context)

    def http(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Send a request through the HTTP API; return status and decoded body."""
        sent = {"content-type": "application/json", "host": "api.example", **(headers or {})}
        if key:
            sent["authorization"] = f"Bearer {key}"
        content = body if body is None or isinstance(body, str) else json.dumps(body)
        answer = self.invoke("api", http_api_event(method, path, sent, content))
        return answer["statusCode"], json.loads(answer["body"])

    def graphql(self, key: str, query: str, **variables: Any) -> Any:
        """Execute a query; return its data."""
        status, answer = self.http(
            "POST", "/graphql", {"query": query, "variables": variables}, key=key
        )
        assert (status, answer.get("errors")) == (200, None), answer
        return answer["data"]

    def create_upload(self, key: str, **wish: Any) -> tuple[str, dict[str, Any]]:
        """Ask for an upload; return the blob's id and where its bytes go."""
        answer = self.graphql(key, CREATE, input={"contentType": "PNG", **wish})["createUpload"]
        assert answer["__typename"] == "CreatedUpload", answer
        return answer["blob"]["id"], answer["target"]

    def put(self, target: Mapping[str, Any], content: bytes, **headers: str) -> int:
        """Upload by a signed URL as a client does; return the status.

        moto checks no signature: here it is made again and compared.
        """
        sent = {each["name"]: each["value"] for each in target["headers"]} | headers
        signed = {**sent, "Content-Length": str(len(content))}
        check_presigned("PUT", target["url"], signed, os.environ["AWS_SECRET_ACCESS_KEY"])
        key = urlsplit(target["url"]).path.lstrip("/")
        self.calls.append(
            Call("api", "s3", "PutObject", {"Bucket": self.ids["Bucket"], "Key": key})
        )
        return requests.put(target["url"], content, headers=sent, timeout=PATIENCE).status_code

    def get(self, url: str) -> bytes:
        """Download by a signed URL."""
        check_presigned("GET", url, {}, os.environ["AWS_SECRET_ACCESS_KEY"])
        key = urlsplit(url).path.lstrip("/")
        self.calls.append(
            Call("api", "s3", "GetObject", {"Bucket": self.ids["Bucket"], "Key": key})
        )
        return requests.get(url, timeout=PATIENCE).content

    def drain(self, queue: str) -> list[dict[str, Any]]:
        """Take all messages that can be seen, as the records of an SQS event."""
        url, arn = self.refs[queue], self.refs[f"{queue}.Arn"]
        records = []
        while True:
            answer = self._sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]
            )
            for message in answer.get("Messages", ()):
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                message["Body"] = self._with_versions(message["Body"])
                records.append(
                    {
                        "messageId": message["MessageId"],
                        "receiptHandle": message["ReceiptHandle"],
                        "body": message["Body"],
                        "attributes": message["Attributes"],
                        "messageAttributes": {},
                        "md5OfBody": message["MD5OfBody"],
                        "eventSource": "aws:sqs",
                        "eventSourceARN": arn,
                        "awsRegion": REGION,
                    }
                )
            if not answer.get("Messages"):
                return records

    def _with_versions(self, body: str) -> str:
        """Name the version of each object in an S3 event, which moto leaves out."""
        event = json.loads(body)
        for record in event.get("Records", ()):
            told = record.get("s3", {}).get("object")
            if told and "relabel" not in record:
                found = self.s3.list_object_versions(
                    Bucket=self.ids["Bucket"], Prefix=unquote_plus(told["key"])
                )
                told["versionId"] = next(
                    version["VersionId"]
                    for version in found["Versions"]
                    if version["ETag"].strip('"') == told["eTag"]
                )
        return json.dumps(event)

    def redeliver(self, queue: str, function: str) -> int:
        """Give a function what its queue holds until it is done or given up; return the receives.

        As Lambda and SQS do: what fails is given again, its receives counted, until it goes to the
        dead letters.
        """
        receives = 0
        most = self.template["Resources"][queue]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
        for record in self.drain(queue):
            for count in range(1, most + 1):
                receives += 1
                record["attributes"]["ApproximateReceiveCount"] = str(count)
                answer = self.invoke(function, {"Records": [record]})
                if answer == {"batchItemFailures": []}:
                    break
                assert answer == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
            else:
                self.dead_letters.append(record)
        return receives

    def carry(self, queue: str, function: str, batch_size: int = 1) -> int:
        """Give a function what its queue holds, in batches; return how many messages."""
        records = self.drain(queue)
        for start in range(0, len(records), batch_size):
            batch = records[start : start + batch_size]
            answer = self.invoke(function, {"Records": batch})
            assert answer == {"batchItemFailures": []}, (batch, answer)
        return len(records)

    def changes(self) -> list[dict[str, Any]]:
        """Read on in the table's stream; return the records that pass the mapping's filter."""
        table = self.dynamodb.describe_table(TableName=self.ids["Table"])["Table"]
        stream = table["LatestStreamArn"]
        shards = self._streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
        records: list[dict[str, Any]] = []
        for shard in shards:
            shard_id = shard["ShardId"]
            iterator = (
                self._iterators.get(shard_id)
                or self._streams.get_shard_iterator(
                    StreamArn=stream, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON"
                )["ShardIterator"]
            )
            answer = self._streams.get_records(ShardIterator=iterator)
            self._iterators[shard_id] = answer["NextShardIterator"]
            records += [_as_told(record, stream) for record in answer["Records"]]
        return [record for record in records if self._passes(record)]

    def notify(self, batch_size: int = 1000) -> int:
        """Give the notifier the changes, then its own hints; return how many hints there were."""
        changes = self.changes()
        for start in range(0, len(changes), batch_size):
            batch = changes[start : start + batch_size]
            assert self.invoke("notifier", {"Records": batch}) == {"batchItemFailures": []}
        return self.carry("Hints", "notifier")

    def schedule(self, function: str) -> None:
        """Have a function's time come."""
        self.invoke(
            function,
            {
                "version": "0",
                "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
                "detail-type": "Scheduled Event",
                "source": "aws.events",
                "account": self.refs["AWS::AccountId"],
                "time": "2026-01-31T12:00:00Z",
                "region": REGION,
                "resources": ["arn:aws:events:eu-central-1:123456789012:rule/any"],
                "detail": {},
            },
        )

    def _passes(self, record: Mapping[str, Any]) -> bool:
        for resource in self.template["Resources"].values():
            if resource["Type"] == "AWS::Lambda::EventSourceMapping":
                criteria = resource["Properties"].get("FilterCriteria")
                if criteria:
                    patterns = [json.loads(each["Pattern"]) for each in criteria["Filters"]]
                    return any(matches(pattern, record) for pattern in patterns)
        return True

    @staticmethod
    def _handler(function: str) -> ModuleType:
        return importlib.import_module(f"{function}.lambda_handler")


def matches(pattern: Any, value: Any) -> bool:
    """Tell whether an event passes a filter pattern of plain values.

    AWS Lambda Developer Guide: "Filter rule syntax".
    """
    if isinstance(pattern, dict):
        return isinstance(value, Mapping) and all(
            matches(part, value.get(name)) for name, part in pattern.items()
        )
    return value in pattern


def _as_told(record: Mapping[str, Any], stream: str) -> dict[str, Any]:
    """A record as Lambda gives it: the API's, with JSON's types and the stream's ARN."""
    image = dict(record["dynamodb"])
    image["ApproximateCreationDateTime"] = image["ApproximateCreationDateTime"].timestamp()
    told = {
        "eventID": record["eventID"],
        "eventName": record["eventName"],
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "dynamodb": image,
        "eventSourceARN": stream,
    }
    text = json.dumps(told, default=lambda value: base64.b64encode(value).decode())
    found: dict[str, Any] = json.loads(text)
    return found


@contextmanager
def deployed(template: Template, **recording: Any) -> Iterator[Cloud]:
    """The stack for a test; nothing is left of it afterwards.

    `recording` is for `recorded_calls`.
    """
    notices: list[Mapping[str, Any]] = []

    def invoke(request: Mapping[str, Any]) -> dict[str, Any]:
        notices.append(request)
        return {"StatusCode": 202}

    recording["answers"] = {"Invoke": invoke, **recording.get("answers", {})}
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # Mangum takes the thread's, and leaves it open
    try:
        with imitated_aws(), recorded_calls(**recording) as calls:
            yield Cloud(template, calls, notices)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        asyncio.set_event_loop(None)
        loop.close()


class Rekognition:
    """Answers as documented, or with the error that the test sets."""

    def __init__(self) -> None:
        self.error: str | None = None
        self.meanwhile: Callable[[], None] = lambda: None
        self.answer: dict[str, Any] = {
            "LabelModelVersion": "3.0",
            "Labels": [
                {
                    "Name": "Cat",
                    "Confidence": 97.5,
                    "Parents": [{"Name": "Animal"}],
                    "Aliases": [{"Name": "Kitty"}],
                    "Categories": [{"Name": "Animals and Pets"}],
                    "Instances": [
                        {
                            "Confidence": 96.0,
                            "BoundingBox": {"Left": 0.25, "Top": 0, "Width": 0.5, "Height": 1},
                        }
                    ],
                },
                {"Name": "Animal", "Confidence": 99.0},
            ],
        }

    def __call__(self) -> dict[str, Any]:
        self.meanwhile()
        if self.error:
            refused: Any = {"Error": {"Code": self.error, "Message": "not now"}}
            raise ClientError(refused, "DetectLabels")
        return self.answer


def made_key(cloud: Cloud, capsys: pytest.CaptureFixture[str], owner: str) -> str:
    """Make an API key as the operator does."""
    capsys.readouterr()
    assert main(["keys", "create", "--owner", owner, "--table", cloud.ids["Table"]]) == 0
    return capsys.readouterr().out.strip()
