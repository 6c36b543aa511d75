"""Where records go, and what becomes of them when a process is killed, a disk is full, a job restarted."""

import errno
import io
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.compat.proto import event_pb2
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow
from tensorboard.summary.writer import record_writer

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.event_file import read_events
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.recurrence.layer import CannotDerive, Recurrence
from tb_rnn_plugin.writing import directory_writer, event_writer
from tb_rnn_plugin.writing.directory_writer import DirectoryWriter
from tb_rnn_plugin.writing.summary_events import Write


def record(value: float = 0.0, name: str = "lstm", size: int = 4) -> LayerRecord:
    return LayerRecord(name, sequences={"activation": np.full((1, 1, size), value, np.float32)})


def write_of(value: float, step: int) -> Write:
    return Write([record(value)], step, 0.0, None, "float32")


def event_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*tfevents*"))


def steps_in(directory: Path) -> list[int]:
    return [step for step, _ in rnn_summary.read(directory)]


def restarts_in(path: Path) -> list[int]:
    return [event.step for event in read_events(path) if event.session_log.status == event_pb2.SessionLog.START]


def run(code: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


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
        assert list(map(restarts_in, event_files(tmp_path))) == [[], [10, 10]]
        assert steps_in(tmp_path) == [0, 10, 20, 10, 20]

    def test_of_a_loop_in_this_process(self, tmp_path: Path) -> None:
        for step in (0, 10, 20, 10, 20, 20, 30, 0):
            rnn_summary.write([record(name="a"), record(name="b")], step, tmp_path)
        rnn_summary.flush()
        assert restarts_in(event_files(tmp_path)[0]) == [10, 10, 20, 20, 0, 0]

    def test_there_is_none_in_steps_of_several_layers_in_turn(self, tmp_path: Path) -> None:
        for name, step in [("a", 0), ("b", 0), ("a", 10), ("b", 5), ("b", 10), ("a", 20)]:
            rnn_summary.write(record(name=name), step, tmp_path)
        for step in range(3):  # one model after the other
            rnn_summary.write(record(name="c"), step, tmp_path)
            rnn_summary.close()
        assert [restarts_in(path) for path in event_files(tmp_path)] == [[], [], []]

    def test_where_others_write_their_data_is_not_touched(self, tmp_path: Path) -> None:
        self.job(tmp_path, 0, 10)
        (tmp_path / "events.out.tfevents.1.host.2.0").touch()
        with pytest.warns(UserWarning, match="another writer"):
            rnn_summary.write(record(), 0, tmp_path)
        rnn_summary.close()
        assert not any(map(restarts_in, event_files(tmp_path)))


@pytest.mark.parametrize("writer", [3, 2.5, [], object(), threading.Event()])
def test_what_is_no_writer_is_a_type_error(writer: object) -> None:
    with pytest.raises(TypeError, match=rf"writer: expected a directory .*, got .*{type(writer).__name__}"):
        rnn_summary.write(record(), 0, writer)


@pytest.mark.parametrize("writer", ["s3://bucket/run", "gs://bucket/run", b"run"])
def test_what_is_no_directory_is_a_value_error(writer: object) -> None:
    with pytest.raises((TypeError, ValueError), match="writer: expected a directory"):
        rnn_summary.write(record(), 0, writer)


def test_a_directory_that_can_t_be_is_an_os_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for directory, error in ((tmp_path / "file", FileExistsError), (tmp_path / "file" / "run", NotADirectoryError)):
        with pytest.raises(error, match="writer: expected a directory that can be written to, got") as raised:
            rnn_summary.write(record(), 0, directory)
        assert str(directory) in str(raised.value)


def test_without_a_writer_and_without_tensorflow() -> None:
    code = "from tests.test_event_writer import record, rnn_summary\nrnn_summary.write(record(), 0)"
    done = run(code)
    assert "ValueError: writer: left out" in done.stderr, done.stderr


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")  # torch's and TensorFlow's own, at import
class TestTorch:
    """The user's own SummaryWriter."""

    def test_payloads_are_checksummed_natively_and_scalars_survive(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tensorboard = pytest.importorskip("torch.utils.tensorboard")
        slow: list[int] = []

        def counted(data: bytes) -> int:
            slow.append(len(data))
            return int(pywrap_tensorflow.masked_crc32c(data))

        monkeypatch.setattr(record_writer, "masked_crc32c", counted)
        write = record_writer.RecordWriter.write
        with tensorboard.SummaryWriter(tmp_path) as user:
            user.add_scalar("loss", 1.5, 0)
            rnn_summary.write(record(7.0, size=5000), 0, user)
            user.add_scalar("loss", 2.5, 1)
        assert max(slow, default=0) < 5000
        assert record_writer.RecordWriter.write is write
        (path,) = event_files(tmp_path)
        scalars = [(v.simple_value, e.step) for e in read_events(path) for v in e.summary.value if v.tag == "loss"]
        assert scalars == [(1.5, 0), (2.5, 1)]
        ((step, back),) = rnn_summary.read(tmp_path)
        assert (step, back.sequences["activation"].max()) == (0, 7.0)
        with tensorboard.SummaryWriter(tmp_path / "other") as other:  # another instance is as it was
            assert "write" not in vars(other._get_file_writer().event_writer._async_writer._writer)

    def test_a_writer_built_in_another_way_is_told_of_and_used(self, tmp_path: Path) -> None:
        tensorboard = pytest.importorskip("torch.utils.tensorboard")

        class Hidden:
            def __init__(self, inner: Any) -> None:
                self.add_event = inner.add_event

        with tensorboard.SummaryWriter(tmp_path) as user:
            inner = user._get_file_writer()
            user._get_file_writer = lambda: Hidden(inner)
            with pytest.warns(RuntimeWarning, match="pure Python"):
                rnn_summary.write(record(), 4, user)
        assert steps_in(tmp_path) == [4]


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore")  # TensorFlow's own, at import
class TestTensorFlow:
    """The user's own tf.summary writer."""

    def test_given_default_and_missing(self, tmp_path: Path) -> None:
        tf = pytest.importorskip("tensorflow")
        with pytest.raises(ValueError, match="writer: left out, and TensorFlow has no default"):
            rnn_summary.write(record(), 0)
        user = tf.summary.create_file_writer(str(tmp_path))
        rnn_summary.write([record(1.0, "a"), record(2.0, "b")], 0, user)
        with user.as_default():
            tf.summary.scalar("loss", 1.5, 1)
            rnn_summary.write([record(3.0, "a"), record(4.0, "b")], 1)
            rnn_summary.flush(user)
        assert len(event_files(tmp_path)) == 1
        found = [(step, one.name, float(one.sequences["activation"].max())) for step, one in rnn_summary.read(tmp_path)]
        assert found == [(0, "a", 1.0), (0, "b", 2.0), (1, "a", 3.0), (1, "b", 4.0)]
        user.close()


class _Slow(Recurrence):
    """A recurrence whose quantities can be computed when it is let go, or not at all."""

    def __init__(self, value: float, gate: threading.Event, reason: str = "") -> None:
        super().__init__(halves={}, quantities=frozenset({"bptt_gradient"}))
        object.__setattr__(self, "result", (value, gate, reason))

    def only(self, _: frozenset[str]) -> Recurrence:
        return self

    def done(self) -> Recurrence:
        return self

    def sequences(self) -> dict[str, Any]:
        value, gate, reason = vars(self)["result"]
        gate.wait()
        if reason:
            raise CannotDerive(reason)
        return {"bptt_gradient": np.full((1, 1, 4), value, np.float32)}


def with_recurrence(recurrence: Recurrence, **quantities: Any) -> LayerRecord:
    return LayerRecord("lstm", sequences=quantities, recurrence=recurrence)


ACTIVATION = {"activation": np.zeros((1, 1, 4), np.float32)}


def test_what_can_not_be_computed_in_time_is_left_out_and_counted(tmp_path: Path) -> None:
    gate = threading.Event()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for step in range(8):
            rnn_summary.write(with_recurrence(_Slow(step, gate), **ACTIVATION), step, tmp_path)
        gate.set()
        rnn_summary.flush()
        rnn_summary.flush()
    found = {step: record.sequences for step, record in rnn_summary.read(tmp_path)}
    assert list(found) == list(range(8))
    assert all("activation" in sequences for sequences in found.values())
    computed = [step for step, sequences in found.items() if "bptt_gradient" in sequences]
    assert computed[-4:] == [4, 5, 6, 7]  # the newest
    left_out = 8 - len(computed)
    assert left_out in {3, 4}  # the first may have been in work
    counts = [str(each.message).partition(" writes to ")[0].rpartition(" ")[2] for each in said]
    assert counts[-1] == str(left_out)
    assert len(counts) <= 3  # not at each write
    assert all("faster than these can be computed" in str(each.message) for each in said)


def test_a_reason_is_said_once_and_all_else_is_written(tmp_path: Path) -> None:
    gate = threading.Event()
    gate.set()
    for step in range(2):
        rnn_summary.write(with_recurrence(_Slow(0, gate, "it is Tuesday"), **ACTIVATION), step, tmp_path)
        if step:
            rnn_summary.flush()
        else:
            with pytest.warns(UserWarning, match="computed of 'lstm' are left out: it is Tuesday"):
                rnn_summary.flush()
    assert [set(record.sequences) for _, record in rnn_summary.read(tmp_path)] == [{"activation"}] * 2


def test_a_record_of_which_nothing_is_left_is_not_written(tmp_path: Path) -> None:
    gate = threading.Event()
    gate.set()
    rnn_summary.write([with_recurrence(_Slow(0, gate, "of something")), record(name="other")], 0, tmp_path)
    with pytest.warns(UserWarning, match="of something"):
        rnn_summary.flush()
    assert [each.name for _, each in rnn_summary.read(tmp_path)] == ["other"]


def test_the_users_own_writers_get_it_at_once(tmp_path: Path) -> None:
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    gate = threading.Event()
    gate.set()
    with tensorboard.SummaryWriter(tmp_path) as writer:
        rnn_summary.write(with_recurrence(_Slow(3, gate), **ACTIVATION), 0, writer)
        with pytest.warns(UserWarning, match="of something"):
            rnn_summary.write(with_recurrence(_Slow(0, gate, "of something"), **ACTIVATION), 1, writer)
    first, second = [each.sequences for _, each in rnn_summary.read(tmp_path)]
    assert (first["bptt_gradient"] == 3).all()
    assert set(second) == {"activation"}
