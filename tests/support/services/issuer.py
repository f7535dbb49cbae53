"""An OpenID Connect issuer on this machine, with real keys."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "https://labels.example"


class Issuer:
    """Serves discovery and keys on a free loopback port; `asked` are the paths asked for.

    `answers` may replace what a path is answered with: a document, bytes, a status, or a text
    in place of HTTP; `drip` has each byte of it take so many seconds.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Any] = {}
        self.drip = 0.0
        self.keys: dict[str, tuple[str, Any]] = {}
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                answer = issuer.answers.get(self.path, issuer.document(self.path))
                if isinstance(answer, str):
                    self.wfile.write(answer.encode())
                    return
                status, body = 200, answer
                if isinstance(answer, int):
                    status, body = answer, b""
                if not isinstance(body, bytes):
                    body = json.dumps(body).encode()
                self.send_response(status)
                if status in (301, 302):
                    self.send_header("location", "/elsewhere")
                self.end_headers()
                if not issuer.drip:
                    self.wfile.write(body)
                    return
                with suppress(OSError):  # the client may have given up
                    for each in body:
                        self.wfile.write(bytes([each]))
                        time.sleep(issuer.drip)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.add("one", "RS256")

    def add(self, kid: str, algorithm: str) -> None:
        """Make a key."""
        made: Any
        if algorithm[:2] in ("RS", "PS"):
            made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        elif algorithm == "EdDSA":
            made = ed25519.Ed25519PrivateKey.generate()
        else:
            made = ec.generate_private_key(ec.SECP256R1())
        self.keys[kid] = algorithm, made

    def document(self, path: str) -> Any:
        """What a path is answered with."""
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if path == "/keys":
            return {"keys": [self.jwk(kid) for kid in self.keys]}
        return 404

    def jwk(self, kid: str) -> dict[str, Any]:
        """A key's public half."""
        algorithm, private = self.keys[kid]
        public = private.public_key()
        kind: Any = {"RS": RSAAlgorithm, "PS": RSAAlgorithm, "ES": ECAlgorithm}.get(
            algorithm[:2], OKPAlgorithm
        )
        written = kind.to_jwk(public, as_dict=True)
        return {**written, "kid": kid, "alg": algorithm, "use": "sig"}

    def pem(self, kid: str) -> bytes:
        """A key's public half as files hold it."""
        public = self.keys[kid][1].public_key()
        found: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return found

    def token(self, kid: str = "one", *, by: str | None = None, **claims: Any) -> str:
        """Sign a token; a claim of None is left out. `by` is another key that signs it."""
        now = int(time.time())
        told = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "anna",
            "exp": now + 600,
            "iat": now,
            "scope": "openid read upload admin",
            **claims,
        }
        algorithm, _ = self.keys[kid]
        return jwt.encode(
            {name: value for name, value in told.items() if value is not None},
            self.keys[by or kid][1],
            algorithm,
            headers={"kid": kid},
        )

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
