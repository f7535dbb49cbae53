"""A Rekognition on loopback, which responds to DetectLabels over HTTP (AWS JSON 1.1)."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = {
    "LabelModelVersion": "3.0",
    "Labels": [
        {"Name": "Cat", "Confidence": 98.5, "Parents": [{"Name": "Animal"}]},
        {"Name": "Animal", "Confidence": 98.5, "Parents": []},
        {"Name": "Sofa", "Confidence": 12.5, "Parents": []},
    ],
}


class RekognitionServer:
    """Returns the same labels for every picture. Records its requests and their signers."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["x-amz-target"] == "RekognitionService.DetectLabels"
                server.keys.append(self.headers["authorization"].split("Credential=")[1])
                length = int(self.headers["content-length"])
                server.requests.append(json.loads(self.rfile.read(length)))
                told = json.dumps(ANSWER).encode()
                self.send_response(200)
                self.send_header("content-type", "application/x-amz-json-1.1")
                self.send_header("content-length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.environ = {
            "AWS_ENDPOINT_URL_REKOGNITION": f"http://127.0.0.1:{self._server.server_port}",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "AKIDOFTESTS",
            "AWS_SECRET_ACCESS_KEY": "none",
        }

    def pictures(self) -> list[bytes]:
        """The pictures in the requests."""
        return [base64.b64decode(each["Image"]["Bytes"]) for each in self.requests]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
