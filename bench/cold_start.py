"""How long a new container of each function takes to start, compared with a bare GraphQL schema.

    python bench/cold_start.py [--rounds N] [--smoke]

Builds the zips for this machine, unpacks them and runs each under Lambda's own runtime client.
`init` is the time from the start of the process to its first request for work. `first` is the first
invocation; moto on loopback answers its AWS calls. The baseline is a handler with one
`strawberry.Schema` of one field, which executes a query by `execute_sync`; it has the dependencies
of the function api, compiled in the same way. The functions take turns.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

from tests.support.aws.artifacts import FUNCTIONS, Artifacts, imitated_cloud

BARE = """
import strawberry


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "world"


schema = strawberry.Schema(Query)


def handler(event, context):
    return schema.execute_sync("{ hello }").data
"""
GOALS = {"api": 1.2, "labeller": 0.8, "notifier": 0.8}  # of init
SUM_GOALS = {"api": 1.6, "labeller": 1.2, "notifier": 1.2}  # of init and first invocation


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--smoke", action="store_true", help="a run of seconds, to test the code")
    given = options.parse_args()
    rounds, warm_up = (1, 0) if given.smoke else (given.rounds, 1)
    functions = ("api",) if given.smoke else FUNCTIONS
    with tempfile.TemporaryDirectory() as folder:
        artifacts = Artifacts(Path(folder), functions)
        artifacts.build()
        bare = artifacts.copy_of("api", "bare")
        (bare / "bare.py").write_text(BARE)
        compile_command = [artifacts.python, "-m", "compileall", "-q", str(bare / "bare.py")]
        subprocess.run([*compile_command, "--invalidation-mode", "unchecked-hash"], check=True)
        with imitated_cloud() as cloud:
            times: dict[str, list[tuple[float, float]]] = {}
            for number in range(warm_up + rounds):
                for name in ("bare", *functions):
                    measured = (
                        artifacts.measure("bare.handler", bare, {}, {})
                        if name == "bare"
                        else artifacts.measure(
                            f"{name}.lambda_handler.handler",
                            artifacts.folder(name),
                            cloud.environ(name),
                            cloud.first_event(name),
                        )
                    )
                    if number >= warm_up:  # the first round fills the disk's cache
                        times.setdefault(name, []).append(measured)
    print(f"Python {artifacts.version}, {rounds} rounds, medians in ms")
    print(
        f"{'':10} {'init':>6} {'ratio':>6} {'goal':>6} {'first':>6}"
        f" {'sum':>6} {'ratio':>6} {'goal':>6}"
    )
    base = [statistics.median(column) for column in zip(*times["bare"], strict=True)]
    for name, found in times.items():
        init, first = (statistics.median(column) for column in zip(*found, strict=True))
        goal, sum_goal = (
            f"{goals[name]:6.1f}" if name in goals else " " * 6 for goals in (GOALS, SUM_GOALS)
        )
        print(
            f"{name:10} {init * 1000:6.0f} {init / base[0]:6.2f} {goal} {first * 1000:6.0f}"
            f" {(init + first) * 1000:6.0f} {(init + first) / sum(base):6.2f} {sum_goal}"
        )


if __name__ == "__main__":
    main()
