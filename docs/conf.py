"""How docs/ becomes a site: scripts/docs builds it."""

project = "Image labelling"
author = "The Image labelling project"
copyright = "2026, " + author  # noqa: A001  # Sphinx's name
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
nitpicky = True  # a link that leads nowhere is an error

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
# Code and examples lie beside the pages in the repository, and are no pages themselves.
myst_url_schemes = ["http", "https", "mailto"]

html_theme = "furo"
html_title = project
html_static_path: list[str] = []
html_copy_source = False
html_show_sourcelink = False
