"""The built frontend, and whether it is that of the sources beside it.

`python -m build_backend.bundle` builds it where it is not.
"""

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from build_backend import node


class BundleError(RuntimeError):
    """There is no frontend to ship, and none could be built."""


@dataclass(frozen=True)
class Bundle:
    """The frontend of a source tree: its sources in `frontend/`, what they are built to in `tb_rnn_plugin/static/`."""

    root: Path

    @property
    def frontend(self) -> Path:
        """The sources."""
        return self.root / "frontend"

    @property
    def static(self) -> Path:
        """What Vite builds them to."""
        return self.root / "tb_rnn_plugin" / "static"

    @property
    def entry(self) -> Path:
        """The module that TensorBoard loads."""
        return self.static / "index.js"

    @property
    def stamp(self) -> Path:
        """The digest of the sources that the bundle was built from."""
        return self.static / "source.sha256"

    def sources(self) -> list[Path]:
        """The files that the bundle depends on, in a fixed order."""
        files = [*self.frontend.glob("*"), *self.frontend.glob("src/**/*"), *self.frontend.glob("public/**/*")]
        return sorted(
            file for file in files if file.is_file() and is_source(file.relative_to(self.frontend).as_posix())
        )

    def digest(self) -> str:
        """A digest of the sources: their paths and contents, not their times, which a checkout sets anew."""
        digest = hashlib.sha256()
        for file in self.sources():
            path = file.relative_to(self.frontend).as_posix()
            # Git may check text out with other line ends than it was built with.
            content = hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
            digest.update(f"{content} {path}\n".encode())
        return digest.hexdigest()

    def is_stale(self) -> bool:
        """Whether the bundle has to be built. Where there are no sources, what was shipped is right."""
        if not (self.frontend / "package.json").is_file():
            return False
        return not (self.entry.is_file() and self.stamp.is_file() and self.stamp.read_text().strip() == self.digest())

    def ensure(self) -> None:
        """Builds the bundle if it is missing or stale.

        Raises:
            BundleError: There is neither a bundle nor its sources, or building them yielded none.
            node.NodeError: There is no Node, or npm or Vite failed.
        """
        if self.is_stale():
            self._build()
        elif not self.entry.is_file():
            message = f"neither the built frontend ({self.entry}) nor its sources ({self.frontend}) are here"
            raise BundleError(message)

    def _build(self) -> None:
        npm = node.find()
        if not self._packages_are_installed():
            print("Installing the packages that build the frontend …", flush=True)
            npm.run_npm("ci", "--omit=dev", "--ignore-scripts", directory=self.frontend)
        print("Building the frontend …", flush=True)
        # Before building: the sources may be edited meanwhile, and a bundle that only may be right is stale.
        digest = self.digest()
        self.stamp.unlink(missing_ok=True)
        npm.run_npm("run", "build", directory=self.frontend)
        if not self.entry.is_file():
            message = f"`npm run build` succeeded, but wrote no {self.entry}"
            raise BundleError(message)
        self.stamp.write_text(digest + "\n")

    def _packages_are_installed(self) -> bool:
        """Whether node_modules serves as it is: `npm ci` would remove what else a developer has there."""
        installed = _locked_packages(self.frontend / "node_modules" / ".package-lock.json")
        wanted = _locked_packages(self.frontend / "package-lock.json")
        return bool(wanted) and all(
            # Optional packages are those of other platforms.
            installed.get(path, {}).get("version") == package.get("version")
            for path, package in wanted.items()
            if path and not package.get("dev") and not package.get("optional") and not package.get("devOptional")
        )


def is_source(path: str) -> bool:
    """Whether a file of the frontend, by its path in there, can change the bundle.

    Tests, and what only checks or formats the code, cannot.
    """
    name = PurePosixPath(path).name
    if "/" in path:
        return not any(part in {"test", "tests", "__tests__"} for part in path.split("/")) and ".test." not in name
    return name in {"package.json", "package-lock.json", "index.html"} or name.startswith(("tsconfig", "vite.config."))


def _locked_packages(lock: Path) -> dict[str, dict[str, Any]]:
    if not lock.is_file():
        return {}
    packages: dict[str, dict[str, Any]] = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    return packages


def main() -> None:
    """Builds the bundle, and says in one line what went wrong."""
    try:
        Bundle(Path(__file__).parent.parent).ensure()
    except (BundleError, node.NodeError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
