"""AWS calls that functions make, and the permissions that each of them needs.

Follows docs.aws.amazon.com: "Service Authorization Reference" for each service, "Configuring least
privilege for DynamoDB transactions", "Required permissions for Amazon S3 API operations".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final
from unittest.mock import patch

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from tests.support.aws.iam import References, Template, resolve

ACTION_OF_WRITE: Final = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}
QUEUE_READER: Final = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
STREAM_READER: Final = (
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
)
LOG_WRITER: Final = ("logs:CreateLogStream", "logs:PutLogEvents")

Permission = tuple[str, str]  # action, ARN of the resource


@dataclass(frozen=True)
class Call:
    """One call of a function: to a service (`dynamodb`), an operation (`PutItem`)."""

    function: str
    service: str
    operation: str
    request: Mapping[str, Any]
    answer: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


_caller: ContextVar[str | None] = ContextVar("caller", default=None)


@contextmanager
def calling_as(function: str | None) -> Iterator[None]:
    """Let the calls made inside the block be that function's."""
    token = _caller.set(function)
    try:
        yield
    finally:
        _caller.reset(token)


@contextmanager
def recorded_calls(
    watch: Callable[[Call], None] = lambda _: None,
    detect: Callable[[], Mapping[str, Any]] | None = None,
    answers: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] | None = None,
) -> Iterator[list[Call]]:
    """Note every call that is some function's, and have it watched.

    `detect` gives what DetectLabels answers, or raises; without, it is moto's own invention.
    `answers` do so for other operations, by their names.
    """
    calls: list[Call] = []
    make = BaseClient._make_api_call

    def noted(client: BaseClient, operation: str, request: Mapping[str, Any]) -> Any:
        function = _caller.get()
        if function is None:
            return make(client, operation, request)
        service = client.meta.service_model.service_name
        asked = dict(request)  # botocore rewrites it
        answer: Mapping[str, Any] = {}
        error = None
        try:
            if detect is not None and operation == "DetectLabels":
                answer = detect()
            elif answers and operation in answers:
                answer = answers[operation](asked)
            else:
                answer = make(client, operation, request)
        except ClientError as exc:
            error = exc.response["Error"]["Code"]
            raise
        finally:
            call = Call(function, service, operation, asked, answer, error)
            calls.append(call)
            with calling_as(None):
                watch(call)
        return answer

    with patch.object(BaseClient, "_make_api_call", noted):
        yield calls


def permissions_of(call: Call, refs: References) -> list[Permission]:
    """Name what a call must be allowed to do."""
    request = call.request
    match call.service:
        case "dynamodb":
            return _of_dynamodb(call.operation, request, refs)
        case "s3":
            return _of_s3(call, refs)
        case "sqs":
            return [(f"sqs:{call.operation}", _queue_arn(request["QueueUrl"], refs))]
        case "rekognition":
            stored = request["Image"].get("S3Object")
            # Rekognition reads the object in the caller's name.
            read = [_object(stored["Bucket"], stored["Name"], refs)] if stored else []
            return [
                (f"rekognition:{call.operation}", "*"),
                *(("s3:GetObject", each) for each in read),
            ]
        case "lambda" if call.operation == "Invoke":
            named = request["FunctionName"]  # by its name, or by an ARN
            name = {"Fn::Sub": named if named.startswith("arn:") else _FUNCTION + named}
            return [("lambda:InvokeFunction", str(resolve(name, refs)))]
        case "apigatewaymanagementapi":
            path = f"{_METHODS[call.operation]}/@connections/{request['ConnectionId']}"
            return [
                ("execute-api:ManageConnections", str(resolve({"Fn::Sub": _SOCKETS + path}, refs)))
            ]
    raise ValueError(f"{call.service} is not known here")


def _of_dynamodb(operation: str, request: Mapping[str, Any], refs: References) -> list[Permission]:
    def table(name: str) -> str:
        return resolve({"Fn::Sub": _TABLE + name}, refs) if not name.startswith("arn:") else name

    match operation:
        case "BatchGetItem" | "BatchWriteItem":
            return [(f"dynamodb:{operation}", table(name)) for name in request["RequestItems"]]
        case "TransactWriteItems":
            return [
                (ACTION_OF_WRITE[action], table(write["TableName"]))
                for each in request["TransactItems"]
                for action, write in each.items()
            ]
        case "Query" | "Scan" if "IndexName" in request:
            index = f"{table(request['TableName'])}/index/{request['IndexName']}"
            return [(f"dynamodb:{operation}", index)]
    return [(f"dynamodb:{operation}", table(request["TableName"]))]


_FUNCTION: Final = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:"
_SOCKETS: Final = (
    "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${WebsocketsApi}/dev/"
)
_METHODS: Final = {"PostToConnection": "POST", "DeleteConnection": "DELETE"}
_TABLE: Final = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/"


def _of_s3(call: Call, refs: References) -> list[Permission]:
    request = call.request
    here = _object(request["Bucket"], request["Key"], refs)
    # Without the right to list, a missing key is answered with 403.
    missing = call.error in ("404", "NoSuchKey", "NoSuchVersion")
    look = [("s3:ListBucket", here.partition("/")[0])] if missing else []
    match call.operation:
        case "GetObject" | "HeadObject":
            return [(_reading(request), here), *look]
        case "DeleteObject" if "VersionId" in request:
            return [("s3:DeleteObjectVersion", here)]
        case "PutObject" | "DeleteObject":
            return [(f"s3:{call.operation}", here)]
        case "CopyObject":
            source = request["CopySource"]
            return [
                (_reading(source), _object(source["Bucket"], source["Key"], refs)),
                ("s3:PutObject", here),
                *look,
            ]
    raise ValueError(f"{call.operation} is not known here")


def _reading(request: Mapping[str, Any]) -> str:
    return "s3:GetObjectVersion" if "VersionId" in request else "s3:GetObject"


def _object(bucket: str, key: str, refs: References) -> str:
    return f"arn:{refs['AWS::Partition']}:s3:::{bucket}/{key}"


def _queue_arn(url: str, refs: References) -> str:
    arn = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:"
    return str(resolve({"Fn::Sub": arn + url.rpartition("/")[2]}, refs))


def permissions_of_platform(template: Template, refs: References) -> dict[str, set[Permission]]:
    """Name what Lambda itself does in each function's role: log, and read its event sources."""
    functions = {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    needed: dict[str, set[Permission]] = {}
    package_of = {}
    for name, properties in functions.items():
        package = package_of[name] = properties["Handler"].partition(".")[0]
        group = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
        log = resolve(
            {"Fn::Sub": f"{group}/aws/lambda/{resolve(properties['FunctionName'], refs)}:*"}, refs
        )
        needed[package] = {(action, log) for action in LOG_WRITER}
    for resource in template["Resources"].values():
        if resource["Type"] != "AWS::Lambda::EventSourceMapping":
            continue
        mapping = resolve(resource["Properties"], refs)
        package = next(
            package
            for name, package in package_of.items()
            if name in str(resource["Properties"]["FunctionName"])
        )
        source = mapping["EventSourceArn"]
        reader = QUEUE_READER if ":sqs:" in source else STREAM_READER
        needed[package] |= {(action, source) for action in reader}
        failures = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if failures:
            needed[package].add(("sqs:SendMessage", failures))
    return needed
