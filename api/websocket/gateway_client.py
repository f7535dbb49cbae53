"""The client of API Gateway's management API, which sends to WebSocket connections.

API Gateway Developer Guide: "Use @connections commands in your backend service". The close
code can't be chosen: the client sees 1000, "Connection Closed Normally".
"""

from __future__ import annotations

from typing import Any, Final

from core.backends.aws_errors import error_code, translated_errors
from core.domain.errors import LabellingError, Unavailable

# "Quotas for configuring and running a WebSocket API": of a message, either way.
MAX_MESSAGE: Final = 128 * 1024


class SocketGone(LabellingError):
    """The socket is closed, or its client does not read."""


class GatewayClient:
    """Sends to WebSocket connections and closes them. `client` is of `apigatewaymanagementapi`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def send(self, connection_id: str, text: str) -> None:
        """Send a message of at most MAX_MESSAGE bytes. Raises SocketGone or Unavailable."""
        try:
            with translated_errors("API Gateway"):
                self._client.post_to_connection(ConnectionId=connection_id, Data=text.encode())
        except Unavailable as exc:
            # LimitExceededException after boto's retries: "the WebSocket client side buffer is
            # full". The client does not read, and nothing waits for it.
            if error_code(exc.__cause__) in ("GoneException", "LimitExceededException"):
                raise SocketGone(connection_id) from exc
            raise

    def close(self, connection_id: str) -> None:
        """Close a socket if it is open. Raises Unavailable."""
        try:
            with translated_errors("API Gateway"):
                self._client.delete_connection(ConnectionId=connection_id)
        except Unavailable as exc:
            if error_code(exc.__cause__) != "GoneException":
                raise


def management_url(websocket_url: str) -> str:
    """Return the URL of a WebSocket API's management API."""
    return websocket_url.replace("ws", "http", 1)
