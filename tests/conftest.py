"""What all tests share: TensorBoards, one for each of its loaders, and writers that are closed after each test."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboard.compat.proto import event_pb2, summary_pb2

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.event_file import write_record
from tests import logs, serving
from tests.own_process import pytest_configure, pytest_runtest_protocol  # noqa: F401  # hooks
from tests.serving import TensorBoard, wait_for

LOADERS = ["rust", "python"]


@pytest.fixture(autouse=True)
def close_writers() -> Iterator[None]:
    yield
    rnn_summary.close()


@pytest.fixture(scope="session")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written once, by every kind of writer that is installed; see tests/logs.py."""
    directory = tmp_path_factory.mktemp("shared") / "logs"
    jobs = [("directory", 0, logs.STEPS)]
    jobs += [(kind, 0, logs.STEPS) for kind in ("tensorflow", "torch") if importlib.util.find_spec(kind)]
    logs.write_small(directory / "small", range(12))
    logs.write_small(directory / "many", range(1100))
    _write_scalars(directory / "no rnn data")
    logs.write_damaged(directory / "damaged")
    for kind, shift, steps in jobs:
        _run_job(kind, directory / kind, shift, steps)
    # No more steps than the arrays' default cap, so that none is sampled away.
    _run_job("directory", directory / "restarted", 1, (0, 10, 20, 30))
    _run_job("directory", directory / "restarted", 1000, (10, 20))
    # Beside another writer's file TensorBoard is not told of the restart.
    _write_scalars(directory / "restarted beside scalars")
    _run_job("directory", directory / "restarted beside scalars", 1, (0, 10, 20, 30))
    _run_job("directory", directory / "restarted beside scalars", 1000, (10, 15))
    logs.write_odd_names(directory / "odd names")
    logs.write_widths(directory / "widths")
    return directory


def _run_job(kind: str, directory: Path, shift: float, steps: tuple[int, ...]) -> None:
    command = [sys.executable, "-m", "tests.logs", kind, str(directory), str(shift), *map(str, steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent)
    assert done.returncode == 0, done.stderr


def _write_scalars(directory: Path) -> None:
    directory.mkdir(parents=True)
    with (directory / "events.out.tfevents.1.host").open("wb") as file:
        value = summary_pb2.Summary.Value(tag="loss", simple_value=1.0)
        event = event_pb2.Event(wall_time=1.0, step=0, summary=summary_pb2.Summary(value=[value]))
        write_record(file, event_pb2.Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())
        write_record(file, event.SerializeToString())


@pytest.fixture(scope="session", params=LOADERS)
def loader(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def board(logdir: Path, loader: str) -> Iterator[TensorBoard]:
    """A TensorBoard that has read all of `logdir`."""
    with serving.tensorboard(logdir, loader) as served:
        last = {"many": 1099, "small": 11, "restarted": 20, "damaged": 0, "widths": 1}
        last |= {kind: logs.STEPS[-1] for kind in ("directory", "tensorflow", "torch") if (logdir / kind).exists()}
        wait_for(f"the runs {last}", lambda: all(served.last_step(run) == step for run, step in last.items()))
        yield served


@pytest.fixture(scope="session")
def empty_board(tmp_path_factory: pytest.TempPathFactory, loader: str) -> Iterator[TensorBoard]:
    logdir = tmp_path_factory.mktemp("empty") / "logs"
    logdir.mkdir()
    with serving.tensorboard(logdir, loader) as served:
        yield served


@pytest.fixture(scope="session")
def flagged_board(logdir: Path, loader: str) -> Iterator[TensorBoard]:
    """Under a path prefix that looks like one of our routes, with caps of the user's own."""
    flags = ["--samples_per_plugin=rnn=5,rnn_arrays=0", "--path_prefix=/static/data"]
    with serving.tensorboard(logdir / "small", loader, *flags) as served:
        wait_for("the run", lambda: b'"last_step": 11' in served.get("/static/data/data/plugin/rnn/index").body)
        yield served
