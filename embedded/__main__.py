"""`python -m embedded` is the `labelling` command."""

import sys

from embedded.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
