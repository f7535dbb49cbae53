"""The settings of the embedded service: environment variables LABELLING_*, or flags."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from api.auth.settings import TokenSettings
from core.domain.errors import InvalidValue
from core.runtime.callback_settings import http_setting, ports_setting
from core.runtime.settings import BadSetting, setting
from core.runtime.trace_settings import endpoint_setting, webhook_setting
from embedded.s3 import read_address

PREFIX: Final = "LABELLING_"
# Characters that need no encoding in a path (RFC 3986, 2.3) or in a Content-Security-Policy.
_PUBLIC_PATH: Final = re.compile(r"(/(?!\.{1,2}(/|$))[\w.~-]+)*/?", re.ASCII)


def default_data_folder() -> Path:
    """Return the folder `data` beside `./run` in a clone, or else in the working directory."""
    root = Path(__file__).resolve().parents[1]
    return root / "data" if (root / "run").is_file() else Path("data")


@dataclass(frozen=True)
class Settings(TokenSettings):
    """How the embedded service runs."""

    host: str = setting(
        "127.0.0.1",
        "Address to listen on. Unless it is a loopback address, every request needs an API key.",
    )
    port: int = setting(8000, "Port to listen on; 0 chooses a free one.", minimum=0, maximum=65535)
    data: Path = setting(  # noqa: RUF009
        default_data_folder(),
        "Folder of the database, the images and the model (default: `data` beside `./run`; where "
        "there is no `./run`, `data` in the working directory).",
    )
    storage: str | None = setting(
        None,
        "Where the images are kept: s3://BUCKET/PREFIX, with ?endpoint=URL for a store that is not "
        "Amazon's (default: in the data folder). Once set it stays: see docs/storage.md.",
    )
    public_url: str | None = setting(
        None,
        "URL by which clients reach the service, if it is not host and port; signed URLs start "
        "with it. It may have a path, as https://example.com/labels.",
    )
    require_keys: bool = setting(
        False,
        "Whether every request needs an API key even where only this machine reaches the service.",
    )
    cors_origins: tuple[str, ...] = setting(
        ("auto",),
        "Origins whose pages may call the API and upload, comma-separated; "
        "loopback for every page of this machine, * for every page, auto for loopback unless "
        "requests need a key.",
    )
    max_upload_bytes: int = setting(
        50_000_000, "Largest size of an image, in bytes.", minimum=1, maximum=2**31 - 1
    )
    reserve_bytes: int = setting(
        100_000_000,
        "Bytes of the disk that uploads leave free, so that deletions always work; "
        "0 to fill the disk.",
        minimum=0,
    )
    max_pixels: int = setting(
        100_000_000, "Largest number of pixels of an image that is labelled.", minimum=1
    )
    detector: str = setting(
        "onnx",
        "Detector that labels images: onnx (on this machine), rekognition (Amazon's), or another "
        "one by its entry point in labelling.detectors or as package.module:factory "
        "(docs/detectors.md).",
    )
    classifier: Path | None = setting(  # noqa: RUF009
        None,
        "TOML file that describes an ONNX classifier, which the detector onnx runs instead of "
        "the one that comes with the service (docs/detectors.md).",
    )
    faces: bool = setting(
        True, "Whether people and their faces are detected; the labels are Person and Face."
    )
    workers: int = setting(
        os.cpu_count() or 1,
        "Images labelled at the same time (default: one per core).",
        minimum=1,
    )
    max_receives: int = setting(
        5,
        "Attempts to label an image before its message becomes a dead letter.",
        minimum=1,
    )
    upload_hours: float = setting(
        24,
        "Hours that a blob waits for its bytes before it expires.",
        minimum=0,
        maximum=10_000,
    )
    body_timeout: float = setting(
        1800,
        "Seconds in which the body of a request, such as an image, must arrive.",
        minimum=1,
        maximum=86_400,
    )
    uploads_per_minute: int = setting(
        6000, "Uploads that an owner may create in a minute; 0 for any number.", minimum=0
    )
    open_uploads: int = setting(
        10_000,
        "Uploads of an owner that may wait for their bytes at a time; 0 for any number.",
        minimum=0,
    )
    max_connections: int | None = setting(
        None,
        "Connections that may be open at a time (default: 10,000, or as many as the system's limit "
        "of open files allows).",
        minimum=1,
    )
    connections_per_address: int = setting(
        500,
        "Connections that may be open from one address. This and the other limits per address "
        "leave out this machine and trusted proxies.",
        minimum=1,
    )
    connections_per_owner: int = setting(
        1000, "WebSockets that one owner may have open.", minimum=1
    )
    max_concurrent_requests: int = setting(
        1000, "Requests that may be in progress at a time.", minimum=1
    )
    concurrent_requests_per_address: int = setting(
        200, "Requests of one address that may be in progress at a time.", minimum=1
    )
    concurrent_requests_per_owner: int = setting(
        500, "Requests of one owner that may be in progress at a time.", minimum=1
    )
    max_subscriptions: int = setting(
        10_000, "Subscriptions that may be live at a time, over all transports.", minimum=1
    )
    subscriptions_per_address: int = setting(
        1000, "Subscriptions of one address that may be live at a time.", minimum=1
    )
    subscriptions_per_owner: int = setting(
        2000, "Subscriptions of one owner that may be live at a time.", minimum=1
    )
    trusted_proxies: tuple[str, ...] = setting(
        ("127.0.0.1", "::1"),
        "Addresses or networks of proxies, comma-separated: the address of a client behind them is "
        "the last one of `X-Forwarded-For` that is not a proxy's.",
    )
    requests_per_second: int = setting(
        200,
        "Requests that a key may send in a second, and ten times as many after a pause; "
        "0 for any number.",
        minimum=0,
    )
    failed_keys_per_minute: int = setting(
        60,
        "Requests without a valid key that an address may send in a minute; 0 for any number.",
        minimum=0,
    )
    webhook_timeout: float = setting(
        20,
        "Seconds that an attempt at a webhook may take, from name resolution to response.",
        minimum=0.1,
        maximum=300,
    )
    private_callbacks: bool | None = setting(
        None,
        "Whether webhooks may go to this machine and private networks; "
        "auto: only while requests need no key.",
    )
    http_callbacks: bool = http_setting()
    callback_ports: tuple[int, ...] = ports_setting()
    encryption_key_file: Path | None = setting(  # noqa: RUF009
        None,
        "File of keys in base64, one a line, that encrypt the stored secrets: the first encrypts, "
        "all decrypt. Without a key they are stored as they are.",
    )
    encryption_keys: tuple[str, ...] = setting(
        (),
        "Such keys, comma-separated, after those of the file. Set the variable, since other users "
        "of the machine can see a flag.",
        secret=True,
    )
    webhook_workers: int = setting(
        32,
        "Webhooks sent at the same time; at most 8 and at most a quarter go to one endpoint, "
        "and an owner has at most half of those that other owners leave.",
        minimum=1,
        maximum=1000,
    )
    oidc_operators: tuple[str, ...] = setting(
        (),
        "Values of `sub`, comma-separated, whose tokens have the scope operator: the people who "
        "run the service (docs/admin.md).",
    )
    operation_timeout: float = setting(
        15,
        "Seconds that a GraphQL operation may take before it is cancelled.",
        minimum=0.1,
        maximum=300,
    )
    max_cost: int = setting(
        30_000,
        "Largest estimated number of values in the response to a GraphQL operation.",
        minimum=1,
    )
    introspection: bool = setting(True, "Whether clients may query the GraphQL schema.")
    field_suggestions: bool = setting(
        True, "Whether an error about an unknown name suggests a similar name."
    )
    automatic_persisted_queries: bool = setting(
        True, "Whether clients may send the SHA-256 of a GraphQL document instead of its text."
    )
    allowed_documents: Path | None = setting(  # noqa: RUF009
        None,
        "JSON file of GraphQL documents by their SHA-256; if set, no other document is executed.",
    )
    backup_to: str | None = setting(
        None,
        "Where the service stores backups of itself: a folder, or s3://BUCKET/PREFIX, with "
        "?endpoint=URL for a store that is not Amazon's (default: nowhere).",
    )
    backup_hours: float = setting(24, "Hours between two backups.", minimum=0.01, maximum=10_000)
    backup_keep: int = setting(
        7, "Backups that are kept; older ones are deleted.", minimum=1, maximum=10_000
    )
    otlp_endpoint: str = endpoint_setting()
    webhook_traceparent: bool = webhook_setting()
    shutdown_seconds: float = setting(
        10, "Seconds to wait for work in progress at a stop.", minimum=0, maximum=3600
    )
    log_format: str = setting(
        "auto",
        "Format of log lines: text for people, json for programs, auto for text on a terminal "
        "and json elsewhere.",
        choices=("auto", "text", "json"),
    )
    log_level: str = setting(
        "info",
        "Lowest severity that is logged.",
        choices=("debug", "info", "warning", "error"),
    )

    def __post_init__(self) -> None:
        if self.public_url is not None:
            object.__setattr__(self, "public_url", public_url(self.public_url))
        if self.storage is not None:
            try:
                read_address("storage", self.storage)
            except InvalidValue as error:
                raise BadSetting(str(error)) from error


def public_url(text: str) -> str:
    """Return a public URL without slashes at its end. Raises BadSetting."""
    try:
        parts = urlsplit(text)
        is_plain = parts.port != 0 and text == f"{parts.scheme}://{parts.netloc}{parts.path}"
    except ValueError:
        is_plain = False
    if (
        not is_plain
        or parts.scheme not in ("http", "https")
        or not parts.hostname
        or "@" in parts.netloc
        or not _PUBLIC_PATH.fullmatch(parts.path)
    ):
        raise BadSetting(
            f"LABELLING_PUBLIC_URL (--public-url) is {text!r}: give scheme, host, and port and "
            "path if there are any, as https://example.com/labels."
        )
    return text.rstrip("/")
