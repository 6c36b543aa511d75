"""Writing into a directory: an event file of our own, from a background thread."""

import atexit
import contextlib
import io
import itertools
import multiprocessing.util
import os
import queue
import socket
import threading
import time
import warnings
from pathlib import Path

from tensorboard.compat.proto import event_pb2

from tb_rnn_plugin.derivation import completed, without_recurrence
from tb_rnn_plugin.diagnosis import RunDiagnosis
from tb_rnn_plugin.event_file import FILE_VERSION, write_record
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.writing.computations import Computations, Waiting
from tb_rnn_plugin.writing.summary_events import EventWriter, SummaryEvent, Write, events

# Bounds the memory of what waits to be written: when as many writes are waiting, the training loop waits too.
_MOST_WAITING = 8


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
        # Another process may have written here, and TensorBoard keeps what it has read even where it was deleted since.
        self._may_overtake_others = last_steps is None
        self.last_steps = last_steps or {}
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self.path = directory / _file_name()
            self._file = self.path.open("xb", buffering=0)
            start = event_pb2.Event(wall_time=time.time(), file_version=FILE_VERSION)
            self._append(start.SerializeToString())
        except OSError as error:
            reason = f"writer: expected a directory that can be written to, got {str(directory)!r} ({error.strerror})"
            raise OSError(error.errno, reason) from error
        self._queue: queue.Queue[Waiting | None] = queue.Queue(_MOST_WAITING)
        self._computations = Computations()
        self._failure: Exception | None = None
        self._left_out: dict[str, str] = {}  # what, to the sentence that says so, as found by the thread
        self._said: set[str] = set()
        self._closed = False
        self.diagnosis = RunDiagnosis()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"tb_rnn_plugin {directory}", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def is_gone(self) -> bool:
        """Whether its file was deleted or moved: what is written now is not found where it is looked for."""
        try:
            self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:  # a file system that does not answer now; the open file may be well
            return False
        return False

    def write(self, write: Write) -> None:
        """Queues; waits only while the queue is full."""
        self._warn()
        with self._lock:
            if self._closed:
                raise ValueError(f"writer: {self.path.parent} was closed.")
            self._queue.put(self._computations.waiting(write))

    def flush(self) -> None:
        """Waits until the queue is empty."""
        self._queue.join()
        self._warn(last=True)

    def close(self) -> None:
        """Writes what is queued and closes the file. Calling it again does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self.diagnosis.forget()
        self._file.close()
        self._warn(last=True)

    def _run(self) -> None:
        while (waiting := self._queue.get()) is not None:
            try:
                completion = self._completed if self._computations.begin(waiting) else without_recurrence
                for event in events(waiting.write, completion):
                    if self._overtakes(event):
                        self._append_restart(event)
                    self._append(*event.pieces)
                    self.last_steps.update(dict.fromkeys(event.tags, event.step))
            except Exception as error:  # noqa: BLE001  # whatever it is, training goes on; the next write says it
                self._failure = error
            finally:
                self._queue.task_done()
        self._queue.task_done()

    def _completed(self, record: LayerRecord) -> LayerRecord | None:
        return completed(record, self._left_out.setdefault)

    def _append(self, *event: bytes) -> None:
        end = self._file.tell()
        try:
            write_record(_Whole(self._file), *event)
        except OSError:
            # A full disk may have taken half a record; behind a torn record nothing could be read any more.
            with contextlib.suppress(OSError):
                self._file.seek(end)
                self._file.truncate()
            raise

    def _overtakes(self, event: SummaryEvent) -> bool:
        """Whether a job starts over, this one or perhaps another: what was written from this step on is outdated."""
        others, self._may_overtake_others = self._may_overtake_others, False
        return others or any(event.step <= self.last_steps.get(tag, -1) for tag in event.tags)

    def _append_restart(self, event: SummaryEvent) -> None:
        """Makes TensorBoard's Python loader forget what this event overtakes, as the default loader does by itself.

        It forgets every tag of the run, so where another writer's scalars are, it is left alone. Of a run's session
        starts it takes the first for the start of the job and only those after it for a restart, hence two.
        """
        self.last_steps = {tag: step for tag, step in self.last_steps.items() if step < event.step}
        if _other_writers(self.path.parent):
            return
        session_log = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        for _ in range(2):
            restart = event_pb2.Event(wall_time=event.wall_time, step=event.step, session_log=session_log)
            self._append(restart.SerializeToString())

    def _warn(self, *, last: bool = False) -> None:
        """Says what went wrong since the last call; at the last one all of it."""
        failure, self._failure = self._failure, None
        for what, sentence in list(self._left_out.items()):
            if what not in self._said:
                self._said.add(what)
                warnings.warn(f"rnn_summary: {sentence}", stacklevel=4)
        dropped = self._computations.dropped(last=last)
        if dropped:
            writes = "1 write" if dropped == 1 else f"{dropped} writes"
            warnings.warn(
                f"rnn_summary.write: gradients through time, gates and cell states of {writes} to "
                f"{self.path.parent} are left out, since writes come faster than these can be computed; all else is "
                "written. Write less often (every=), keep fewer samples, or turn them off (bptt=False).",
                RuntimeWarning,
                stacklevel=4,
            )
        if failure is not None:
            warnings.warn(
                f"rnn_summary.write: a step could not be written to {self.path} and is lost ({failure}); earlier ones "
                "are not.",
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
            "--load_fast=false reads only the newest file of a directory, so scalars written there may seem to stop. "
            "Pass that writer itself to rnn_summary.write, or a directory of its own, or start TensorBoard with "
            "--reload_multifile=true.",
            UserWarning,
            stacklevel=6,
        )


_directory_writers: dict[tuple[Path, int], DirectoryWriter] = {}
_directory_writers_lock = threading.Lock()


def directory_writer(directory: str | bytes) -> DirectoryWriter:
    """The one writer that this process has for a directory, opened when it is first asked for.

    Raises:
        OSError: If the directory can't be made or written to.
        ValueError: If it is an address that is not a directory.
    """
    if isinstance(directory, bytes) or "://" in directory:
        raise ValueError(
            f"writer: expected a directory of this machine, got {directory!r}. For an object store pass a tf.summary "
            "writer."
        )
    key = _key(directory)
    with _directory_writers_lock:
        writer = _directory_writers.get(key)
        if writer is None or writer.closed:
            # A process forked from one that wrote here goes on with its job, as the process itself does.
            before = writer or next((known for (path, _), known in _directory_writers.items() if path == key[0]), None)
            return _opened(key, dict(before.last_steps) if before is not None else None)
        if writer.is_gone:  # logs were cleared for another training, most likely in a notebook
            try:
                opened = _opened(key, None)
            except OSError as error:  # not at the beginning of a training, which is worth more than its log
                warnings.warn(
                    f"rnn_summary.write: {writer.path} was deleted or moved, and no other file can be written in its "
                    f"place, so that steps are lost: {error}",
                    RuntimeWarning,
                    stacklevel=4,
                )
            else:
                writer.close()
                return opened
        return writer


def opened_writer(directory: str | bytes) -> DirectoryWriter | None:
    """The one that this process has opened for a directory; None where it has not written there."""
    with _directory_writers_lock:
        return _directory_writers.get(_key(directory))


def _key(directory: str | bytes) -> tuple[Path, int]:
    # A forked process has no thread of the writer it inherited, so it gets one, and a file, of its own.
    return Path(os.fsdecode(directory)).absolute(), os.getpid()


def _opened(key: tuple[Path, int], last_steps: dict[str, int] | None) -> DirectoryWriter:
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
