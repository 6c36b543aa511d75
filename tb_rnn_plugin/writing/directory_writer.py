"""Writing into a directory: an event file of our own, from a background thread."""

import atexit
import collections
import contextlib
import dataclasses
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
from tb_rnn_plugin.writing.summary_events import EventWriter, SummaryEvent, Write, events

# Bounds the memory of what waits to be written: when as many writes are waiting, the training loop waits too.
_MOST_WAITING = 8
# Of these, how many may wait for their gradients through time to be computed; of more, the oldest go without.
_MOST_COMPUTATIONS = 4


@dataclasses.dataclass(eq=False)
class _Waiting:
    """A write that waits in the queue.

    Attributes:
        write: The write.
        computes: Whether what follows from its recurrences is still to be computed.
    """

    write: Write
    computes: bool


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
            start = event_pb2.Event(wall_time=time.time(), file_version=FILE_VERSION)
            self._append(start.SerializeToString())
        except OSError as error:
            reason = f"writer: expected a directory that can be written to, got {str(directory)!r} ({error.strerror})"
            raise OSError(error.errno, reason) from error
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(_MOST_WAITING)
        self._computations = _Computations()
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
        """Whether the job started over, here or in another process: what was written from this step on is outdated."""
        continues, self._continues_a_job = self._continues_a_job, False
        return continues or any(event.step <= self.last_steps.get(tag, -1) for tag in event.tags)

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
            warnings.warn(
                f"rnn_summary.write: gradients through time, gates and cell states of {dropped} writes to "
                f"{self.path.parent} are left out, since writes come faster than these can be computed; all else is "
                "written. Write less often (every=), keep fewer samples, or turn them off (bptt=False).",
                RuntimeWarning,
                stacklevel=4,
            )
        if failure is not None:
            warnings.warn(
                f"rnn_summary.write: a step could not be written to {self.path} and is lost ({failure}); earlier "
                f"ones are not.",
                RuntimeWarning,
                stacklevel=4,
            )


class _Computations:
    """The writes that wait for something to be computed: bounded, so that they keep neither memory nor training busy.

    Where more are waiting than may, the oldest go without: what is newest is what is looked at.
    """

    def __init__(self) -> None:
        self._waiting: collections.deque[_Waiting] = collections.deque()
        self._lock = threading.Lock()
        self._dropped = 0
        self._said = 0

    def waiting(self, write: Write) -> _Waiting:
        """A write that is about to be queued."""
        made = _Waiting(write, any(record.recurrence and record.recurrence.quantities for record in write.records))
        if made.computes:
            with self._lock:
                self._waiting.append(made)
                while len(self._waiting) > _MOST_COMPUTATIONS:
                    self._waiting.popleft().computes = False
                    self._dropped += 1
        return made

    def begin(self, waiting: _Waiting) -> bool:
        """Whether the computation of a write that leaves the queue is to be made."""
        with self._lock:
            if waiting.computes:
                self._waiting.remove(waiting)
            return waiting.computes

    def dropped(self, *, last: bool) -> int:
        """How many there were that went without, when it is time to say so: not at each one, nor with none more."""
        with self._lock:
            due = self._dropped > self._said and (last or self._dropped >= 2 * self._said)
            if due:
                self._said = self._dropped
            return self._dropped if due else 0


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
