"""Every benchmark runs: in its smoke mode, which takes seconds and prints its table."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.browser import require_browser
from tests.support.node import require_node

ROOT: Final = Path(__file__).parents[2]
BENCH: Final = ROOT / "bench"
AWS: Final = ROOT / "tests" / "aws"
# What a run prints at the least: the ratio to its baseline, or what it is there for.
PRINTED: Final = {
    "backup": r"^0 problems\ncheck +\d+\.\d s +\d+\.\d\d$",
    "cold_start": r"^api +\d+ +\d+\.\d\d +1\.2 ",
    "corrections": r"^labelled again +50 times: \d+ decisions held$",
    "policy": r"^all +200 of 200 changed, .* counted in",
    "cost": r"^DynamoDB write unit +32\.0+ ",  # with two labels, by hand: docs/deploy.md
    "fuzz_decoding": r"^  0 findings$",
    "gallery": r"^24 pictures: .* frames p50 \d+\.\d ms",
    "faults": r"^kill: 2 rounds, .* upload\n.*: 0 problems, 0 repaired\.\n  0 promises broken$",
    "graphql": r"^  apollo .* service's CPU: \d+\.\d\d of it$",
    "lists": r"^Cat +CONFIDENCE +\d+\.\d+ +\d+\.\d+ +\d+\.\d\d$",
    "labelling": r"^  classifier .* \d+\.\d\d of bare (?:.*\n)+\| JPEG .* MB \|$",
    "one_endpoint": r"^  1 +20 +0 +8$",
    "pipeline": r"^  service, PUT to LABELLED +\d+\.\d /s +\d+\.\d\d of baseline",
    "similar": r"^SIMILAR +\d+\.\d\d of the baseline.s CPU time, \d+\.\d% of the pages alike$",
    "soak": r"^service memory, MB +\d+\.\d ",
    "torture": r"^0 bounds broken$",
    "webhooks": r"^service +\d+ /s +\d\.\d\d$",
}

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="benchmarks read /proc and choose their cores"
)


def require(program: str) -> None:
    """Skip the test, with the reason, where a benchmark's Node packages are absent; fail in CI."""
    match program:
        case "cost":
            require_node(AWS / "node_modules" / "osls")
        case "gallery":
            require_browser()
            require_node(BENCH / "gallery" / "node_modules" / "lighthouse")
        case "graphql":
            require_node(BENCH / "graphql" / "node_modules" / "graphql-yoga")


def test_every_benchmark_is_listed() -> None:
    assert {path.stem for path in BENCH.glob("*.py")} == PRINTED.keys()


@pytest.mark.parametrize("program", PRINTED)
def test_smoke_mode_prints_the_figures(program: str) -> None:
    require(program)
    ended = subprocess.run(
        [sys.executable, str(BENCH / f"{program}.py"), "--smoke"],
        capture_output=True,
        text=True,
        timeout=600,  # a bound for a hanging run, far above what a loaded machine needs
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(PRINTED[program], ended.stdout, re.MULTILINE), ended.stdout
