"""The schema of the SQLite database, as numbered steps: NNNN.sql makes version NNNN."""

from pathlib import Path
from typing import Final

MIGRATIONS: Final = Path(__file__).parent
