"""The Lambdas' zips, built for this machine and run here as Lambda runs them."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from unittest.mock import patch

import boto3
from moto.server import ThreadedMotoServer

from core.domain.api_key import hash_key
from core.domain.clock import utc_now
from core.repositories.dynamodb.owners import DynamoOwnerRepository
from core.repositories.dynamodb.table import Table
from core.repositories.ports.owners import ApiKey
from tests.support.aws.dynamodb import REGION, dynamodb_client, table_definition
from tests.support.aws.lambda_runtime import LambdaProcess, unzip

ROOT: Final = Path(__file__).parents[3]
FUNCTIONS: Final = ("api", "labeller", "notifier")
PREFERRED: Final = "3.13"  # Lambda's
KEY: Final = "lbl_a-key-of-the-tests"


@functools.cache
def packager() -> ModuleType:
    """The script that builds the zips."""
    path = ROOT / "scripts" / "package_lambdas.py"
    spec = importlib.util.spec_from_file_location("package_lambdas", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Artifacts:
    """The functions' artifacts, unzipped below `root`, and what Lambda's runtime brings.

    Built for Python 3.13 where that is installed, else for the one that runs this.
    """

    def __init__(self, root: Path, functions: Sequence[str] = FUNCTIONS) -> None:
        script = packager()
        found = script.find_python(PREFERRED)
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        self.version = PREFERRED if found else here
        self.python: str = found or sys.executable
        self._root = root
        self._runtime = root / "runtime"
        self._functions = functions

    @property
    def zips(self) -> Path:
        """The folder of the zips."""
        return self._root / "zips"

    def build(self) -> None:
        """Build the artifacts, and lay them out."""
        script = packager()
        cache = ROOT / "build" / "wheels"
        target = script.Target(self.version, os.uname().machine)
        options = [f"--python={target.python}", f"--platform={target.platform}"]
        # Nobody uploads these zips: little compression saves most of the work.
        with patch.object(script, "COMPRESSION", 1):
            script.main([*self._functions, *options, f"--into={self.zips}"])
        for wheel in script.fetch(ROOT / "requirements" / "runtime.txt", target, cache):
            script.unpack(wheel, self._runtime)
        script.compile_all(self.python, self._runtime)
        for function in self._functions:
            unzip(self.zips / f"{function}.zip", self.folder(function))

    def folder(self, function: str) -> Path:
        """Where a function's artifact lies."""
        return self._root / function

    def copy_of(self, function: str, name: str) -> Path:
        """Copy an artifact to a folder that can be written to."""
        copy = shutil.copytree(self.folder(function), self._root / name)
        copy.chmod(0o755)
        return copy

    def start(self, handler: str, task: Path, environ: Mapping[str, str]) -> LambdaProcess:
        """Start a container."""
        return LambdaProcess(self.python, task, self._runtime, handler, environ)

    def measure(
        self, handler: str, task: Path, environ: Mapping[str, str], event: Mapping[str, Any]
    ) -> tuple[float, float]:
        """Return the seconds that start and first invocation of a new container take."""
        with self.start(handler, task, environ) as process:
            began = time.perf_counter()
            process.invoke(event)
            return process.init_seconds, time.perf_counter() - began


class ImitatedCloud:
    """A table, a bucket and a queue of moto's, at an address that other processes can reach."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self.dynamodb = dynamodb_client(endpoint)
        self.dynamodb.create_table(TableName="records", **table_definition())
        options = {"region_name": REGION, "endpoint_url": endpoint}
        self.s3 = boto3.client("s3", **options)
        self.s3.create_bucket(
            Bucket="pictures", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        self.hints_url = boto3.client("sqs", **options).create_queue(QueueName="hints")["QueueUrl"]
        owners = DynamoOwnerRepository(Table(self.dynamodb, "records"), lambda: "whsec_c2VjcmV0")
        owners.add_key(ApiKey(hash_key(KEY), "anna", "", utc_now()))

    def environ(self, function: str) -> dict[str, str]:
        """Return the environment variables of a function."""
        known = {
            "AWS_ENDPOINT_URL": self._endpoint,
            "POWERTOOLS_SERVICE_NAME": function,
            "POWERTOOLS_METRICS_NAMESPACE": "Labelling",
            "LABELLING_TABLE": "records",
        }
        own = {
            "api": {
                "LABELLING_BUCKET": "pictures",
                "LABELLING_HINTS_URL": self.hints_url,
                "LABELLING_UPLOADS_URL": self.hints_url,
            },
            "labeller": {"LABELLING_BUCKET": "pictures"},
            "notifier": {
                "LABELLING_HINTS_URL": self.hints_url,
                "LABELLING_ASIDE_URL": self.hints_url,
            },
        }
        return {**known, **own[function]}

    def first_event(self, function: str) -> dict[str, Any]:
        """An event that has a function do the least that it is there for."""
        if function == "api":
            return http_event("mutation { createUpload(input: {contentType: PNG}) { __typename } }")
        if function == "notifier":
            return sqs_event(json.dumps({"delivery_id": "msg_01ARYZ_3"}))
        stored = {"bucket": {"name": "pictures"}, "object": {"key": "originals/anna/01ARYZ"}}
        record = {"eventName": "ObjectCreated:Put", "s3": stored}
        return sqs_event(json.dumps({"Records": [record]}))


def http_event(query: str) -> dict[str, Any]:
    """A GraphQL request as the HTTP API gives it."""
    return {
        "version": "2.0",
        "rawPath": "/graphql",
        "rawQueryString": "",
        "headers": {
            "host": "api.example",
            "content-type": "application/json",
            "authorization": f"Bearer {KEY}",
        },
        "requestContext": {
            "http": {"method": "POST", "path": "/graphql", "sourceIp": "203.0.113.9"},
            "stage": "$default",
        },
        "body": json.dumps({"query": query}),
        "isBase64Encoded": False,
    }


def sqs_event(body: str) -> dict[str, Any]:
    """One message."""
    return {
        "Records": [
            {
                "messageId": "1",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "eventSource": "aws:sqs",
            }
        ]
    }


@contextmanager
def imitated_cloud() -> Iterator[ImitatedCloud]:
    """Moto's server on a free port, until the block ends."""
    environ = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with patch.dict(os.environ, environ):
        server.start()
        try:
            host, port = server.get_host_and_port()
            yield ImitatedCloud(f"http://{host}:{port}")
        finally:
            server.stop()
