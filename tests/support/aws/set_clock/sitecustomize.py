"""Sets the clock of a Python program that has this folder in PYTHONPATH.

`time.time()` returns the seconds in the file that SET_CLOCK names, and the machine's time while the
file is empty.
"""

import os
import time
from pathlib import Path

machine_time = time.time
file = Path(os.environ["SET_CLOCK"])


def set_time() -> float:
    text = file.read_text()
    return float(text) if text else machine_time()


time.time = set_time
