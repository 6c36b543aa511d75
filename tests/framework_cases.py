"""`python -m tests.framework_cases`: writes docs/frameworks.md from the markers of the tests, and claims no more."""

import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "frameworks.md"
MARKER = "framework_case"

_HEAD = """\
# What is recorded, framework by framework

Made by `make docs` from the tests: each line is a case whose numbers a test compares with an independent computation,
mostly the framework's own autograd on a model that is built for the test, to 1e-5 (mixed precision: 1e-2 relative).
`rnn_summary.describe(model)` says what will be recorded of a model of yours, and what is left out and why.
"""


class Cases:
    """A pytest plugin that collects the marked tests and runs none."""

    def __init__(self) -> None:
        """Has found none yet."""
        #: Framework to case to the files of its tests, relative to the root.
        self.found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Takes the markers of every test."""
        for item in session.items:
            for marker in item.iter_markers(MARKER):
                framework, case = marker.args
                self.found[framework][case].add(item.path.relative_to(ROOT).as_posix())


def document() -> str:
    """docs/frameworks.md as the tests are now.

    Raises:
        RuntimeError: If the tests can't be collected.
    """
    cases = Cases()
    arguments = ["--collect-only", "-qq", "-p", "no:cacheprovider", "-W", "ignore", str(ROOT / "tests" / "capture")]
    outcome = pytest.main(arguments, plugins=[cases])
    if outcome != pytest.ExitCode.OK:
        raise RuntimeError(f"pytest could not collect tests/capture: {outcome!r}.")
    parts = [_HEAD]
    for framework in sorted(cases.found):
        parts.append(f"\n## {framework}\n\n| case | tested in |\n| --- | --- |\n")
        for case in sorted(cases.found[framework], key=str.lower):
            files = ", ".join(f"[{Path(path).name}](../{path})" for path in sorted(cases.found[framework][case]))
            parts.append(f"| {case.replace('|', chr(92) + '|')} | {files} |\n")
    return "".join(parts)


def main() -> None:
    """Writes the document; with `--check`, says in the exit status whether it is up to date."""
    text = document()
    if "--check" in sys.argv[1:]:
        sys.exit(DOCUMENT.read_text("utf-8") != text)
    DOCUMENT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
