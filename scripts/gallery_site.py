"""Write the gallery as static files: `python -m scripts.gallery_site OUT --api URL`.

The embedded service serves the gallery itself. For the API on AWS, put these files on any web host;
they contain the address of the API.
"""

from __future__ import annotations

import argparse
import html
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

BUILT: Final = Path(__file__).parents[1] / "embedded" / "web" / "gallery"


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="a folder, which must not exist yet")
    parser.add_argument("--api", required=True, help="URL of the GraphQL endpoint")
    parser.add_argument("--live", help="URL of the WebSocket API, if it differs")
    parser.add_argument(
        "--store",
        action="append",
        default=[],
        help="origin of signed URLs, as https://BUCKET.s3...",
    )
    options = parser.parse_args()
    write_site(options.out, options.api, options.live, options.store)
    print(f"The gallery is in {options.out}: put it on any web host.")


def write_site(out: Path, api: str, live: str | None = None, stores: Sequence[str] = ()) -> None:
    """Write the gallery's files with these addresses in them."""
    shutil.copytree(BUILT, out)
    page = out / "index.html"
    page.write_text(placed(page.read_text(), api, live or api.replace("http", "ws", 1), stores))


def placed(page: str, api: str, live: str, stores: Sequence[str]) -> str:
    """Return the page with these addresses, and a content security policy that allows no others."""
    origins = " ".join(["'self'", *(_origin(url) for url in (api, live, *stores))])
    pictures = " ".join(["'self'", "blob:", *(_origin(url) for url in (api, *stores))])
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; "
        f"form-action 'none'; img-src {pictures}; connect-src {origins}; "
        "require-trusted-types-for 'script'"
    )
    tags = [
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}" />',
        f'<meta name="labelling-api" content="{html.escape(api)}" />',
        f'<meta name="labelling-live" content="{html.escape(live)}" />',
    ]
    return page.replace("<head>", "\n    ".join(["<head>", *tags]), 1)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


if __name__ == "__main__":
    main()
