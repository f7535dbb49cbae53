"""The gallery, used in a real browser against the running service."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.support.browser import WEB, drive, require_browser
from tests.support.node import require_node
from tests.support.photos import as_jpeg, photo
from tests.support.process import ServiceProcess


def free_port() -> int:
    """Return a port that nobody listens on now, to start on it twice."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_people_can_use_the_gallery(tmp_path: Path) -> None:
    """Drop, see labels, search, delete, from a keyboard or another tab, service up or down."""
    require_browser()
    require_node(WEB / "node_modules" / "axe-core")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "coins.png"):
        (pictures / name).write_bytes(photo(name))
    (pictures / "no-picture.jpg").write_bytes(as_jpeg(photo("chelsea.png"))[:600])
    service = ServiceProcess(tmp_path / "data", "--port", str(free_port())).start()
    browser = drive("gallery.mjs", service.url, str(pictures))
    assert browser.stdin
    assert browser.stdout
    try:
        for line in browser.stdout:
            if line == "stop\n":
                service.stop()
            elif line == "start\n":
                service.start()
            else:
                continue
            browser.stdin.write("done\n")
            browser.stdin.flush()
        _, complaints = browser.communicate(timeout=30)
        assert browser.returncode == 0, complaints
    finally:
        browser.kill()
        service.stop()
