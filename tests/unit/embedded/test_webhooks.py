"""How the embedded service sends webhooks."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from core.domain.webhook_url import CallbackRules
from core.runtime.settings import BadSetting
from embedded.webhooks import tls_settings
from notifier.http.client import SendError, WebhookClient
from tests.support.waiting import PATIENCE
from tests.support.webhooks.certificates import Authority
from tests.support.webhooks.hostile import OK, HostileServer, answering


def test_webhooks_go_to_receivers_of_a_companys_authority(tmp_path: Path) -> None:
    """Where SSL_CERT_FILE names its certificate. The usual authorities are trusted besides."""
    authority = Authority(tmp_path)
    server = HostileServer(answering(OK, b"\r\n"), authority.server("127.0.0.1"))
    url = f"https://127.0.0.1:{server.port}/"
    rules = CallbackRules(private=True)
    try:
        trusting = tls_settings({"SSL_CERT_FILE": str(authority.path)})
        client = WebhookClient(deadline=PATIENCE, rules=rules, tls=trusting)
        assert client.post(url, {}, b"{}").status == 200
        usual = tls_settings({})
        with pytest.raises(SendError, match="CERTIFICATE_VERIFY_FAILED") as failed:
            WebhookClient(deadline=PATIENCE, rules=rules, tls=usual).post(url, {}, b"{}")
        assert failed.value.error == "tls"
    finally:
        server.close()
    assert len(trusting.get_ca_certs()) == len(usual.get_ca_certs()) + 1
    assert trusting.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_unreadable_file_of_certificates_is_an_error(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(BadSetting, match=r"SSL_CERT_FILE is .*: name a file in PEM"):
        tls_settings({"SSL_CERT_FILE": str(file)})
