"""A directory's event file, and what becomes of it when a process is killed, a disk is full, a job restarted."""

import errno
import io
import os
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.event_file import read_events
from tb_rnn_plugin.writing import directory_writer, event_writer
from tb_rnn_plugin.writing.directory_writer import DirectoryWriter
from tb_rnn_plugin.writing.summary_events import Write
from tests.event_files import event_files, record, restarts_in, run, steps_in


def write_of(value: float, step: int) -> Write:
    return Write([record(value)], step, 0.0, None, "float32")


def test_a_directory_gets_one_file_with_everything_in_order(tmp_path: Path) -> None:
    for step in range(30):
        rnn_summary.write([record(step, "a"), record(-step, "b")], step, tmp_path / "not" / "yet")
    (path,) = event_files(tmp_path / "not" / "yet")
    found = [
        (step, one.name, float(one.sequences["activation"][0, 0, 0])) for step, one in rnn_summary.read(path.parent)
    ]
    assert found == [(step, name, sign * step) for step in range(30) for name, sign in (("a", 1.0), ("b", -1.0))]
    first = next(read_events(path))
    assert first.file_version == "brain.Event:2"


def test_a_relative_and_an_absolute_path_share_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for step, writer in enumerate([tmp_path / "run", Path("run"), "run"]):
        rnn_summary.write(record(), step, writer)
    assert steps_in(tmp_path / "run") == [0, 1, 2]
    assert len(event_files(tmp_path / "run")) == 1


def test_what_was_written_before_a_kill_is_readable(tmp_path: Path) -> None:
    code = """
import os, signal, sys
import numpy as np
from tb_rnn_plugin import rnn_summary
layer = rnn_summary.LayerRecord("lstm", sequences={"activation": np.ones((4, 100, 64), np.float32)})
for step in range(1000):
    rnn_summary.write(layer, step, sys.argv[1])
    if step == 20:
        rnn_summary.flush()
    if step == 25:  # while the thread is at it
        os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run(code, tmp_path).returncode == -signal.SIGKILL
    steps = steps_in(tmp_path)
    assert steps == list(range(len(steps)))
    assert len(steps) > 20


def test_everything_is_written_when_a_process_just_ends(tmp_path: Path) -> None:
    code = """
import sys
import numpy as np
from tb_rnn_plugin import rnn_summary
for step in range(7):
    layer = rnn_summary.LayerRecord("lstm", sequences={"activation": np.ones((4, 100, 64), np.float32)})
    rnn_summary.write(layer, step, sys.argv[1])
"""
    done = run(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert steps_in(tmp_path) == list(range(7))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_writes_a_file_of_its_own(tmp_path: Path) -> None:
    code = """
import os, sys, warnings
import numpy as np
from tb_rnn_plugin import rnn_summary
warnings.simplefilter("ignore")  # Python's own, of forking with threads
layer = rnn_summary.LayerRecord("lstm", sequences={"activation": np.ones((1, 1, 1), np.float32)})
rnn_summary.write(layer, 1, sys.argv[1])
rnn_summary.flush()
child = os.fork()
rnn_summary.write(layer, 2 if child else 3, sys.argv[1])
if child:
    os.waitpid(child, 0)
"""
    done = run(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    steps = [[event.step for event in read_events(path) if event.summary.value] for path in event_files(tmp_path)]
    assert sorted(steps) == [[1, 2], [3]]


class _Disk(io.FileIO):
    """A file on a disk that is full for a while, and takes at most so many bytes at once."""

    full = False
    piece = 1000

    def write(self, data: Any, /) -> int:
        if self.full and len(data) < 300:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(memoryview(data)[: 100 if self.full else self.piece])


def on(disk: _Disk, writer: DirectoryWriter) -> DirectoryWriter:
    writer._file.close()
    writer._file = disk
    disk.seek(0, os.SEEK_END)
    return writer


def test_a_full_disk_is_told_and_costs_only_what_it_could_not_take(tmp_path: Path) -> None:
    writer = DirectoryWriter(tmp_path)
    disk = _Disk(writer.path, "r+")
    on(disk, writer)
    writer.write(write_of(0, 0))
    writer.flush()
    size = writer.path.stat().st_size
    disk.full = True
    writer.write(write_of(1, 1))
    with pytest.warns(RuntimeWarning, match=r"could not be written to .*No space left"):
        writer.flush()
    assert writer.path.stat().st_size == size  # no torn record, behind which nothing could be read
    disk.full = False
    writer.write(write_of(2, 2))
    writer.flush()  # without another warning
    assert steps_in(tmp_path) == [0, 2]
    writer.close()


def test_a_file_that_takes_pieces_gets_all_of_them(tmp_path: Path) -> None:
    writer = DirectoryWriter(tmp_path)
    on(_Disk(writer.path, "r+"), writer)
    layer = record(3.0, size=10_000)
    writer.write(Write([layer], 5, 0.0, None, "float32"))
    writer.close()
    ((step, back),) = rnn_summary.read(tmp_path)
    assert step == 5
    assert np.array_equal(back.sequences["activation"], layer.sequences["activation"])


def test_the_queue_is_bounded_and_a_full_one_waits(tmp_path: Path) -> None:
    writer = DirectoryWriter(tmp_path)
    gate = threading.Event()
    append = writer._append

    def held(*event: bytes) -> None:
        gate.wait()
        append(*event)

    writer._append = held  # type: ignore[method-assign]
    written: list[int] = []

    def train() -> None:
        for step in range(50):
            writer.write(write_of(0, step))
            written.append(step)

    training = threading.Thread(target=train)
    training.start()
    while writer._queue.qsize() < directory_writer._MOST_WAITING:  # the queue fills: nothing takes from it
        gate.wait(0.001)
    training.join(0.05)
    assert training.is_alive()
    assert len(written) <= directory_writer._MOST_WAITING + 1
    gate.set()
    training.join()
    writer.close()
    assert steps_in(tmp_path) == list(range(50))


def test_closing_is_final_until_the_next_write(tmp_path: Path) -> None:
    rnn_summary.write(record(), 0, tmp_path)
    writer = event_writer.resolve(tmp_path)
    rnn_summary.close()
    rnn_summary.close()
    with pytest.raises(ValueError, match=r"writer: .* was closed"):
        writer.write(write_of(0, 1))
    before = [path.read_bytes() for path in event_files(tmp_path)]
    rnn_summary.write(record(), 1, tmp_path)
    assert steps_in(tmp_path) == [0, 1]
    assert [path.read_bytes() for path in event_files(tmp_path)][:1] == before
    assert len(event_files(tmp_path)) == 2


@pytest.mark.parametrize("closed", [False, True])
def test_logs_that_were_cleared_are_begun_anew(tmp_path: Path, closed: bool) -> None:
    run_directory, other = tmp_path / "run", tmp_path / "other"
    for step in range(5):
        rnn_summary.write(record(), step, run_directory)
        rnn_summary.write(record(), step, other)
    if closed:
        rnn_summary.close()
    else:
        rnn_summary.flush()
    shutil.rmtree(run_directory)
    for step in range(3):  # as in a notebook, whose process goes on
        rnn_summary.write(record(), step, run_directory)
    assert steps_in(run_directory) == [0, 1, 2]
    # TensorBoard may have read what was deleted.
    assert restarts_in(event_files(run_directory)[0]) == [0, 0]
    assert steps_in(other) == [0, 1, 2, 3, 4]


def test_a_file_that_was_moved_away_is_followed_by_another(tmp_path: Path) -> None:
    rnn_summary.write(record(), 0, tmp_path / "run")
    rnn_summary.flush()
    (tmp_path / "run").rename(tmp_path / "first")
    rnn_summary.write(record(), 0, tmp_path / "run")
    assert steps_in(tmp_path / "run") == steps_in(tmp_path / "first") == [0]


def test_where_nothing_can_take_the_place_of_a_deleted_file_training_goes_on(tmp_path: Path) -> None:
    rnn_summary.write(record(), 0, tmp_path / "disk" / "run")
    rnn_summary.flush()
    shutil.rmtree(tmp_path / "disk")
    (tmp_path / "disk").touch()
    for step in (1, 2):
        with pytest.warns(RuntimeWarning, match=r"was deleted or moved, .* steps are lost: .*Not a directory"):
            assert rnn_summary.write(record(), step, tmp_path / "disk" / "run")
    (tmp_path / "disk").unlink()
    rnn_summary.write(record(), 3, tmp_path / "disk" / "run")
    assert steps_in(tmp_path / "disk" / "run") == [3]


def test_many_files_of_one_second_sort_by_age(tmp_path: Path) -> None:
    paths = []
    for step in range(12):
        rnn_summary.write(record(), step, tmp_path)
        writer = event_writer.resolve(tmp_path)
        assert isinstance(writer, DirectoryWriter)
        paths.append(writer.path)
        rnn_summary.close()
    assert paths == sorted(paths)


def test_another_writers_file_is_left_alone_and_told_of(tmp_path: Path) -> None:
    theirs = tmp_path / "events.out.tfevents.1.host.2.0"
    theirs.write_bytes(b"theirs")
    with pytest.warns(UserWarning, match=r"events\.out\.tfevents\.1\.host\.2\.0.*load_fast=false"):
        rnn_summary.write(record(), 0, tmp_path)
    rnn_summary.flush()
    assert theirs.read_bytes() == b"theirs"
    assert len(event_files(tmp_path)) == 2


class TestRestart:
    """A restart is said to TensorBoard's Python loader, which would show the outdated steps otherwise."""

    @staticmethod
    def job(directory: Path, *steps: int, name: str = "lstm") -> None:
        code = f"""
import sys
import numpy as np
from tb_rnn_plugin import rnn_summary
for step in {steps}:
    layer = rnn_summary.LayerRecord({name!r}, sequences={{"activation": np.ones((1, 1, 1), np.float32)}})
    rnn_summary.write(layer, step, sys.argv[1])
"""
        done = run(code, directory)
        assert (done.returncode, done.stderr) == (0, "")

    def test_of_a_job_in_another_process(self, tmp_path: Path) -> None:
        self.job(tmp_path, 0, 10, 20)
        self.job(tmp_path, 10, 20)
        assert list(map(restarts_in, event_files(tmp_path))) == [[0, 0], [10, 10]]
        assert steps_in(tmp_path) == [0, 10, 20, 10, 20]

    def test_of_a_loop_in_this_process(self, tmp_path: Path) -> None:
        for step in (0, 10, 20, 10, 20, 20, 30, 0):
            rnn_summary.write([record(name="a"), record(name="b")], step, tmp_path)
        rnn_summary.flush()
        assert restarts_in(event_files(tmp_path)[0]) == [0, 0, 10, 10, 20, 20, 0, 0]

    def test_there_is_none_in_steps_of_several_layers_in_turn(self, tmp_path: Path) -> None:
        for name, step in [("a", 0), ("b", 0), ("a", 10), ("b", 5), ("b", 10), ("a", 20)]:
            rnn_summary.write(record(name=name), step, tmp_path)
        for step in range(3):  # one model after the other
            rnn_summary.write(record(name="c"), step, tmp_path)
            rnn_summary.close()
        assert [restarts_in(path) for path in event_files(tmp_path)] == [[0, 0], [], []]

    def test_where_others_write_their_data_is_not_touched(self, tmp_path: Path) -> None:
        self.job(tmp_path, 0, 10)
        (tmp_path / "events.out.tfevents.1.host.2.0").touch()
        with pytest.warns(UserWarning, match="another writer"):
            rnn_summary.write(record(), 0, tmp_path)
        rnn_summary.close()
        assert restarts_in(event_files(tmp_path)[-1]) == []
