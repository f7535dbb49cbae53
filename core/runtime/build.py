"""The version of this build (PEP 440), in one place: packages, `--version`, metrics and logs.

In the repository it is the next release's, with `.dev0`, or a release's own. The programs that
build a wheel or a zip write the version of the commit in its place: see `scripts/build_version.py`.
"""

from typing import Final

VERSION: Final = "0.2.0.dev0"
