"""The search is loaded when it is first used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from core.domain.similar import SimilarKind
from embedded.similar.on_demand import SimilarOnDemand
from tests.support.images.embeddings import embedding
from tests.support.services.embedded_stores import EmbeddedStores


def test_first_search_makes_the_index(stores: EmbeddedStores) -> None:
    similar = SimilarOnDemand(stores.database)
    one, copy = (stores.labelled(embedding=embedding()) for _ in range(2))
    for _ in range(2):
        page = similar.find("anna", one.id, SimilarKind.DUPLICATE, first=5)
        assert page is not None
        assert [each.blob.id for each in page.items] == [copy.id]


@pytest.mark.slow
def test_service_starts_without_numpy() -> None:
    """It takes memory and time that a service without searches should not spend."""
    code = "import sys, embedded.service; print({'numpy', 'simsimd'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
