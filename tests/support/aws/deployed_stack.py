"""The stack as osls deploys it, on MiniStack, used over HTTP as clients use it."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from tests.support.aws.emulators import REGION, ROOT, Emulator
from tests.support.services.process import CREATE
from tests.support.waiting import PATIENCE, wait_until

STAGE: Final = "dev"
STACK: Final = f"labelling-{STAGE}"
AWS_TESTS: Final = ROOT / "tests" / "aws"
OSLS: Final = AWS_TESTS / "node_modules" / "osls"


# Earlier versions have these fields too.
BLOB: Final = """
query ($id: ID!) {
  blob(id: $id) {
    id status downloadUrl failure { code } callback { status }
    labels {
      name confidence parents
      instances { confidence boundingBox { left top width height } }
    }
  }
}
"""


class DeployedStack:
    """A stack of one account, and its deployer's folder.

    `source` is the folder of serverless.yml and infra/, `zips` that of the functions' zips.
    """

    def __init__(self, ministack: Emulator, folder: Path, zips: Path, source: Path = ROOT) -> None:
        self.ministack = ministack
        self.folder = folder
        self.cloudformation = ministack.client("cloudformation")
        self.http = httpx.Client(
            base_url=ministack.url, verify=ministack.trusted(), timeout=PATIENCE
        )
        self.outputs: dict[str, str] = {}
        self.take(source, zips)

    def take(self, source: Path, zips: Path) -> None:
        """Have the next deployment be of these sources."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(source / "infra", self.folder / "infra")
        shutil.copytree(zips, self.folder / "build")
        shutil.copy(AWS_TESTS / "ministack.js", self.folder)
        template = (source / "serverless.yml").read_text()
        (self.folder / "serverless.yml").write_text(f"{template}\nplugins: [./ministack.js]\n")

    def deploy(self, **parameters: str) -> None:
        """Create or update the stack."""
        self.osls("deploy", *(f"--param={name}={value}" for name, value in parameters.items()))
        (stack,) = self.cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        self.outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
        # Where MiniStack serves an API: as a virtual host, below the name that it believes to have.
        api = str(urlsplit(self.outputs["GraphqlUrl"]).hostname).partition(".")[0]
        self.http.headers["Host"] = f"{api}.execute-api.localhost"

    def roll_back(self) -> None:
        """Have the stack be what it was before the last deployment."""
        found = self.ministack.client("s3").list_objects_v2(
            Bucket=self.outputs["ServerlessDeploymentBucketName"],
            Prefix=f"serverless/labelling/{STAGE}/",
        )
        deployments = {each["Key"].split("/")[3] for each in found["Contents"]}
        former = sorted(deployments)[-2]  # by their times in milliseconds
        self.osls("rollback", "--timestamp", former.partition("-")[0])

    def osls(self, *arguments: str) -> str:
        """Run the deployer; return what it prints."""
        deployer = subprocess.run(
            [
                *("node", str(OSLS / "bin" / "serverless.js"), *arguments),
                *("--stage", STAGE, "--region", REGION),
            ],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "SLS_TELEMETRY_DISABLED": "1",
                **self.ministack.environ,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        printed = deployer.stdout + deployer.stderr
        assert deployer.returncode == 0, printed
        return printed

    def command(self, *arguments: str) -> str:
        """Run `labelling` for the stack's table as the operator does; return what it prints."""
        environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-m", "embedded", *arguments, "--table", self.outputs["TableName"]],
            cwd=ROOT,
            env=environ | self.ministack.environ,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    def use_key(self, owner: str) -> None:
        """Make an API key and send it with each request from now on."""
        key = self.command("keys", "create", "--owner", owner)
        self.http.headers["Authorization"] = f"Bearer {key}"

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """Execute an operation; return its data, and fail on errors."""
        answer = self.http.post("/graphql", json={"query": query, "variables": variables})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert "errors" not in body, body
        data: dict[str, Any] = body["data"]
        return data

    def create_upload(
        self, picture: bytes, callback: str | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Create an upload of a PNG; return the blob's id and the upload's target."""
        asked = {
            "contentType": "PNG",
            "sizeBytes": len(picture),
            "sha256": base64.b64encode(hashlib.sha256(picture).digest()).decode(),
            "callbackUrl": callback,
        }
        created = self.graphql(CREATE, input=asked)["createUpload"]
        assert "target" in created, created
        return created["blob"]["id"], created["target"]

    def put(self, target: Mapping[str, Any], picture: bytes) -> int:
        """Send a picture's bytes to an upload's target; return the status."""
        headers = {each["name"]: each["value"] for each in target["headers"]}
        answer = httpx.put(
            target["url"],
            content=picture,
            headers=headers,
            verify=self.ministack.trusted(),
            timeout=PATIENCE,
        )
        return answer.status_code

    def blob(self, blob_id: str) -> dict[str, Any]:
        """Return a blob from the API."""
        found: dict[str, Any] = self.graphql(BLOB, id=blob_id)["blob"]
        return found

    def wait_for(self, blob_id: str, status: str, callback: str | None = None) -> dict[str, Any]:
        """Wait until a blob and its webhook have these statuses; return the blob."""

        def found() -> dict[str, Any] | None:
            blob = self.blob(blob_id)
            holds = blob["status"] == status
            if holds and callback is not None:
                holds = blob["callback"]["status"] == callback
            return blob if holds else None

        return wait_until(found) or {}

    def code(self, function: str) -> str:
        """Return the SHA-256 of a function's zip, as it is deployed."""
        functions = self.ministack.client("lambda")
        found = functions.get_function_configuration(FunctionName=f"{STACK}-{function}")
        return str(found["CodeSha256"])

    def environment(self, function: str) -> dict[str, str]:
        """Return a function's environment variables."""
        functions = self.ministack.client("lambda")
        found = functions.get_function_configuration(FunctionName=f"{STACK}-{function}")
        return dict(found["Environment"]["Variables"])

    def resources(self) -> dict[str, str]:
        """Return the physical ids of the stack's resources by their logical ids."""
        listed = self.cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in listed}

    def close(self) -> None:
        """Close the connections."""
        self.http.close()
