"""What a user may pass as `writer`: a directory, a tf.summary writer, a torch SummaryWriter, or nothing."""

import threading
from pathlib import Path
from typing import Any

import pytest
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow
from tensorboard.summary.writer import record_writer

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.event_file import read_events
from tests.event_files import event_files, record, run, steps_in


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
    code = "from tb_rnn_plugin import rnn_summary\nfrom tests.event_files import record\nrnn_summary.write(record(), 0)"
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
