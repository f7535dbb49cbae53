"""What the README says is so."""

from __future__ import annotations

import re

from graphql import build_schema, parse, validate

from embedded.cli.settings_options import settings_table
from tests.support.process import ROOT

README = (ROOT / "README.md").read_text()


def test_every_setting_is_in_the_readme() -> None:
    """The table is what `embedded.cli.settings_options.settings_table` makes of the settings."""
    kept = README.partition("<!-- settings: begin -->")[2].partition("<!-- settings: end -->")[0]
    assert kept.strip() == settings_table()


def test_every_operation_in_the_readme_is_valid() -> None:
    """Examples are asked of the schema that is served."""
    schema = build_schema((ROOT / "schema.graphql").read_text())
    operations = re.findall(r"```graphql\n(.*?)```", README, re.DOTALL)
    assert operations
    for operation in operations:
        assert validate(schema, parse(operation)) == []


def test_every_file_that_the_readme_links_to_is_there() -> None:
    """Relative links lead somewhere."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (ROOT / target).exists(), target
