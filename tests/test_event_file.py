"""The event file format, against TensorBoard's own reader and writer."""

import io
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto import event_pb2
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New
from tensorboard.summary.writer.record_writer import RecordWriter

from tb_rnn_plugin import event_file

RNG = np.random.default_rng(5)
EVENTS = [event_pb2.Event(wall_time=i, step=i, graph_def=RNG.bytes(i * 37)) for i in range(20)]


def write_all(path: Path, events: list[event_pb2.Event]) -> None:
    with path.open("wb") as file:
        for event in events:
            event_file.write_record(file, event.SerializeToString())


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 63, 64, 1000])
def test_the_checksum_is_tensorboards(length: int) -> None:
    for data in (RNG.bytes(length), bytes(length), b"\xff" * length):
        assert event_file.masked_crc32c(data) == pywrap_tensorflow.masked_crc32c(data)


def test_our_bytes_are_those_of_tensorboards_writer() -> None:
    ours, theirs = io.BytesIO(), io.BytesIO()
    for event in EVENTS:
        event_file.write_record(ours, event.SerializeToString())
        RecordWriter(theirs).write(event.SerializeToString())
    assert ours.getvalue() == theirs.getvalue()


@pytest.mark.filterwarnings("ignore")  # TensorFlow's own, at import
def test_tensorboard_reads_what_we_write(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    write_all(path, EVENTS)
    assert list(RawEventFileLoader(str(path)).Load()) == [event.SerializeToString() for event in EVENTS]
    reader = PyRecordReader_New(str(path))  # the stub's: it checks the checksums in Python
    for event in EVENTS:
        reader.GetNext()
        assert reader.record() == event.SerializeToString()


def test_we_read_what_tensorboard_writes(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    with path.open("wb") as file:
        writer = RecordWriter(file)
        for event in EVENTS:
            writer.write(event.SerializeToString())
    assert list(event_file.read_events(path)) == EVENTS


def test_a_torn_end_is_passed_over_wherever_it_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "events"
    write_all(path, EVENTS[:3])
    whole = path.read_bytes()
    ends = []
    write_all(path, EVENTS[:2])
    ends = [len(path.read_bytes()), len(whole)]
    for length in range(ends[0], ends[1] + 1):
        path.write_bytes(whole[:length])
        assert len(list(event_file.read_events(path))) == (3 if length == ends[1] else 2)


@pytest.mark.parametrize("place", ["length", "length's checksum", "data", "checksum"])
def test_damage_in_the_middle_is_an_error_with_its_place(tmp_path: Path, place: str) -> None:
    path = tmp_path / "events"
    write_all(path, EVENTS[5:7])
    damaged = bytearray(path.read_bytes())
    first = 16 + len(EVENTS[5].SerializeToString())
    damaged[first + {"length": 0, "length's checksum": 9, "data": 20, "checksum": -1}[place]] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=f"byte {0 if place == 'checksum' else first} is damaged"):
        list(event_file.read_events(path))


def test_a_record_that_is_no_event_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "events"
    with path.open("wb") as file:
        event_file.write_record(file, b"\xff\xff\xff")
    with pytest.raises(ValueError, match="not an event"):
        list(event_file.read_events(path))
