"""The gallery, used in a real browser against the running service."""

from __future__ import annotations

import io
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from core.domain.blob import ImageType
from embedded.cli.main import main
from scripts.gallery_site import write_site
from tests.support.browser import WEB, drive, require_browser
from tests.support.images.photos import as_jpeg, as_tiff, photo
from tests.support.images.pictures import encode, turned
from tests.support.node import require_node
from tests.support.services.process import ServiceProcess
from tests.support.services.proxies import free_port
from tests.support.waiting import PATIENCE


def test_people_can_use_the_gallery(tmp_path: Path) -> None:
    """Drop, see labels, search, delete, from a keyboard or another tab, service up or down."""
    require_browser()
    require_node(WEB / "node_modules" / "axe-core")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in (
        "chelsea.png",
        "coffee.png",
        "rocket.jpg",
        "motorcycle_left.png",
        "coins.png",
        "horse.png",
    ):
        (pictures / name).write_bytes(photo(name))
    (pictures / "small-cat.jpg").write_bytes(as_jpeg(photo("chelsea.png"), (226, 150)))
    (pictures / "no-picture.jpg").write_bytes(as_jpeg(photo("chelsea.png"))[:600])
    service = ServiceProcess(
        tmp_path / "data", "--port", str(free_port()), "--max-upload-bytes", "2000000"
    ).start()
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
        _, complaints = browser.communicate(timeout=PATIENCE)
        assert browser.returncode == 0, complaints
    finally:
        browser.kill()
        service.stop()


def test_people_can_correct_labels(tmp_path: Path) -> None:
    """Confirm, remove, add and undo, by mouse, keyboard and touch; the decisions are stored."""
    require_browser()
    require_node(WEB / "node_modules" / "axe-core")
    service = ServiceProcess(tmp_path / "data", "--port", str(free_port())).start()
    try:
        blob_id = service.upload(photo("chelsea.png"))
        blob = service.wait_for(blob_id, lambda each: each["status"] == "LABELLED")
        names = [each["name"] for each in blob["labels"]]
        other = next(name for name in names if name != "Cat")
        with drive("corrections.mjs", service.url, other) as browser:
            _, complaints = browser.communicate(timeout=PATIENCE)
        assert browser.returncode == 0, complaints
        shown = [each["name"] for each in service.blob(blob_id)["labels"]]
        assert sorted(shown) == sorted({*names, "Tom"} - {other})
    finally:
        service.stop()


def standing_heic(picture: bytes) -> bytes:
    """Return a HEIC of 384 by 512 pixels as displayed, which is stored lying."""
    shown = Image.open(io.BytesIO(picture)).convert("RGB").crop((64, 0, 448, 512))
    lying = shown.transpose(Image.Transpose.ROTATE_90)
    return encode(lying, ImageType.HEIC, exif=turned(6))


def test_people_can_look_at_pictures(tmp_path: Path) -> None:
    """Boxes, zoom, full screen, download, name and swipes; and files that browsers do not show."""
    require_browser()
    require_node(WEB / "node_modules" / "axe-core")
    service = ServiceProcess(tmp_path / "data", "--port", str(free_port())).start()
    try:
        damaged = service.upload(as_jpeg(photo("chelsea.png"))[:600], "JPEG")
        service.wait_for(damaged, lambda each: each["status"] == "FAILED")
        heic = service.upload(standing_heic(photo("astronaut.png")), "HEIC")
        service.wait_for(heic, lambda each: each["status"] == "LABELLED")
        person = service.upload(photo("astronaut.png"))
        service.wait_for(person, lambda each: each["status"] == "LABELLED")
        tiff = service.upload(as_tiff(photo("chelsea.png")), "TIFF")
        service.wait_for(tiff, lambda each: each["status"] == "LABELLED")
        with drive("viewer.mjs", service.url, person, tiff, heic, damaged) as browser:
            printed, complaints = browser.communicate(timeout=PATIENCE)
        assert browser.returncode == 0, printed + complaints
    finally:
        service.stop()


def test_people_can_find_and_select_pictures(tmp_path: Path) -> None:
    """Filters, orders, dates, the overview of labels; selection by mouse, keyboard and touch."""
    require_browser()
    require_node(WEB / "node_modules" / "axe-core")
    service = ServiceProcess(tmp_path / "data", "--port", str(free_port())).start()
    try:
        for name in ("chelsea.png", "coffee.png", "astronaut.png", "rocket.jpg"):
            blob_id = service.upload(photo(name), "JPEG" if name.endswith("jpg") else "PNG")
            service.wait_for(blob_id, lambda each: each["status"] == "LABELLED")
        damaged = service.upload(as_jpeg(photo("chelsea.png"))[:600], "JPEG")
        service.wait_for(damaged, lambda each: each["status"] == "FAILED")
        new = tmp_path / "new.png"
        new.write_bytes(photo("motorcycle_left.png"))
        with drive("finding.mjs", service.url, str(new)) as browser:
            printed, complaints = browser.communicate(timeout=PATIENCE)
        assert browser.returncode == 0, printed + complaints
    finally:
        service.stop()


def test_the_gallery_works_from_a_host_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As static files that contain the address of the API, with a key that the tab keeps."""
    require_browser()
    data, cat, site = tmp_path / "data", tmp_path / "cat.png", tmp_path / "site"
    cat.write_bytes(photo("chelsea.png"))
    data.mkdir()
    main(["keys", "create", "--owner", "anna", "--data", str(data)])
    main(["keys", "create", "--owner", "anna", "--scope", "upload", "--data", str(data)])
    keys = capsys.readouterr().out.split()
    port = free_port()
    api = f"http://labels.test:{port}"  # the browser takes it for this machine
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        page = f"http://127.0.0.1:{host.server_port}"
        threading.Thread(target=host.serve_forever, daemon=True).start()
        write_site(site, f"{api}/graphql", stores=[api])
        service = ServiceProcess(
            data, "--port", str(port), "--public-url", api, "--cors-origins", page
        ).start()
        try:
            browser = drive("elsewhere.mjs", page, api, str(cat), *keys)
            printed, complaints = browser.communicate(timeout=PATIENCE)
        finally:
            service.stop()
            host.shutdown()
    assert browser.returncode == 0, printed + complaints


def test_pages_share_a_session(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sign in, reload, GraphiQL, two tabs, sign out; no script ever finds the key."""
    require_browser()
    data, cat = tmp_path / "data", tmp_path / "cat.png"
    cat.write_bytes(photo("chelsea.png"))
    data.mkdir()
    main(["keys", "create", "--owner", "anna", "--data", str(data)])
    main(["keys", "create", "--owner", "ops", "--scope", "operator", "--data", str(data)])
    keys = capsys.readouterr().out.split()
    port = free_port()
    url = f"http://labels.test:{port}"  # the browser takes it for this machine
    service = ServiceProcess(data, "--port", str(port), "--public-url", url).start()
    try:
        with drive("session.mjs", url, str(cat), *keys) as browser:
            printed, complaints = browser.communicate(timeout=PATIENCE)
        assert browser.returncode == 0, printed + complaints
    finally:
        service.stop()
