"""The operator's page, used in a real browser against the running service."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from core.domain.api_key import hash_key
from core.domain.clock import utc_now
from core.domain.delivery import Attempt, Delivery, DeliveryState, Verdict
from core.repositories.ports.owners import ApiKey
from embedded.cli.main import main
from embedded.settings import Settings
from embedded.stores import open_stores
from tests.support.browser import WEB, drive, require_browser
from tests.support.node import require_node
from tests.support.services.process import ServiceProcess
from tests.support.services.proxies import free_port
from tests.support.waiting import PATIENCE


def prepare(data: Path, url: str) -> None:
    """Fill a data folder with what an operator repairs; the webhook goes to `url`."""
    stores = open_stores(Settings(data=data))
    now = utc_now()
    stores.owners.add_key(ApiKey(hash_key("lbl_of_anna"), "anna", "laptop", now))
    stores.upload_events.send_dead_letter("{ not an event")
    stores.delivery_queue.send_dead_letter('{"delivery_id": "msg_0_1"}')
    stores.deliveries.disable_endpoint("anna", "https://example.com/", now)
    delivery = Delivery("msg_1_1", "1", "anna", url, b"{}", now, now)
    stores.deliveries.add(delivery)
    claim = stores.deliveries.claim(delivery.id, now, timedelta(seconds=60))
    assert claim is not None
    attempt = Attempt(1, now, now, 500, "status")
    assert stores.deliveries.finish(claim, attempt, Verdict(DeliveryState.EXHAUSTED))
    stores.database.close()


def test_operator_can_see_and_repair(tmp_path: Path) -> None:
    """Every part of the page on real state; each change is confirmed and tells its outcome."""
    require_browser()
    require_node(WEB / "node_modules" / "axe-core")
    data = tmp_path / "data"
    prepare(data, "http://127.0.0.1:1/nobody-listens")
    detector = "tests.support.images.detectors:create"
    service = ServiceProcess(data, "--detector", detector, "--backup-to", str(tmp_path / "backups"))
    service.start()
    try:
        with drive("admin.mjs", service.url) as browser:
            printed, complaints = browser.communicate(timeout=PATIENCE)
        assert browser.returncode == 0, printed + complaints
    finally:
        service.stop()


def test_only_an_operator_may_see_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where keys are needed the page asks for one, refuses an owner's, and forgets at sign-out."""
    require_browser()
    keys = []
    (tmp_path / "data").mkdir()
    for options in (["--owner", "anna"], ["--owner", "ops", "--scope", "operator"]):
        main(["keys", "create", *options, "--data", str(tmp_path / "data")])
        keys.append(capsys.readouterr().out.strip())
    port = free_port()
    url = f"http://labels.test:{port}"  # the browser takes it for this machine
    flags = ("--port", str(port), "--public-url", url)
    detector = "tests.support.images.detectors:create"
    service = ServiceProcess(tmp_path / "data", *flags, "--detector", detector).start()
    try:
        with drive("admin_sign_in.mjs", url, *keys) as browser:
            printed, complaints = browser.communicate(timeout=PATIENCE)
        assert browser.returncode == 0, printed + complaints
    finally:
        service.stop()
