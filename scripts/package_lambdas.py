#!/usr/bin/env python3
"""Build a zip for each Lambda: its handler, what that imports, and its locked dependencies.

The parameters of the deployment, if given, are checked first. The same sources and tools give the
same bytes. Exit status: 0 when all is well, 3 when the zips
hold no .pyc files because no Python of the wanted version was found (they work, but start slowly),
1 for anything else, a zip above its budget included.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROOT: Final = Path(__file__).resolve().parents[1]
# Bytes for aarch64, which is deployed. Native code of x86_64, which the tests run, is larger.
BUDGETS: Final = {"api": 12_200_000, "labeller": 35_000_000, "notifier": 5_000_000}
TRACES: Final = "traces"  # the set of packages that --traces adds
TRACES_BUDGET: Final = 2_500_000
DEPLOYED: Final = "aarch64"
TRUSTING: Final = "notifier"  # the function that has the authorities of --authority
AUTHORITY: Final = "authority.pem"  # in its zip, where notifier/lambda_handler.py finds it
STAGE: Final = "dev"  # the template's own, as the region is
REGION: Final = "eu-central-1"
SHARED: Final = "core"
SOURCE_ONLY: Final = "pyvips"  # what has no wheel; it is pure Python
OURS: Final = frozenset({*BUDGETS, SHARED, "embedded"})

# Lambda's folder of the code, so that tracebacks name files that are there.
TASK_ROOT: Final = "/var/task"
# The Amazon Linux of python3.12 and later has glibc 2.34.
GLIBCS: Final = ("manylinux_2_28", "manylinux2014")

NEVER_READ: Final = re.compile(
    r"""(^|/)tests?/          # a package's own tests
      | \.pyi$ | /py\.typed$  # for type checkers
      | \.(pyx|pxd|c|h)$      # for compilers
      | \.(md|rst)$
      | ^bin/
    """,
    re.VERBOSE,
)
# Parts of packages for frameworks, tools and services that no function has to do with. What would
# be missed shows in tests/aws/test_artifacts.py.
NEVER_LOADED: Final = re.compile(
    r"""^(
        aws_lambda_powertools/(?!(logging|metrics|shared|tracing|exceptions|warnings)/)[a-z_]+/
            (?!__init__\.py$|jmespath_utils/)
      | anyio/(_backends/_trio|pytest_plugin)\.py$
      | pydantic/(v1/|mypy\.py$)
      | strawberry/(aiohttp|chalice|channels|cli|codegen|codemods|django|ext|fastapi
            |flask|litestar|quart|sanic|schema_codegen)/
      | packaging/  # for a tracer of strawberry alone
      | dateutil/(zoneinfo/|rrule\.py$|tz/win\.py$)
      | (cffi|pycparser)/  # of cffi, the compiled backend alone is loaded
    )""",
    re.VERBOSE,
)
# Of a distribution's metadata: its version, its entry points, its licence.
METADATA_READ: Final = re.compile(
    r"\.dist-info/(METADATA$|entry_points\.txt$|licen[cs]es/|LICEN[CS]E|NOTICE|COPYING)",
    re.IGNORECASE,
)
COMPRESSION: Final = 7  # of zlib: 9 takes three times as long for 0.3% less
EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the first moment a zip can tell
PLAIN_FILE: Final = 0o100644


@dataclass(frozen=True, slots=True)
class Target:
    """What the zips are to run on."""

    python: str
    platform: str

    @property
    def tag(self) -> str:
        """The tag of the interpreter in wheels' names."""
        return "cp" + self.python.replace(".", "")

    @property
    def wheel_options(self) -> list[str]:
        """The options by which pip picks wheels for it."""
        options = [f"--platform={glibc}_{self.platform}" for glibc in GLIBCS]
        options += [f"--abi={abi}" for abi in (self.tag, "abi3", "none")]
        return [*options, f"--python-version={self.python}", "--implementation=cp"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the zips; return the exit status."""
    options = parse(arguments)
    if not deployable(options):
        return 1
    if options.check:
        return 0
    target = Target(options.python, options.platform)
    compiler = None if options.no_pyc else find_python(target.python)

    # Outside the threads: CPython 3.11 keeps the depth of ast.parse in state that threads share.
    found = {function: sources(function) for function in options.functions}

    def make(function: str) -> Path:
        sets = [function, *([TRACES] if options.traces else ())]
        wheels = merged(fetch(locked(each), target, options.wheels) for each in sets)
        authority = options.authority if function == TRUSTING else None
        return build(function, found[function], wheels, compiler, options.into, authority)

    options.into.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as threads:
        zips = list(threads.map(make, options.functions))

    status = 0
    for function, path in zip(options.functions, zips, strict=True):
        size = path.stat().st_size
        budget = BUDGETS[function] + (TRACES_BUDGET if options.traces else 0)
        print(f"{path}: {size / 1e6:.1f} MB of {budget / 1e6:g}")
        if size > budget and target.platform == DEPLOYED:
            print(f"{path} is above its budget", file=sys.stderr)
            status = 1
    if compiler is None and not options.no_pyc and status == 0:
        print(
            f"NO .pyc FILES: there is no Python {target.python} here to make them, so every cold "
            "start will take twice as long. Install it and build again, or say --no-pyc.",
            file=sys.stderr,
        )
        status = 3
    return status


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("functions", nargs="*", help="api, labeller, notifier; all by default")
    parser.add_argument("--python", default="3.13", help="its version on Lambda (3.13)")
    parser.add_argument(
        "--platform", default=DEPLOYED, choices=("aarch64", "x86_64"), help="(aarch64)"
    )
    parser.add_argument(
        "--into", type=Path, default=ROOT / "build", help="the zips' folder (build)"
    )
    parser.add_argument(
        "--wheels", type=Path, default=ROOT / "build" / "wheels", help="where downloads are kept"
    )
    checked = parser.add_argument_group("the deployment, as osls deploy gets it")
    checked.add_argument("--check", action="store_true", help="check it, and build nothing")
    checked.add_argument("--stage", help="(dev)")
    checked.add_argument("--region", help="(eu-central-1)")
    checked.add_argument("--param", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--traces", action="store_true", help="add OpenTelemetry's SDK, which otlpEndpoint needs"
    )
    parser.add_argument(
        "--authority",
        type=Path,
        metavar="FILE",
        help="certificates (PEM) of authorities that webhooks trust besides the public ones",
    )
    parser.add_argument("--no-pyc", action="store_true", help="leave .pyc files out")
    options = parser.parse_args(arguments)
    options.functions = options.functions or list(BUDGETS)
    for function in options.functions:
        if function not in BUDGETS:
            parser.error(f"there is no function {function}: choose of {', '.join(BUDGETS)}")
    if options.authority is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(options.authority)
        except OSError as exc:
            parser.error(f"--authority {options.authority}: {exc}: name a file of certificates")
    for given in options.param:
        if "=" not in given:
            parser.error(f"--param {given}: give a name and a value, as in --param logLevel=debug")
    return options


def deployable(options: argparse.Namespace) -> bool:
    """Check the deployment that the options describe, if they do; report what is wrong."""
    if not (options.check or options.stage or options.region or options.param):
        return True
    # What the functions import, which only this check needs.
    from scripts.parameters import problems  # noqa: PLC0415

    given = dict(each.split("=", 1) for each in options.param)
    found = list(problems(options.stage or STAGE, options.region or REGION, given))
    for problem in found:
        print(problem, file=sys.stderr)
    if not found:
        print("The stage, the region and the parameters are valid.")
    return not found


def build(
    function: str,
    files: Iterable[Path],
    wheels: Iterable[Path],
    compiler: str | None,
    into: Path,
    authority: Path | None = None,
) -> Path:
    """Build one function's zip of our `files`, its locked wheels and a file of authorities."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        for wheel in wheels:
            unpack(wheel, stage)
        for source in files:
            place = stage / source.relative_to(ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place)
        if authority is not None:
            shutil.copyfile(authority, stage / AUTHORITY)
        # A process of its own, because this program also runs where `scripts` is not a package.
        writer = [sys.executable, "-m", "scripts.build_version", "--into", str(stage)]
        subprocess.run(writer, cwd=ROOT, check=True)
        if compiler is not None:
            compile_all(compiler, stage)
            leave_out_sources(stage)
        return pack(stage, into / f"{function}.zip")


def locked(name: str) -> Path:
    """Return the lock file of a set of packages."""
    return ROOT / "requirements" / f"{name}.txt"


def merged(sets: Iterable[Iterable[Path]]) -> list[Path]:
    """Return the wheels of some sets, each once: one lock file constrains them all."""
    return list({wheel.name: wheel for wheels in sets for wheel in wheels}.values())


def fetch(requirements: Path, target: Target, cache: Path) -> list[Path]:
    """Return the wheels that a lock file names, downloaded unless they are kept already."""
    locked = requirements.read_text(encoding="utf-8")
    digest = hashlib.sha256(locked.encode()).hexdigest()[:12]
    kept = cache / f"{requirements.stem}-{target.tag}-{target.platform}-{digest}"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            command += ["--disable-pip-version-check", "--require-hashes", "--only-binary=:all:"]
            command += [f"--no-binary={SOURCE_ONLY}"]
            command += [*target.wheel_options, f"--requirement={requirements}"]
            found = Path(folder) / "wheels"
            if subprocess.run([*command, f"--dest={found}"], check=False).returncode != 0:
                raise SystemExit(f"The wheels of {requirements.name} could not be downloaded.")
            try:
                found.rename(kept)
            except OSError:
                if not kept.exists():  # else another run has put them there meanwhile
                    raise
    files = sorted([*kept.glob("*.whl"), *kept.glob("*.tar.gz")])
    for file in files:
        if f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}" not in locked:
            raise SystemExit(f"{file} is not what {requirements.name} locks: remove it.")
    return [file if file.suffix == ".whl" else as_wheel(file) for file in files]


def as_wheel(source: Path) -> Path:
    """Repack the source of a pure package as a wheel, without running its build."""
    name = source.name.removesuffix(".tar.gz")
    path = source.with_name("made") / f"{name}-py3-none-any.whl"
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
    package = name.partition("-")[0]
    with tarfile.open(source) as archive, zipfile.ZipFile(unfinished, "w") as wheel:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            inner = member.name.partition("/")[2]
            place = f"{name}.dist-info/METADATA" if inner == "PKG-INFO" else inner
            file = archive.extractfile(member) if member.isfile() else None
            if file and (inner == "PKG-INFO" or inner.startswith(f"{package}/")):
                wheel.writestr(zipfile.ZipInfo(place, EPOCH), file.read())
    return unfinished.replace(path)


def unpack(wheel: Path, stage: Path) -> None:
    """Lay out the files of a wheel that are read at run time."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            place = installed_name(name)
            if place is not None and is_read(place):
                path = stage / place
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))


def installed_name(name: str) -> str | None:
    """Return where a wheel's file is installed, or None if not among the modules."""
    if name.endswith("/"):
        return None
    first, *rest = PurePosixPath(name).parts
    if not first.endswith(".data"):
        return name
    return "/".join(rest[1:]) if rest[0] in {"purelib", "platlib"} else None


def is_read(name: str) -> bool:
    """Tell whether a program may read an installed file."""
    if ".dist-info/" in name:
        return METADATA_READ.search(name) is not None
    return NEVER_READ.search(name) is None and NEVER_LOADED.search(name) is None


def sources(function: str) -> list[Path]:
    """List our files that a function's handler imports, directly or not."""
    reached: set[Path] = set()
    waiting = [ROOT / function / "lambda_handler.py"]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        packages = [parent for parent in path.parents if ROOT in parent.parents]
        waiting += [package / "__init__.py" for package in packages]
        for module, names in imports(path):
            top = module.partition(".")[0]
            if top not in OURS:
                continue
            if top not in {function, SHARED}:
                raise SystemExit(f"{path.relative_to(ROOT)} imports {module}")
            found = file_of(module)
            if found is None:
                raise SystemExit(f"{path.relative_to(ROOT)} imports {module}, which is not there")
            inner = (file_of(f"{module}.{name}") for name in names)
            waiting += [found, *(file for file in inner if file is not None)]
    return sorted(reached)


def file_of(module: str) -> Path | None:
    """Return a module's file; None when there is no such module."""
    path = ROOT.joinpath(*module.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def imports(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the modules, and names in each, that a file imports at run time, wherever in it."""
    for node in running(ast.parse(path.read_bytes(), str(path)).body):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module, [alias.name for alias in node.names]


def running(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield nodes and all below them, except what only type checkers see."""
    for node in nodes:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from running(node.orelse)
        else:
            yield node
            yield from running(ast.iter_child_nodes(node))


def find_python(version: str) -> str | None:
    """Return an interpreter of this version, whose .pyc files another of it takes."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [sys.executable, shutil.which(f"python{version}")]
    candidates += [str(path / "bin" / "python") for path in pyenv.glob(f"{version}.*")]
    ask = "import sys; print('%d.%d %s' % (*sys.version_info[:2], sys.version_info.releaselevel))"
    for candidate in candidates:
        if candidate is None:
            continue
        answer = subprocess.run([candidate, "-c", ask], capture_output=True, text=True, check=False)
        if answer.stdout.strip() == f"{version} final":
            return candidate
    return None


def compile_all(python: str, stage: Path) -> None:
    """Put a .pyc beside every .py, the same bytes wherever it is done."""
    command = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(stage), "-p", TASK_ROOT, str(stage)]
    environ = {"PYTHONHASHSEED": "0", "PATH": os.environ.get("PATH", "")}
    subprocess.run(command, check=True, env=environ)


def leave_out_sources(stage: Path) -> None:
    """Put others' .pyc in the place of their .py, as Python loads them too (PEP 3147).

    What is lost are their lines of source in tracebacks; file names and line numbers stay.
    """
    for source in stage.rglob("*.py"):
        if source.relative_to(stage).parts[0] not in OURS:
            (compiled,) = source.parent.glob(f"__pycache__/{source.stem}.*.pyc")
            compiled.rename(source.with_suffix(".pyc"))
            source.unlink()


def pack(stage: Path, path: Path) -> Path:
    """Zip a folder: names sorted, times and modes fixed."""
    unfinished = path.with_suffix(".unfinished")
    names = sorted(
        file.relative_to(stage).as_posix() for file in stage.rglob("*") if file.is_file()
    )
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3
            entry.external_attr = PLAIN_FILE << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (stage / name).read_bytes(), compresslevel=COMPRESSION)
    return unfinished.replace(path)


if __name__ == "__main__":
    sys.exit(main())
