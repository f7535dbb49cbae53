"""The embedded service's settings: environment variables LABELLING_*, or flags."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from api.auth.settings import TokenSettings
from core.runtime.callback_settings import http_setting, ports_setting
from core.runtime.settings import setting

PREFIX: Final = "LABELLING_"


def default_data_folder() -> Path:
    """Return the folder `data` beside `./run` in a clone, or else in the working directory."""
    root = Path(__file__).resolve().parents[1]
    return root / "data" if (root / "run").is_file() else Path("data")


@dataclass(frozen=True)
class Settings(TokenSettings):
    """How the embedded service is to run."""

    host: str = setting(
        "127.0.0.1",
        "Address to listen on. On any but a loopback address every request needs an API key.",
    )
    port: int = setting(8000, "Port to listen on; 0 takes a free one.", minimum=0, maximum=65535)
    data: Path = setting(  # noqa: RUF009
        default_data_folder(),
        "Folder of the database, the pictures and the model (default: `data` beside `./run`; where "
        "there is no `./run`, `data` in the working directory).",
    )
    public_url: str | None = setting(
        None, "How clients reach the service, if not by host and port: begins every signed URL."
    )
    cors_origins: tuple[str, ...] = setting(
        ("loopback",),
        "Origins whose pages may call the API and upload, comma-separated; "
        "loopback for any page of this machine, * for any at all.",
    )
    max_upload_bytes: int = setting(
        50_000_000, "Largest picture taken, in bytes.", minimum=1, maximum=2**31 - 1
    )
    max_pixels: int = setting(
        100_000_000, "Most pixels a picture may have to be labelled.", minimum=1
    )
    detector: str = setting(
        "onnx",
        "What labels pictures: onnx (on this machine), rekognition (Amazon's), or another by its "
        "entry point in labelling.detectors or as package.module:factory (docs/detectors.md).",
    )
    classifier: Path | None = setting(  # noqa: RUF009
        None,
        "TOML file that describes an ONNX classifier, for the detector onnx to run in place of "
        "the one that comes with the service (docs/detectors.md).",
    )
    faces: bool = setting(True, "Whether people are found by their faces: Person and Face.")
    workers: int = setting(
        os.cpu_count() or 1,
        "Pictures labelled at the same time (default: one per core).",
        minimum=1,
    )
    max_receives: int = setting(
        5, "How often labelling a picture is tried before it goes to the dead letters.", minimum=1
    )
    upload_hours: float = setting(
        24, "How long a blob awaits its bytes before it expires.", minimum=0, maximum=10_000
    )
    uploads_per_minute: int = setting(
        6000, "Uploads that an owner may ask for in a minute; 0 for any number.", minimum=0
    )
    open_uploads: int = setting(
        10_000, "Uploads of an owner that may await their bytes; 0 for any number.", minimum=0
    )
    webhook_timeout: float = setting(
        20,
        "Seconds a webhook may take in all, from name look-up to answer.",
        minimum=0.1,
        maximum=300,
    )
    private_callbacks: bool | None = setting(
        None,
        "Whether webhooks may go to this machine and private networks; "
        "auto: only while listening on a loopback address.",
    )
    http_callbacks: bool = http_setting()
    callback_ports: tuple[int, ...] = ports_setting()
    webhook_workers: int = setting(
        32,
        "Webhooks sent at the same time; at most a quarter of them, and 8, to one endpoint.",
        minimum=1,
        maximum=1000,
    )
    operation_timeout: float = setting(
        15,
        "Seconds a GraphQL operation may take before it is given up.",
        minimum=0.1,
        maximum=300,
    )
    max_cost: int = setting(
        30_000,
        "Most values that the answer to a GraphQL operation may have, by an estimate.",
        minimum=1,
    )
    introspection: bool = setting(True, "Whether clients may ask for the GraphQL schema.")
    field_suggestions: bool = setting(
        True, "Whether an error about an unknown name suggests a known one."
    )
    automatic_persisted_queries: bool = setting(
        True, "Whether clients may send the SHA-256 of a GraphQL document instead of its text."
    )
    allowed_documents: Path | None = setting(  # noqa: RUF009
        None,
        "JSON file of GraphQL documents by their SHA-256; when given, no other is executed.",
    )
    shutdown_seconds: float = setting(
        10, "How long to wait for work in hand when stopped.", minimum=0, maximum=3600
    )
    log_format: str = setting(
        "auto",
        "text for people, json for programs, auto: text on a terminal.",
        choices=("auto", "text", "json"),
    )
    log_level: str = setting(
        "info", "Least severity logged.", choices=("debug", "info", "warning", "error")
    )
