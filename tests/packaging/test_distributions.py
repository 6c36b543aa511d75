import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

import tb_rnn_plugin
from build_backend.bundle import Bundle

ROOT = Path(__file__).parents[2]
VERSION = tb_rnn_plugin.__version__
NAME = f"tb_rnn_plugin-{VERSION}"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree, with a bundle that stands in for the real one and is as fresh."""
    tree = tmp_path_factory.mktemp("tree") / "checkout"
    ignored = shutil.ignore_patterns(
        ".*", "node_modules", "static", "build", "dist", "*.egg-info", "__pycache__", "logs"
    )
    shutil.copytree(ROOT, tree, ignore=ignored)
    (tree / "tb_rnn_plugin/static").mkdir()
    (tree / "tb_rnn_plugin/static/index.js").write_text("export function render() {}\n")
    stamp = "from build_backend.hooks import _bundle as b; b().stamp.write_text(b().digest())"
    subprocess.run([sys.executable, "-c", stamp], cwd=tree, check=True)
    return tree


@pytest.fixture(scope="module")
def distributions(tree: Path) -> Path:
    """The sdist, and the wheel that is built from it. Neither needs Node or a network, for the bundle is fresh."""
    subprocess.run([sys.executable, "-m", "build", "--no-isolation", str(tree)], check=True, stdout=subprocess.DEVNULL)
    return tree / "dist"


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(distributions / f"{NAME}-py3-none-any.whl") as wheel:
        yield wheel


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"tb_rnn_plugin", f"{NAME}.dist-info"}


@pytest.mark.parametrize(
    "file", ["static/index.js", "http_api.md", "rnn_data.proto", "rnn_data_pb2.pyi", "py.typed", "capture/taps.py"]
)
def test_the_wheel_holds(wheel: zipfile.ZipFile, file: str) -> None:
    assert f"tb_rnn_plugin/{file}" in wheel.namelist()


def test_the_wheel_holds_every_module(wheel: zipfile.ZipFile) -> None:
    modules = {file.relative_to(ROOT).as_posix() for file in (ROOT / "tb_rnn_plugin").rglob("*.py")}
    assert modules <= set(wheel.namelist())


def test_the_wheel_announces_the_plugin(wheel: zipfile.ZipFile) -> None:
    entry_points = wheel.read(f"{NAME}.dist-info/entry_points.txt").decode()
    assert re.search(r"^\[tensorboard_plugins\]\s+rnn = tb_rnn_plugin\.\w+:TBLoader$", entry_points, re.MULTILINE)


def test_no_framework_is_required(wheel: zipfile.ZipFile) -> None:
    message = metadata.PathDistribution(zipfile.Path(wheel, f"{NAME}.dist-info/")).requires or []
    required = {re.split(r"[<>=]", line)[0] for line in message if "extra ==" not in line}
    assert required == {"google-crc32c", "numpy", "protobuf", "tensorboard", "werkzeug"}


def test_the_sdist_holds_the_bundle_and_what_it_was_built_from(distributions: Path) -> None:
    with tarfile.open(distributions / f"{NAME}.tar.gz") as sdist:
        names = {name.removeprefix(f"{NAME}/") for name in sdist.getnames()}
    assert {f"tb_rnn_plugin/static/{name}" for name in ("index.js", "source.sha256")} <= names
    assert {file.relative_to(ROOT).as_posix() for file in Bundle(ROOT).sources()} <= names
    assert {"setup.py", "build_backend/hooks.py", "LICENSE", "tests/packaging/test_distributions.py"} <= names
    assert not [name for name in names if "node_modules" in name or "__pycache__" in name]


def test_building_leaves_the_source_tree_as_it_was(distributions: Path, tree: Path) -> None:
    assert distributions.is_dir()
    assert not [name for name in ("build", "tb_rnn_plugin.egg-info") if (tree / name).exists()]


def test_the_installed_entry_point_loads() -> None:
    (entry_point,) = metadata.entry_points(group="tensorboard_plugins", name="rnn")
    loader = entry_point.load()
    assert callable(loader().load)
