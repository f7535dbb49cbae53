"""The Lambdas' zips: the same bytes every time, and nothing in them that isn't read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

import notifier.lambda_handler
from tests.aws.conftest import FUNCTIONS, ROOT
from tests.support.aws.artifacts import packager
from tests.support.shared import made_once
from tests.support.webhooks.certificates import Authority

SCRIPT: Final = ROOT / "scripts" / "package_lambdas.py"
EMBEDDED_ONLY: Final = re.compile(
    r"""^embedded/ | sqlite | ^core/storage/(files|signed_url)\.py
      | ^labeller/detectors/(onnx(_file|_session)?|classifier(_file)?|efficientnet_lite|ssdlite
        |torch_checkpoint|frozen_graph|bodies|boxes|faces|people|calibration|taxonomy
        |scenes|embedding)\.py | \.(tsv|npz)$
    """,
    re.VERBOSE,
)


script = packager()
COMPILER: Final = script.find_python("3.13")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no Python 3.13 to make .pyc files")


def run_script(into: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    into.mkdir(parents=True, exist_ok=True)
    temporary = into / "temporary"
    temporary.mkdir()
    return subprocess.run(
        [sys.executable, SCRIPT, f"--into={into}", *options],
        cwd=into,
        env={**os.environ, "TMPDIR": str(temporary), **environ},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two folders of zips, built at the same time in different circumstances, for all workers."""
    for function in FUNCTIONS:  # downloads once, unless the wheels are kept already
        try:
            target = script.Target("3.13", "aarch64")
            requirements = ROOT / "requirements" / f"{function}.txt"
            script.fetch(requirements, target, ROOT / "build" / "wheels")
        except SystemExit as missing:
            if os.environ.get("CI"):
                pytest.fail(str(missing))
            pytest.skip(str(missing))

    def build(folder: Path) -> None:
        build_twice(*folders_in(folder))

    return folders_in(made_once(tmp_path_factory, "zips", build))


def folders_in(folder: Path) -> list[Path]:
    return [folder / "one", folder / "other" / "deeper" / "than the first"]


def build_twice(one: Path, other: Path) -> None:
    with ThreadPoolExecutor() as threads:
        first = threads.submit(run_script, one, PYTHONHASHSEED="1")
        second = threads.submit(run_script, other, PYTHONHASHSEED="2", TZ="Asia/Tokyo")
    for build in (first.result(), second.result()):
        assert build.returncode == (3 if COMPILER is None else 0), build.stdout + build.stderr


@pytest.fixture(params=FUNCTIONS)
def function(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def archive(builds: list[Path], function: str) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(builds[0] / f"{function}.zip") as archive:
        yield archive


def locked(function: str) -> dict[str, str]:
    """What the lock file names, with versions."""
    text = (ROOT / "requirements" / f"{function}.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_two_builds_are_byte_for_byte_the_same(builds: list[Path], function: str) -> None:
    one, other = ((folder / f"{function}.zip").read_bytes() for folder in builds)

    assert one == other


def test_a_zip_holds_what_its_lock_file_names(archive: zipfile.ZipFile, function: str) -> None:
    held = {
        normal(found[1]): found[2]
        for name in archive.namelist()
        if (found := re.fullmatch(r"([^/]+)-([^-/]+)\.dist-info/METADATA", name))
    }

    assert held == {normal(name): version for name, version in locked(function).items()}


def test_a_zip_holds_nothing_foreign(archive: zipfile.ZipFile, function: str) -> None:
    """Every file is our own or of a locked wheel, or was compiled from one."""
    target = script.Target("3.13", "aarch64")
    requirements = ROOT / "requirements" / f"{function}.txt"
    known = {path.relative_to(ROOT).as_posix() for path in script.sources(function)}
    for wheel in script.fetch(requirements, target, ROOT / "build" / "wheels"):
        with zipfile.ZipFile(wheel) as packed:
            known |= {place for name in packed.namelist() if (place := script.installed_name(name))}
    plain = {name for name in archive.namelist() if not name.endswith(".pyc")}

    assert plain <= known
    assert {name.partition("/")[0] for name in plain} & script.OURS == {function, "core"}


def test_a_zip_holds_nothing_that_is_never_read(archive: zipfile.ZipFile) -> None:
    names = archive.namelist()

    assert [
        name for name in names if EMBEDDED_ONLY.search(name) and "/__pycache__/" not in name
    ] == []
    assert [name for name in names if re.search(r"\.pyi$|/tests?/|py\.typed$|/RECORD$", name)] == []
    assert [name for name in names if re.match(r"(boto3|botocore|numpy|onnx|pip)\b", name)] == []


def test_a_zip_holds_every_handler(archive: zipfile.ZipFile, function: str) -> None:
    handler = f"{function}/lambda_handler.py"

    assert archive.read(handler) == (ROOT / handler).read_bytes()


@needs_compiler
def test_every_module_is_compiled(archive: zipfile.ZipFile) -> None:
    """Ours beside their sources, others' in place of them."""
    names = set(archive.namelist())
    sources = {name for name in names if name.endswith(".py")}
    assert {name.partition("/")[0] for name in sources} <= script.OURS
    ours = set()
    for name in sources:
        folder, _, file = name.rpartition("/")
        ours.add(f"{folder}/__pycache__/{file[:-3]}.cpython-313.pyc")
    compiled = {name for name in names if name.endswith(".pyc")}
    assert ours <= compiled
    assert not any("__pycache__" in name for name in compiled - ours)
    for name in compiled:
        # PEP 552: the flags say that the source is not checked.
        assert archive.read(name)[4:8] == b"\x01\x00\x00\x00"


@needs_compiler
def test_compiled_files_name_files_of_lambda(archive: zipfile.ZipFile, builds: list[Path]) -> None:
    for name in archive.namelist():
        if name.endswith(".pyc"):
            content = archive.read(name)
            assert not any(os.fsencode(folder) in content for folder in builds), name
    sample = archive.read("core/domain/__pycache__/errors.cpython-313.pyc")
    assert b"/var/task/core/domain/errors.py" in sample


def test_a_zip_is_readable_by_lambda(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()

    assert [entry.filename for entry in entries] == sorted(archive.namelist())
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}


def test_native_code_is_of_lambdas_processor(archive: zipfile.ZipFile) -> None:
    aarch64 = 183
    for name in archive.namelist():
        if re.search(r"\.so(\.|$)", name):
            header = archive.read(name)[:20]
            assert header[:4] == b"\x7fELF", name
            assert int.from_bytes(header[18:20], "little") == aarch64, name


def test_a_zip_keeps_its_budget(builds: list[Path], function: str) -> None:
    assert (builds[0] / f"{function}.zip").stat().st_size <= script.BUDGETS[function]


@pytest.mark.usefixtures("builds")
def test_a_zip_above_its_budget_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(script.BUDGETS, "notifier", 1000)

    assert script.main(["notifier", "--no-pyc", f"--into={tmp_path}"]) == 1
    assert "above its budget" in capsys.readouterr().err


@pytest.mark.usefixtures("builds")
def test_missing_pyc_files_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "find_python", lambda _: None)

    assert script.main(["notifier", f"--into={tmp_path}"]) == 3
    assert "NO .pyc FILES" in capsys.readouterr().err
    with zipfile.ZipFile(tmp_path / "notifier.zip") as archive:
        assert not any(name.endswith(".pyc") for name in archive.namelist())


def test_a_wheel_that_is_not_the_locked_one_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "one.txt"
    lock.write_text("one==1 --hash=sha256:00\n")
    target = script.Target("3.13", "aarch64")
    digest = script.hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    kept = tmp_path / f"one-cp313-aarch64-{digest}"
    kept.mkdir()
    (kept / "one-1-py3-none-any.whl").write_bytes(b"another")

    with pytest.raises(SystemExit, match=r"is not what one\.txt locks"):
        script.fetch(lock, target, tmp_path)


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project of the same form."""
    for path, content in {
        "api/__init__.py": "",
        "api/lambda_handler.py": "import os\nimport core.store.far\nfrom api import near\n",
        "api/near.py": (
            "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    import api.types_only\nelse:\n    import api.otherwise\n"
        ),
        "api/types_only.py": "",
        "api/otherwise.py": "",
        "api/unused.py": "",
        "core/__init__.py": "",
        "core/store/__init__.py": "",
        "core/store/far.py": "def f():\n    from core.lazy import thing\n",
        "core/lazy.py": "thing = 1\n",
        "core/backends/sqlite.py": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    monkeypatch.setattr(script, "ROOT", tmp_path)
    return tmp_path


def test_only_what_the_handler_imports_is_taken(stores: Path) -> None:
    taken = {path.relative_to(stores).as_posix() for path in script.sources("api")}

    assert taken == {
        "api/__init__.py",
        "api/lambda_handler.py",
        "api/near.py",
        "api/otherwise.py",
        "core/__init__.py",
        "core/lazy.py",
        "core/store/__init__.py",
        "core/store/far.py",
    }


def test_one_function_takes_nothing_of_another(stores: Path) -> None:
    (stores / "labeller").mkdir()
    (stores / "api" / "near.py").write_text("from labeller import image\n")

    with pytest.raises(SystemExit, match=r"api/near\.py imports labeller"):
        script.sources("api")


def test_an_import_of_nothing_is_refused(stores: Path) -> None:
    (stores / "api" / "near.py").write_text("from core.stores import far\n")

    with pytest.raises(SystemExit, match=r"imports core\.stores, which is not there"):
        script.sources("api")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("pkg/module.py", "pkg/module.py"),
        ("pkg/", None),
        ("pkg-1.data/purelib/pkg/more.py", "pkg/more.py"),
        ("pkg-1.data/platlib/pkg/native.so", "pkg/native.so"),
        ("pkg-1.data/scripts/tool", None),
        ("pkg-1.dist-info/RECORD", "pkg-1.dist-info/RECORD"),
    ],
)
def test_a_wheels_files_are_laid_out_as_pip_does(name: str, place: str | None) -> None:
    assert script.installed_name(name) == place


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("pkg/module.py", True),
        ("pkg/native.so", True),
        ("pkg/cacert.pem", True),
        ("pkg/testing.py", True),
        ("pkg/tests/test_a.py", False),
        ("pkg/module.pyi", False),
        ("pkg/py.typed", False),
        ("pkg-1.dist-info/METADATA", True),
        ("pkg-1.dist-info/entry_points.txt", True),
        ("pkg-1.dist-info/licenses/LICENSE", True),
        ("pkg-1.dist-info/RECORD", False),
        ("pkg-1.dist-info/WHEEL", False),
    ],
)
def test_what_is_never_read_is_left_out(name: str, read: bool) -> None:
    assert script.is_read(name) is read


def test_authority_of_the_operator_is_in_the_notifiers_zip(tmp_path: Path) -> None:
    """The notifier finds it beside its package, and trusts it besides the usual ones."""
    authority = Authority(tmp_path)
    given = script.parse(["notifier", "--authority", str(authority.path)])
    built = script.build(
        "notifier", script.sources("notifier"), [], None, tmp_path, given.authority
    )
    with zipfile.ZipFile(built) as archive:
        assert archive.read(script.AUTHORITY) == authority.path.read_bytes()
    place = notifier.lambda_handler.AUTHORITY
    assert place == Path(notifier.__file__).parents[1] / script.AUTHORITY
    usual = notifier.lambda_handler.tls_settings(tmp_path / "absent")
    trusting = notifier.lambda_handler.tls_settings(authority.path)
    assert len(trusting.get_ca_certs()) == len(usual.get_ca_certs()) + 1


def test_authority_that_is_no_certificate_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key.pem").write_text("no certificate")
    with pytest.raises(SystemExit):
        script.parse(["--authority", str(tmp_path / "key.pem")])
    assert "name a file of certificates" in capsys.readouterr().err
