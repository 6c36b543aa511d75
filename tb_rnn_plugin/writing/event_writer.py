"""Where records go: a directory of our own, the user's tf.summary writer, or the user's torch SummaryWriter."""

import contextlib
import functools
import os
import sys
import warnings
from typing import Any

from tensorboard.compat.proto import event_pb2

from tb_rnn_plugin.diagnosis import of_writer
from tb_rnn_plugin.event_file import write_record
from tb_rnn_plugin.writing.directory_writer import directory_writer, opened_writer
from tb_rnn_plugin.writing.summary_events import EventWriter, Write, completed_records, events, values


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
        return directory_writer(os.fspath(writer))
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


def opened(writer: object) -> EventWriter | None:
    """As `resolve`, but None for a directory that this process has not written into: no file is made there.

    Of the processes of a distributed training only the first one writes. A second file, though empty, would have
    TensorBoard's --load_fast=false stop reading the first.
    """
    return opened_writer(os.fspath(writer)) if isinstance(writer, str | os.PathLike) else resolve(writer)


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
        self.diagnosis = of_writer(writer)
        if writer is None:
            with tf.summary.record_if(True):  # then only a missing writer says no
                if not tf.summary.should_record_summaries():
                    raise ValueError(_NO_WRITER)

    def write(self, write: Write) -> None:
        """Writes at once: the user may close the writer at any time. Heeds the user's `tf.summary.record_if`."""
        tf = self._tf
        with self._writer.as_default() if self._writer is not None else contextlib.nullcontext(), tf.device("cpu:0"):
            for position, record in completed_records(write):
                for value in values(record, position, write):
                    kind = tf.float32 if isinstance(value.content, float) else tf.string
                    tensor = tf.constant(value.content, dtype=kind)
                    tf.summary.write(value.tag, tensor, step=write.step, metadata=value.metadata)
        write.diagnosis.judge(write.options)

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
        self.diagnosis = of_writer(writer)

    def write(self, write: Write) -> None:
        """Hands the events to the writer's own queue at once: the user may close the writer at any time."""
        file_writer = self._writer._get_file_writer()  # noqa: SLF001  # the way in that SummaryWriter's own add_* take
        _use_native_crc(file_writer)
        for event in events(write):
            proto = event_pb2.Event.FromString(b"".join(event.pieces))
            file_writer.add_event(proto, event.step, event.wall_time)

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
            "checksummed in pure Python, which slows training. Pass a directory to rnn_summary.write.",
            RuntimeWarning,
            stacklevel=5,
        )
        return
    if "write" not in vars(record_writer):
        record_writer.write = functools.partial(write_record, file)
