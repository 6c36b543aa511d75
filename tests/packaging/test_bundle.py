import shutil
from pathlib import Path

import pytest

from build_backend import hooks, node
from build_backend.bundle import Bundle, BundleError

SOURCES = {
    "package.json": '{"scripts": {"build": "vite build"}}',
    "package-lock.json": '{"packages": {"": {}, "node_modules/vite": {"version": "8.3.8"}}}',
    "tsconfig.json": "{}",
    "vite.config.ts": "export default {}",
    "src/main.tsx": "export const answer = 42;",
    "src/views/heatmap.tsx": "export {};",
}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A source tree whose bundle is fresh."""
    bundle = Bundle(tmp_path)
    for path, content in SOURCES.items():
        write(bundle.frontend / path, content)
    write(bundle.entry, "export {};")
    bundle.stamp.write_text(bundle.digest() + "\n")
    return bundle


def write(file: Path, content: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def test_a_fresh_bundle_is_not_stale(bundle: Bundle) -> None:
    assert not bundle.is_stale()


@pytest.mark.parametrize("path", [*SOURCES, "src/new.ts", "src/views/style.css", "public/icon.svg"])
def test_a_changed_or_new_source_makes_it_stale(bundle: Bundle, path: str) -> None:
    write(bundle.frontend / path, "other")
    assert bundle.is_stale()


def test_a_removed_source_makes_it_stale(bundle: Bundle) -> None:
    (bundle.frontend / "src/views/heatmap.tsx").unlink()
    assert bundle.is_stale()


def test_a_moved_source_makes_it_stale(bundle: Bundle) -> None:
    (bundle.frontend / "src/views/heatmap.tsx").rename(bundle.frontend / "src/heatmap.tsx")
    assert bundle.is_stale()


@pytest.mark.parametrize(
    "path",
    [
        "node_modules/vite/index.js",
        "src/views/heatmap.test.tsx",
        "src/__tests__/helper.ts",
        "src/test/setup.ts",
        "tests/helper.ts",
        "vitest.config.ts",
        "eslint.config.js",
        ".prettierrc.json",
        "README.md",
    ],
)
def test_what_only_tests_or_checks_leaves_it_fresh(bundle: Bundle, path: str) -> None:
    write(bundle.frontend / path, "other")
    assert not bundle.is_stale()


def test_times_and_line_ends_leave_it_fresh(bundle: Bundle) -> None:
    source = bundle.frontend / "src/main.tsx"
    source.write_bytes(b"one\ntwo\n")
    bundle.stamp.write_text(bundle.digest())
    source.write_bytes(b"one\r\ntwo\r\n")
    assert not bundle.is_stale()


def test_a_bundle_without_entry_or_stamp_is_stale(bundle: Bundle) -> None:
    bundle.stamp.unlink()
    assert bundle.is_stale()
    bundle.stamp.write_text(bundle.digest())
    bundle.entry.unlink()
    assert bundle.is_stale()


def test_without_sources_the_shipped_bundle_is_used(bundle: Bundle) -> None:
    shutil.rmtree(bundle.frontend)
    bundle.ensure()
    assert bundle.entry.is_file()


def test_without_sources_and_bundle_the_error_says_so(bundle: Bundle) -> None:
    shutil.rmtree(bundle.frontend)
    shutil.rmtree(bundle.static)
    with pytest.raises(BundleError, match=r"neither the built frontend .* nor its sources"):
        bundle.ensure()


class FakeNpm:
    """Stands in for npm: notes what it was asked, and `run build` writes the entry."""

    def __init__(self, bundle: Bundle, *, builds: bool = True) -> None:
        self.bundle = bundle
        self.builds = builds
        self.calls: list[tuple[str, ...]] = []

    def run_npm(self, *arguments: str, directory: Path) -> None:
        assert directory == self.bundle.frontend
        self.calls.append(arguments)
        if arguments == ("run", "build") and self.builds:
            write(self.bundle.entry, "built")


def test_a_stale_bundle_is_built_from_locked_packages(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = FakeNpm(bundle)
    monkeypatch.setattr(node, "find", lambda: npm)
    write(bundle.frontend / "src/main.tsx", "other")
    bundle.ensure()
    bundle.ensure()
    assert npm.calls == [("ci", "--omit=dev", "--ignore-scripts"), ("run", "build")]
    assert bundle.entry.read_text() == "built"


@pytest.mark.parametrize(("version", "kept"), [("8.3.8", True), ("8.3.7", False)])
def test_packages_that_fit_the_lock_are_kept(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, version: str, kept: bool
) -> None:
    npm = FakeNpm(bundle)
    monkeypatch.setattr(node, "find", lambda: npm)
    installed = f'{{"packages": {{"node_modules/vite": {{"version": "{version}"}}, "node_modules/eslint": {{}}}}}}'
    write(bundle.frontend / "node_modules/.package-lock.json", installed)
    write(bundle.frontend / "src/main.tsx", "other")
    bundle.ensure()
    assert (("ci", "--omit=dev", "--ignore-scripts") not in npm.calls) is kept
    assert npm.calls[-1] == ("run", "build")


def test_a_build_that_writes_nothing_is_an_error_and_stays_stale(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "find", lambda: FakeNpm(bundle, builds=False))
    bundle.entry.unlink()
    with pytest.raises(BundleError, match=r"wrote no .*index\.js"):
        bundle.ensure()
    assert bundle.is_stale()


@pytest.mark.parametrize(
    ("stale", "system", "requirements"),
    [(True, False, [node.REQUIREMENT]), (True, True, []), (False, False, [])],
)
@pytest.mark.parametrize("kind", ["wheel", "editable", "sdist"])
def test_node_is_requested_only_to_build_and_only_where_there_is_none(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, stale: bool, system: bool, requirements: list[str], kind: str
) -> None:
    if stale:
        bundle.stamp.unlink()
    monkeypatch.setattr(hooks, "_bundle", lambda: bundle)
    monkeypatch.setattr(node, "find_system", lambda: node.Node(Path("node"), ("npm",)) if system else None)
    assert getattr(hooks, f"get_requires_for_build_{kind}")() == requirements
