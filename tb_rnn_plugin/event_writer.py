"""Where records go: a directory of our own, the user's tf.summary writer, or the user's torch SummaryWriter."""

import abc
import atexit
import contextlib
import dataclasses
import functools
import io
import itertools
import multiprocessing.util
import os
import queue
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2

from tb_rnn_plugin import metadata
from tb_rnn_plugin.encoding import DType, encode
from tb_rnn_plugin.event_file import FILE_VERSION, write_record
from tb_rnn_plugin.record import LayerRecord

# Bounds the memory of what waits to be written: when as many writes are waiting, the training loop waits too.
_MOST_WAITING = 8


@dataclasses.dataclass(frozen=True)
class Write:
    """One call of `rnn_summary.write`: validated, not yet encoded."""

    records: Sequence[LayerRecord]
    step: int
    wall_time: float
    samples: int | None
    dtype: DType


@dataclasses.dataclass(frozen=True)
class _Value:
    """One tagged value of a record: a light summary, or a sequence of blobs."""

    tag: str
    metadata: summary_pb2.SummaryMetadata
    content: bytes | list[bytes]

    @property
    def proto(self) -> summary_pb2.Summary.Value:
        """A light summary is a string of rank 0; blobs are of rank exactly 1, or the default loader drops them."""
        is_list = isinstance(self.content, list)
        shape = [tensor_shape_pb2.TensorShapeProto.Dim(size=len(self.content))] if is_list else []
        tensor = tensor_pb2.TensorProto(
            dtype=types_pb2.DT_STRING,
            tensor_shape=tensor_shape_pb2.TensorShapeProto(dim=shape),
            string_val=self.content if isinstance(self.content, list) else [self.content],
        )
        return summary_pb2.Summary.Value(tag=self.tag, metadata=self.metadata, tensor=tensor)


def _values(record: LayerRecord, position: int, write: Write) -> Iterator[_Value]:
    layer = metadata.layer_message(record, position)
    for encoded in encode(record, samples=write.samples, dtype=write.dtype):
        for plugin_name, content in (
            (metadata.PLUGIN_NAME, encoded.summary),
            (metadata.ARRAYS_PLUGIN_NAME, encoded.blobs),
        ):
            yield _Value(
                metadata.tag(plugin_name, record.name, encoded.quantity),
                metadata.summary_metadata(plugin_name, layer, encoded.quantity),
                content,
            )


def _events(write: Write) -> Iterator[event_pb2.Event]:
    """One event a record: it is in the file as a whole, or not at all."""
    for position, record in enumerate(write.records):
        values = [value.proto for value in _values(record, position, write)]
        yield event_pb2.Event(wall_time=write.wall_time, step=write.step, summary=summary_pb2.Summary(value=values))


class EventWriter(abc.ABC):
    """What `rnn_summary.write` hands its records to."""

    @abc.abstractmethod
    def write(self, write: Write) -> None:
        """Writes, or queues to be written."""

    @abc.abstractmethod
    def flush(self) -> None:
        """Returns when everything written so far is in the file."""


class DirectoryWriter(EventWriter):
    """Writes into an event file of its own, from a background thread, as fast as the disk.

    The file is not buffered: what was written survives a crash of the process. What is still queued then is lost.

    Attributes:
        path: The file.
        last_steps: Tag to the step that was last written of it in this directory, as far as this process knows.
    """

    def __init__(self, directory: Path, last_steps: dict[str, int] | None = None) -> None:
        """Opens the file.

        Args:
            directory: Where to.
            last_steps: Those of the writer before, where this process has written to the directory already.

        Raises:
            OSError: If the directory can't be made or written to.
        """
        _warn_of_other_writers(directory)
        self._continues_a_job = last_steps is None and any(directory.glob(_OWN_FILES))
        self.last_steps = last_steps or {}
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self.path = directory / _file_name()
            self._file = self.path.open("xb", buffering=0)
            self._append(event_pb2.Event(wall_time=time.time(), file_version=FILE_VERSION))
        except OSError as error:
            reason = f"writer: expected a directory that can be written to, got {str(directory)!r} ({error.strerror})"
            raise OSError(error.errno, reason) from error
        self._queue: queue.Queue[Write | None] = queue.Queue(_MOST_WAITING)
        self._failure: Exception | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"tb_rnn_plugin {directory}", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def write(self, write: Write) -> None:
        """Queues; waits only while the queue is full."""
        self._warn_of_failure()
        with self._lock:
            if self._closed:
                raise ValueError(f"writer: {self.path.parent} was closed.")
            self._queue.put(write)

    def flush(self) -> None:
        """Waits until the queue is empty."""
        self._queue.join()
        self._warn_of_failure()

    def close(self) -> None:
        """Writes what is queued and closes the file. Calling it again does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self._file.close()
        self._warn_of_failure()

    def _run(self) -> None:
        while (write := self._queue.get()) is not None:
            try:
                for event in _events(write):
                    if self._overtakes(event):
                        self._append_restart(event)
                    self._append(event)
                    self.last_steps.update((value.tag, event.step) for value in event.summary.value)
            except Exception as error:  # noqa: BLE001  # whatever it is, training goes on; the next write says it
                self._failure = error
            finally:
                self._queue.task_done()
        self._queue.task_done()

    def _append(self, event: event_pb2.Event) -> None:
        end = self._file.tell()
        try:
            write_record(_Whole(self._file), event.SerializeToString())
        except OSError:
            # A full disk may have taken half a record; behind a torn record nothing could be read any more.
            with contextlib.suppress(OSError):
                self._file.seek(end)
                self._file.truncate()
            raise

    def _overtakes(self, event: event_pb2.Event) -> bool:
        """Whether the job started over, here or in another process: what was written from this step on is outdated."""
        continues, self._continues_a_job = self._continues_a_job, False
        return continues or any(event.step <= self.last_steps.get(value.tag, -1) for value in event.summary.value)

    def _append_restart(self, event: event_pb2.Event) -> None:
        """Makes TensorBoard's Python loader forget what this event overtakes, as the default loader does by itself.

        It forgets every tag of the run, so where another writer's scalars are, it is left alone. Of a run's session
        starts it takes the first for the start of the job and only those after it for a restart, hence two.
        """
        self.last_steps = {tag: step for tag, step in self.last_steps.items() if step < event.step}
        if _other_writers(self.path.parent):
            return
        session_log = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        for _ in range(2):
            self._append(event_pb2.Event(wall_time=event.wall_time, step=event.step, session_log=session_log))

    def _warn_of_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            warnings.warn(
                f"rnn_summary.write: a step could not be written to {self.path} and is lost ({failure}); earlier "
                f"ones are not.",
                RuntimeWarning,
                stacklevel=4,
            )


class _Whole:
    """Writes all of what it is given: an unbuffered file may take a part of it and say so, on a full disk for one."""

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) or 0 :]


_OWN_FILES = "*tfevents*.rnn"
_file_number = itertools.count()


def _file_name() -> str:
    """A name that no other writer has, in this process or another, and that sorts behind those of older files.

    TensorBoard reads files in the order of their names, and would never read one that comes before the last.
    """
    return f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}.{next(_file_number)}.rnn"


def _other_writers(directory: Path) -> list[str]:
    return [path.name for path in directory.glob("*tfevents*") if not path.match(_OWN_FILES)]


def _warn_of_other_writers(directory: Path) -> None:
    others = _other_writers(directory)
    if others:
        warnings.warn(
            f"writer: {directory} already holds an event file of another writer ({others[0]}). TensorBoard's "
            f"--load_fast=false "
            "reads only the newest file of a directory, so scalars written there may seem to stop. Pass that writer "
            "itself to "
            "rnn_summary.write, or a directory of its own, or start TensorBoard with --reload_multifile=true.",
            UserWarning,
            stacklevel=6,
        )


class TensorFlowWriter(EventWriter):
    """Writes through a tf.summary writer, or the default one."""

    def __init__(self, writer: Any | None) -> None:  # TensorFlow's type, which is not imported here
        """Takes the user's writer; None: the default one.

        Raises:
            ValueError: If it is None and there is no default writer.
        """
        import tensorflow as tf  # noqa: PLC0415  # only for the user's own TensorFlow objects

        self._tf = tf
        self._writer = writer
        if writer is None:
            with tf.summary.record_if(True):  # then only a missing writer says no
                if not tf.summary.should_record_summaries():
                    raise ValueError(_NO_WRITER)

    def write(self, write: Write) -> None:
        """Writes at once: the user may close the writer at any time. Heeds the user's `tf.summary.record_if`."""
        tf = self._tf
        with self._writer.as_default() if self._writer is not None else contextlib.nullcontext(), tf.device("cpu:0"):
            for position, record in enumerate(write.records):
                for value in _values(record, position, write):
                    tensor = tf.constant(value.content, dtype=tf.string)
                    tf.summary.write(value.tag, tensor, step=write.step, metadata=value.metadata)

    def flush(self) -> None:
        """Flushes the user's writer, which TensorFlow would do every two minutes."""
        self._tf.summary.flush(self._writer)


_NO_WRITER = (
    "writer: left out, and TensorFlow has no default summary writer. Pass a directory, a tf.summary writer or a torch "
    "SummaryWriter, or call inside `with tf.summary.create_file_writer(…).as_default():`."
)


class TorchWriter(EventWriter):
    """Writes through a torch SummaryWriter, with a native CRC in place of its pure-Python one."""

    def __init__(self, writer: Any) -> None:  # torch's type, which is not imported here
        """Takes the user's writer."""
        self._writer = writer

    def write(self, write: Write) -> None:
        """Hands the events to the writer's own queue at once: the user may close the writer at any time."""
        file_writer = self._writer._get_file_writer()  # noqa: SLF001  # the way in that SummaryWriter's own add_* take
        _use_native_crc(file_writer)
        for event in _events(write):
            file_writer.add_event(event, write.step, write.wall_time)

    def flush(self) -> None:
        """Flushes the user's writer."""
        self._writer.flush()


def _use_native_crc(file_writer: Any) -> None:  # torch's type, which is not imported here
    """Lets this one file's RecordWriter write the same bytes with a native CRC: 368 MB/s in place of 3-8.

    TensorBoard offers no way to choose one, so this reaches into the one instance; its class stays as it is.
    """
    try:
        record_writer = file_writer.event_writer._async_writer._writer  # noqa: SLF001
        file = record_writer._writer  # noqa: SLF001
    except AttributeError:
        warnings.warn(
            "writer: this SummaryWriter is built in another way than TensorBoard 2.21's, so its records are "
            "checksummed in "
            "pure Python, which slows training. Pass a directory to rnn_summary.write.",
            RuntimeWarning,
            stacklevel=5,
        )
        return
    if "write" not in vars(record_writer):
        record_writer.write = functools.partial(write_record, file)


_directory_writers: dict[tuple[Path, int], DirectoryWriter] = {}
_directory_writers_lock = threading.Lock()


def resolve(writer: object) -> EventWriter:
    """The EventWriter for what the user passed as `writer`.

    Raises:
        TypeError: If it is nothing that can be written to.
        OSError: If it is a directory that can't be made or written to.
        ValueError: If it was left out and TensorFlow has no default writer, or is an address that is not a directory.
    """
    if isinstance(writer, EventWriter):
        return writer
    if isinstance(writer, str | os.PathLike):
        return _directory_writer(os.fspath(writer))
    if writer is None:
        if "tensorflow" not in sys.modules:
            raise ValueError(_NO_WRITER)
        return TensorFlowWriter(None)
    modules = [base.__module__ for base in type(writer).__mro__]
    if any(module.startswith("tensorflow.") for module in modules) and hasattr(writer, "as_default"):
        return TensorFlowWriter(writer)
    if any(module.startswith("torch.utils.tensorboard") for module in modules):
        return TorchWriter(writer)
    raise TypeError(
        "writer: expected a directory (str or Path), a tf.summary writer or a torch SummaryWriter, "
        f"got {type(writer).__module__}.{type(writer).__qualname__}."
    )


def _directory_writer(directory: str | bytes) -> DirectoryWriter:
    if isinstance(directory, bytes) or "://" in directory:
        raise ValueError(
            f"writer: expected a directory of this machine, got {directory!r}. For an object store pass a "
            f"tf.summary writer."
        )
    # A forked process has no thread of the writer it inherited, so it gets one, and a file, of its own.
    key = (Path(directory).absolute(), os.getpid())
    with _directory_writers_lock:
        writer = _directory_writers.get(key)
        if writer is None or writer.closed:
            # A process forked from one that wrote here goes on with its job, as the process itself does.
            before = writer or next((known for (path, _), known in _directory_writers.items() if path == key[0]), None)
            last_steps = dict(before.last_steps) if before is not None else None
            writer = _directory_writers[key] = DirectoryWriter(key[0], last_steps)
            # A worker of multiprocessing (torch.multiprocessing.spawn, say) ends without running what atexit holds.
            multiprocessing.util.Finalize(None, writer.close, exitpriority=0)
        return writer


def flush() -> None:
    """Returns when everything written so far into directories is in their files."""
    for writer in _own_directory_writers():
        writer.flush()


@atexit.register
def close() -> None:
    """Writes what is queued and closes the files of all directories; a later write opens a new one."""
    for writer in _own_directory_writers():
        writer.close()


def _own_directory_writers() -> list[DirectoryWriter]:
    with _directory_writers_lock:
        return [writer for (_, process), writer in _directory_writers.items() if process == os.getpid()]
