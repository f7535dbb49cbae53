"""AWS Lambda on this machine: its own runtime, run against a small Runtime API.

AWS Lambda Developer Guide: "Using the Lambda runtime API for custom runtimes".
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
import time
import zipfile
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.support.waiting import PATIENCE

API = "/2018-06-01/runtime/"


class InvocationFailed(Exception):
    """The function raised, at its start or in an invocation; Lambda receives the message."""


class LambdaProcess:
    """One container of a function: its unzipped artifact, run as Lambda does.

    `runtime` is a folder with what Lambda's runtime brings (awslambdaric, boto3). Nothing else
    than that, the artifact and the standard library can be imported. `init_seconds` is from the
    process's start to its asking for work.
    """

    def __init__(
        self, python: str, task: Path, runtime: Path, handler: str, environ: Mapping[str, str]
    ) -> None:
        self._events: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._answers: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._ready = threading.Event()
        self._count = 0
        self._server = self._serve()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # closed in close
        began = time.perf_counter()
        self._process = subprocess.Popen(
            # No site-packages of this machine: -S; no current folder but the task's.
            [python, "-S", "-m", "awslambdaric", handler],
            cwd=task,
            env={
                "PATH": os.environ["PATH"],
                "LAMBDA_TASK_ROOT": str(task),
                "PYTHONPATH": f"{task}{os.pathsep}{runtime}",
                "PYTHONDONTWRITEBYTECODE": "1",
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
                "AWS_LAMBDA_FUNCTION_NAME": handler.partition(".")[0],
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
                "AWS_REGION": "eu-central-1",
                "AWS_DEFAULT_REGION": "eu-central-1",
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
                **environ,
            },
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        if not self._ready.wait(PATIENCE) or not self._answers.empty():
            told = self._answers.get_nowait()[1].decode() if not self._answers.empty() else ""
            self.close()
            raise InvocationFailed(f"{handler} does not start: {told}\n{self.output}")
        self.init_seconds = time.perf_counter() - began

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """Have the function handle an event; return its answer. Raises InvocationFailed."""
        self._count += 1
        self._events.put((f"request-{self._count}", json.dumps(event).encode()))
        kind, answer = self._answers.get(timeout=PATIENCE)
        if kind != "response":
            raise InvocationFailed(answer.decode())
        return json.loads(answer)

    @property
    def output(self) -> str:
        """What it has written to its log so far."""
        self._output.seek(0)
        return self._output.read().decode()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._output.close()

    def _serve(self) -> ThreadingHTTPServer:
        process = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                assert self.path == API + "invocation/next"
                process._ready.set()
                request_id, event = process._events.get()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", request_id)
                deadline = int((time.time() + PATIENCE) * 1000)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(deadline))
                arn = "arn:aws:lambda:eu-central-1:123456789012:function:any"
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", arn)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(event)))
                self.end_headers()
                self.wfile.write(event)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                process._answers.put((self.path.rpartition("/")[2], body))
                process._ready.set()
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                pass  # a container that is ended leaves its connection

        server = Server(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server


def unzip(archive: Path, folder: Path) -> Path:
    """Lay an artifact out, read-only, as Lambda does; return the folder."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    for path in folder.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder


def contents(folder: Path) -> dict[str, float]:
    """Every file below a folder, and when it was last changed."""
    return {str(path): path.stat().st_mtime for path in folder.rglob("*")}
