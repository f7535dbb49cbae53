"""The real model, built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from labeller.detectors.efficientnet_lite import MODEL_NAME, build_model


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / MODEL_NAME
    build_model(path)
    return path
