"""The stub of Rekognition."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.aws.rekognition_stub import Rekognition


@pytest.fixture
def rekognition() -> Iterator[Rekognition]:
    rekognition = Rekognition()
    with rekognition.stub:
        yield rekognition
    rekognition.stub.assert_no_pending_responses()
