"""How long a new container of each function takes to start, beside a bare GraphQL schema.

    python bench/cold_start.py [--rounds N]

Builds the artifacts for this machine, unzips them and runs each under Lambda's own runtime client:
`init` is from the start of the process to its asking for work, `first` the first invocation, with
all AWS calls answered by moto on loopback. The baseline is a handler that holds one
`strawberry.Schema` with one field and executes a query by `execute_sync`, with the api's own
dependencies, compiled likewise. Rounds alternate between the functions.
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

from tests.support.artifacts import Artifacts, imitated_cloud

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
GOALS = {"api": 1.2, "labeller": 0.8, "notifier": 0.8}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=15)
    rounds = options.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        artifacts = Artifacts(Path(folder))
        bare = artifacts.copy_of("api", "bare")
        (bare / "bare.py").write_text(BARE)
        compile_command = [artifacts.python, "-m", "compileall", "-q", str(bare / "bare.py")]
        subprocess.run([*compile_command, "--invalidation-mode", "unchecked-hash"], check=True)
        with imitated_cloud() as cloud:
            times: dict[str, list[tuple[float, float]]] = {}
            for number in range(rounds + 1):
                for name in ("bare", "api", "labeller", "notifier"):
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
                    if number:  # the first warms the disk
                        times.setdefault(name, []).append(measured)
    print(f"Python {artifacts.version}, {rounds} rounds, medians in ms")
    print(f"{'':10} {'init':>6} {'ratio':>6} {'goal':>6} {'first':>6} {'sum':>6} {'ratio':>6}")
    base = [statistics.median(column) for column in zip(*times["bare"], strict=True)]
    for name, found in times.items():
        init, first = (statistics.median(column) for column in zip(*found, strict=True))
        goal = f"{GOALS[name]:6.1f}" if name in GOALS else " " * 6
        print(
            f"{name:10} {init * 1000:6.0f} {init / base[0]:6.2f} {goal} {first * 1000:6.0f}"
            f" {(init + first) * 1000:6.0f} {(init + first) / sum(base):6.2f}"
        )


if __name__ == "__main__":
    main()
