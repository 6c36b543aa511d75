"""Tests for one of Keras's backends, run in a process in which Keras has it.

Keras has one backend in a process. A test for another one is collected here all the same, with its markers, and its
outcome is shown here, with its traceback. It runs in a pytest of its own, which is started when the first such test
comes, and then waits for the names of the next ones.
"""

import multiprocessing.connection
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

#: The environment variable by which that pytest knows its end of the connection.
CONNECTION = "TB_RNN_PLUGIN_TEST_CONNECTION"

_ENVIRONMENT: Mapping[str, Mapping[str, str]] = {
    "jax": {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},  # most of the time goes into compiling
    "torch": {},
}
_LAST_LINES = 60


class OtherProcess:
    """A pytest whose Keras has the backend that is asked for."""

    def __init__(self, backend: str, config: pytest.Config) -> None:
        self._config = config
        self._connection, there = multiprocessing.connection.Pipe()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process
        plugins = ["-p", f"{__package__}.waiting", "-p", "no:cacheprovider"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "--color=no", *plugins, str(Path(__file__).parent)],
            cwd=config.rootpath,
            env={**os.environ, **_ENVIRONMENT[backend], "KERAS_BACKEND": backend, CONNECTION: str(there.fileno())},
            pass_fds=[there.fileno()],
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        there.close()  # else it would stay open when that process has ended

    def reports(self, item: pytest.Item) -> Iterator[pytest.TestReport]:
        """Runs a test there."""
        start = time.time()
        try:
            self._connection.send(item.nodeid)
            answers: list[dict[str, Any]] = self._connection.recv()
        except (EOFError, OSError):
            said, stop = self._last_words(), time.time()
            yield pytest.TestReport(
                item.nodeid, item.location, {}, "failed", said, "call", duration=stop - start, start=start, stop=stop
            )
            return
        for answer in answers:
            yield self._config.hook.pytest_report_from_serializable(config=self._config, data=answer)

    def close(self) -> None:
        """Ends it."""
        self._connection.close()
        self._process.wait()
        self._output.close()

    def _last_words(self) -> str:
        status = self._process.wait()
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").splitlines()[-_LAST_LINES:]
        return "\n".join([f"The process that was to run this test ended with status {status}:", "", *lines])
