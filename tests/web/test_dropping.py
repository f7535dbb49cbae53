"""Files dropped on the gallery at once: each is labelled, or listed with what to do about it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Final

from tests.support.browser import WEB, drive, require_browser
from tests.support.images.photos import as_jpeg, photo
from tests.support.node import require_node
from tests.support.services.process import ServiceProcess
from tests.support.services.proxies import free_port
from tests.support.waiting import PATIENCE

MAX_BYTES: Final = 60_000
CAT: Final = as_jpeg(photo("chelsea.png"), (226, 150))
COFFEE: Final = as_jpeg(photo("coffee.png"), (300, 200))

# Name, type, content, number of files, reason, and whether the service has the file.
KINDS: Final[tuple[tuple[str, str, bytes, int, str | None, bool], ...]] = (
    ("cat {}.jpg", "image/jpeg", CAT, 150, None, True),
    ("coffee {}.jpg", "image/jpeg", COFFEE, 100, None, True),
    ("a JPEG {}.png", "image/png", CAT, 20, None, True),  # its extension is wrong
    ("damaged {}.jpg", "image/jpeg", CAT[:600], 10, "The file is damaged. Upload", True),
    ("text {}.jpg", "image/jpeg", b"no picture at all", 5, "This type of file can", True),
    ("large {}.jpg", "image/jpeg", CAT + bytes(MAX_BYTES), 5, "The file has ", False),
    ("notes {}.txt", "text/plain", b"notes", 5, "Unsupported file type. Save", False),
    ("empty {}.jpg", "image/jpeg", b"", 5, "The file is empty. Copy", False),
)


def corpus() -> dict[str, Any]:
    """Return 300 files, mixed, as tests/web/dropping.mjs takes them."""
    files = [
        (number / count, kind, number)
        for kind, (*_, count, _reason, _stored) in enumerate(KINDS)
        for number in range(count)
    ]
    return {
        "contents": [base64.b64encode(content).decode() for _, _, content, *_ in KINDS],
        "files": [
            {
                "name": KINDS[kind][0].format(number),
                "type": KINDS[kind][1],
                "content": kind,
                "reason": KINDS[kind][4],
                "stored": KINDS[kind][5],
            }
            for _, kind, number in sorted(files)
        ],
    }


def test_each_of_300_dropped_files_is_accounted_for(tmp_path: Path) -> None:
    """Labelled under its name, or in the list of what failed with its reason and a remedy."""
    require_browser()
    require_node(WEB / "node_modules" / "axe-core")
    files = corpus()
    assert len(files["files"]) == 300
    path = tmp_path / "corpus.json"
    path.write_text(json.dumps(files))
    port, limit = str(free_port()), str(MAX_BYTES)
    service = ServiceProcess(tmp_path / "data", "--port", port, "--max-upload-bytes", limit).start()
    try:
        with drive("dropping.mjs", service.url, str(path)) as browser:
            printed, complaints = browser.communicate(timeout=PATIENCE)
        assert browser.returncode == 0, printed + complaints
    finally:
        service.stop()
