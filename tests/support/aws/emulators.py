"""Servers that stand in for AWS: MiniStack and SeaweedFS, each in a process of its own.

Both check signatures. MiniStack also runs the functions, under their roles.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.aws.moto import session
from tests.support.waiting import wait_until
from tests.support.webhooks.certificates import Authority

ROOT: Final = Path(__file__).parents[3]
PROGRAMS: Final = ROOT / ".venv-emulators" / "bin"
HOST: Final = "127.0.0.1"
REGION: Final = "eu-central-1"
ACCOUNT: Final = "123456789012"
EVERYTHING: Final = {"Effect": "Allow", "Action": "*", "Resource": "*"}
# The program ends with the tests, however those end: its standard input closes. So do its children.
_LAUNCHER: Final = """
import os, signal, subprocess, sys, threading
program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, close_fds=False)
def end():
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=end, daemon=True).start()
sys.exit(program.wait())
"""


def require_emulator(program: str) -> None:
    """Skip the test where a program of the emulators is not installed; fail in CI."""
    if (PROGRAMS / program).exists():
        return
    missing = f"{PROGRAMS.parent.name} has no {program}: scripts/test-tools"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@dataclass(frozen=True)
class Emulator:
    """A running server, and a user of it who may do everything.

    `authority` is the file of the certificate to trust, if the server speaks TLS.
    """

    url: str
    key_id: str
    secret_key: str
    authority: Path | None = None

    def client(self, service: str, config: Config | None = None) -> Any:
        """Return a client of a service, with the user's keys."""
        once = Config(retries={"total_max_attempts": 1})
        return session().client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            verify=str(self.authority) if self.authority else None,
            aws_access_key_id=self.key_id,
            aws_secret_access_key=self.secret_key,
            config=once.merge(config) if config else once,
        )

    def trusted(self) -> ssl.SSLContext:
        """Return a client's settings that trust the server alone."""
        return ssl.create_default_context(cafile=self.authority)

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which the SDKs of AWS use this server."""
        found = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }
        if self.authority:
            path = str(self.authority)
            found |= {"AWS_CA_BUNDLE": path, "NODE_EXTRA_CA_CERTS": path}
        return found


@contextmanager
def running_ministack(folder: Path, **environ: str) -> Iterator[Emulator]:
    """Start MiniStack on a free port, with TLS, signatures and IAM; stop it at the end.

    Its files are below `folder`. The functions that it runs inherit `environ`.
    """
    require_emulator("hypercorn")
    authority = Authority(folder)
    certificate = str(authority.issue(HOST))
    with socket.create_server((HOST, 0)) as listening:
        port = str(listening.getsockname()[1])
        command = [str(PROGRAMS / "python"), "-m", "hypercorn", "ministack.app:app"]
        command += ["--bind", f"fd://{listening.fileno()}", "--workers", "0"]
        command += ["--certfile", certificate, "--keyfile", certificate]
        settings = {
            "AUTH": "true",
            "AWS_CA_BUNDLE": str(authority.path),  # for the functions
            "GATEWAY_PORT": port,
            "IOT_MTLS_ENABLED": "0",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "MINISTACK_SSL_CERT": certificate,
            "MINISTACK_SSL_KEY": certificate,
            "PYTHONDONTWRITEBYTECODE": "1",
            "SFTP_ENABLED": "0",
            "USE_SSL": "1",
            **environ,
        }
        url = f"https://{HOST}:{port}"
        with running(command, folder, settings, descriptors=[listening.fileno()]):
            health = f"{url}/_ministack/health"
            # It answers as soon as it accepts from the socket that listens already.
            with urllib.request.urlopen(health, context=authority.trusted()) as answer:
                assert answer.status == 200
            root = Emulator(url, "test", "test", authority.path)  # whom it lets do everything
            yield Emulator(url, *_user(root.client("iam")), authority.path)


@contextmanager
def running_seaweedfs(folder: Path) -> Iterator[Emulator]:
    """Start SeaweedFS's S3 on free ports, with one user; stop it at the end.

    Its files are below `folder`.
    """
    require_emulator("weed")
    key_id, secret_key = "AKIDOFTESTS", "secret-of-the-tests"
    user = {
        "name": "tests",
        "credentials": [{"accessKey": key_id, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [user]}))
    (folder / "data").mkdir()
    parts = ("master", "volume", "filer", "s3")
    free = _free_ports(2 * len(parts))
    http, grpc = dict(zip(parts, free, strict=False)), dict(zip(parts, free[4:], strict=True))
    command = [str(PROGRAMS / "weed"), "server", "-s3", "-s3.config=s3.json", "-dir=data"]
    command += [f"-ip={HOST}", f"-ip.bind={HOST}", "-master.telemetry=false", "-volume.max=1000"]
    command += [f"-{part}.port={port}" for part, port in http.items()]
    command += [f"-{part}.port.grpc={port}" for part, port in grpc.items()]
    command += [f"-{part}.localSocket={part}.sock" for part in ("filer", "s3")]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    try:
        with running(command, folder, {}):
            seaweedfs = Emulator(f"http://{HOST}:{http['s3']}", key_id, secret_key)
            wait_until(lambda: _lists_buckets(seaweedfs))
            yield seaweedfs
    finally:
        for part, port in grpc.items():  # it asks nobody where to put these
            Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server((HOST, 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _lists_buckets(emulator: Emulator) -> bool:
    try:
        emulator.client("s3").list_buckets()
    except (BotoCoreError, ClientError):
        return False
    return True


def _user(iam: Any) -> tuple[str, str]:
    """Make a user who may do everything; return the keys, whose signatures are checked."""
    iam.create_user(UserName="tests")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [EVERYTHING]})
    iam.put_user_policy(UserName="tests", PolicyName="everything", PolicyDocument=policy)
    key = iam.create_access_key(UserName="tests")["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


@contextmanager
def running(
    command: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
    *,
    descriptors: Sequence[int] = (),
) -> Iterator[None]:
    """Run a server below `folder` until the end of the block; its output is in server.log."""
    home = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, *command],
            cwd=folder,
            env={**home, **environ},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
            start_new_session=True,
        )
    try:
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
