"""Runs each test in a process in which Keras has the backend that the test is for."""

import os

import pytest

from tests.capture.keras_backends import backends
from tests.capture.keras_backends.other_process import OtherProcess

_PROCESSES = pytest.StashKey[dict[str, OtherProcess]]()

if "KERAS_BACKEND" not in os.environ and not backends.is_installed("tensorflow"):
    # Keras can't even be imported without its default backend.
    os.environ["KERAS_BACKEND"] = next(filter(backends.is_installed, backends.FRAMEWORKS), "tensorflow")


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> str:
    import keras  # noqa: PLC0415  # here, where it has its backend

    assert keras.config.backend() == request.param
    return str(request.param)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    name = backends.backend_of(item)
    if name is None or backends.is_here(name) or not backends.is_installed(name):
        return None
    processes = item.config.stash.setdefault(_PROCESSES, {})
    if name not in processes:
        processes[name] = OtherProcess(name, item.config)
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in processes[name].reports(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_unconfigure(config: pytest.Config) -> None:
    for process in config.stash.get(_PROCESSES, {}).values():
        process.close()
