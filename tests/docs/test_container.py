"""What can be known of the container without a container runtime.

Its environment is tried in tests/integration/test_wheel.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_context_has_every_file_that_the_build_copies() -> None:
    """What .dockerignore admits is enough for scripts/wheel.py."""
    admitted = re.findall(r"^!([\w.]+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    script = (ROOT / "scripts" / "wheel.py").read_text()
    for group in ("PACKAGES", "FILES"):
        (names,) = re.findall(rf"^{group}: Final = \((.*)\)$", script, re.MULTILINE)
        assert set(re.findall(r'"([\w.]+)"', names)) <= set(admitted)
    assert all((ROOT / each).exists() for each in admitted)


@pytest.mark.parametrize("text", [DOCKERFILE, (ROOT / "compose.yaml").read_text()])
def test_variables_are_settings(text: str) -> None:
    named = set(re.findall(rf"{PREFIX}(\w+)", text))
    assert named
    assert {each.lower() for each in named} <= set(Settings.__dataclass_fields__)


def test_container_runs_without_root_and_writes_to_its_volume_alone() -> None:
    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)
    service = COMPOSE["services"]["labelling"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["volumes"] == ["labels:/data"]


def test_proxy_is_trusted() -> None:
    """So limits hold per client, not for Caddy as one client."""
    (network,) = COMPOSE["networks"]["inner"]["ipam"]["config"]
    trusted = COMPOSE["services"]["labelling"]["environment"]["LABELLING_TRUSTED_PROXIES"]
    assert trusted == network["subnet"]
