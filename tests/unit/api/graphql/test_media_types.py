"""Errors about a media type in place of an image type."""

from __future__ import annotations

import pytest

from core.domain.blob import ImageType
from tests.support.graphql_client import GraphQL

CREATE = "mutation ($input: CreateUploadInput!) { createUpload(input: $input) { __typename } }"


@pytest.mark.parametrize("kind", ImageType)
def test_media_type_in_a_variable_or_literal_is_rejected_with_the_image_type(
    anna: GraphQL, kind: ImageType
) -> None:
    hint = f"Did you mean the enum value '{kind.name}'?"
    literal = CREATE.replace("($input: CreateUploadInput!)", "").replace(
        "$input", f'{{contentType: "{kind.value}"}}'
    )
    by_variable = anna.error(CREATE, input={"contentType": kind.value})
    assert by_variable["message"].endswith(f"enum. {hint}")
    for _ in range(2):  # the second error is that of the cached document
        assert anna.error(literal)["message"].endswith(f'". {hint}')


def test_other_value_gets_no_suggestion_of_ours(anna: GraphQL) -> None:
    error = anna.error(CREATE, input={"contentType": "image/svg+xml"})
    assert error["message"].endswith("does not exist in 'ImageType' enum.")
