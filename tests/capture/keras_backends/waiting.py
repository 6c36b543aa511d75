"""A plugin of pytest: it runs single tests as it is told to, and answers with their reports. See other_process.py."""

import multiprocessing.connection
import os
from typing import Any

import pytest

from tests.capture.keras_backends.other_process import CONNECTION


class Waiting:
    """Waits for the names of tests."""

    def __init__(self, connection: Any, config: pytest.Config) -> None:
        self._connection = connection
        self._config = config
        self._answers: list[dict[str, Any]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if session.testsfailed:  # something can't be imported: pytest says what
            return None
        tests = {item.nodeid: item for item in session.items}
        while True:
            try:
                item = tests[self._connection.recv()]
            except EOFError:
                return True
            self._answers = []
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            self._connection.send(self._answers)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        answer = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._answers.append(answer)


def pytest_configure(config: pytest.Config) -> None:
    connection = multiprocessing.connection.Connection(int(os.environ.pop(CONNECTION)))
    config.pluginmanager.register(Waiting(connection, config))
