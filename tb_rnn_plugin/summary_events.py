"""A call of `rnn_summary.write` as TensorBoard's events; knows no file."""

import abc
import dataclasses
from collections.abc import Iterator, Sequence

from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2

from tb_rnn_plugin import metadata
from tb_rnn_plugin.encoding import DType, encode
from tb_rnn_plugin.record import LayerRecord


@dataclasses.dataclass(frozen=True)
class Write:
    """One call of `rnn_summary.write`: validated, not yet encoded."""

    records: Sequence[LayerRecord]
    step: int
    wall_time: float
    samples: int | None
    dtype: DType


@dataclasses.dataclass(frozen=True)
class Value:
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


def values(record: LayerRecord, position: int, write: Write) -> Iterator[Value]:
    """The light summary and the arrays of every quantity of a record, which is at `position` in model order."""
    layer = metadata.layer_message(record, position)
    for encoded in encode(record, samples=write.samples, dtype=write.dtype):
        for plugin_name, content in (
            (metadata.PLUGIN_NAME, encoded.summary),
            (metadata.ARRAYS_PLUGIN_NAME, encoded.blobs),
        ):
            yield Value(
                metadata.tag(plugin_name, record.name, encoded.quantity),
                metadata.summary_metadata(plugin_name, layer, encoded.quantity),
                content,
            )


def events(write: Write) -> Iterator[event_pb2.Event]:
    """One event a record: it is in the file as a whole, or not at all."""
    for position, record in enumerate(write.records):
        summary = summary_pb2.Summary(value=[value.proto for value in values(record, position, write)])
        yield event_pb2.Event(wall_time=write.wall_time, step=write.step, summary=summary)


class EventWriter(abc.ABC):
    """What `rnn_summary.write` hands its records to."""

    @abc.abstractmethod
    def write(self, write: Write) -> None:
        """Writes, or queues to be written."""

    @abc.abstractmethod
    def flush(self) -> None:
        """Returns when everything written so far is in the file."""
