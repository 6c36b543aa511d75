"""Test modules that need a process of their own: a mode of a framework that can't be left again.

`pytestmark = pytest.mark.own_process(KERAS_BACKEND="jax")` runs all tests of a module in one process, which has these
environment variables; their reports come back as if they had run here. The module is imported here too, to know its
tests, so what changes the process belongs in a fixture.
"""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

# Where that process writes its reports, a line each.
_REPORTS = "RNN_TEST_REPORTS"
_ROOT = Path(__file__).parent.parent

_done: dict[tuple[str, str], "_Done"] = {}


def pytest_configure(config: pytest.Config) -> None:
    """Writes reports, where this is such a process."""
    if _REPORTS in os.environ:
        config.pluginmanager.register(_Writer(config, Path(os.environ[_REPORTS])))


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Takes the reports of a test from the process that runs it."""
    marker = item.get_closest_marker("own_process")
    if marker is None or _REPORTS in os.environ:
        return None
    key = (str(item.path), json.dumps(marker.kwargs, sort_keys=True))
    if key not in _done:
        of_module = [other.nodeid for other in item.session.items if other.path == item.path]
        _done[key] = _run(item.config, of_module, dict(marker.kwargs))
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = _done[key].reports.get(item.nodeid, [])
    if not any(report.when == "teardown" for report in reports):
        reports = [*reports, _lost(item, _done[key].printed)]
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    # What the tests before left set up for their folder ends with it, though none of these needed it.
    item.session._setupstate.teardown_exact(nextitem)  # there is no public way to it
    return True


@dataclasses.dataclass(frozen=True)
class _Done:
    """What came of a process: the reports of each test by its node id, and what was printed."""

    reports: dict[str, list[pytest.TestReport]]
    printed: str


class _Writer:
    def __init__(self, config: pytest.Config, path: Path) -> None:
        self._config = config
        self._path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        with self._path.open("a") as file:
            file.write(json.dumps(data) + "\n")


def _run(config: pytest.Config, nodes: list[str], environment: dict[str, str]) -> _Done:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "reports"
        path.touch()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *nodes],
            cwd=_ROOT,
            env=os.environ | environment | {_REPORTS: str(path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        reports: dict[str, list[pytest.TestReport]] = {}
        for line in path.read_text().splitlines():
            report = config.hook.pytest_report_from_serializable(config=config, data=json.loads(line))
            if isinstance(report.longrepr, list):  # that of a skipped test, which JSON has no tuples for
                report.longrepr = tuple(report.longrepr)
            reports.setdefault(report.nodeid, []).append(report)
    return _Done(reports, done.stdout)


def _lost(item: pytest.Item, printed: str) -> pytest.TestReport:
    """For a test that the process didn't come to the end of."""
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords=dict.fromkeys(item.keywords, 1),
        outcome="failed",
        longrepr=f"The process of these tests ended before this one did. It printed:\n{printed}",
        when="call",
    )
