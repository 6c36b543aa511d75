"""A call of `rnn_summary.write` as TensorBoard's events; knows no file."""

import abc
import dataclasses
import struct
from collections.abc import Iterator, Sequence

from google.protobuf.message import Message
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2

from tb_rnn_plugin import metadata
from tb_rnn_plugin.derivation import Completion, completed_at_once
from tb_rnn_plugin.diagnosis import DiagnosisOptions, RunDiagnosis
from tb_rnn_plugin.encoding import DType, encode
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.rnn_data_pb2 import Measure


@dataclasses.dataclass(frozen=True)
class Write:
    """One call of `rnn_summary.write`: validated, not yet encoded."""

    records: Sequence[LayerRecord]
    step: int
    wall_time: float
    samples: int | None
    dtype: DType
    diagnosis: RunDiagnosis = dataclasses.field(default_factory=RunDiagnosis)
    options: DiagnosisOptions = dataclasses.field(default_factory=DiagnosisOptions)


@dataclasses.dataclass(frozen=True)
class Value:
    """One tagged value of a record: a light summary, a sequence of blobs, or a scalar."""

    tag: str
    metadata: summary_pb2.SummaryMetadata
    content: bytes | list[bytes] | float

    def pieces(self) -> Iterator[bytes]:
        """The message Summary.Value in the wire format, in pieces that are to be written one after the other.

        A light summary is a string of rank 0; blobs are of rank exactly 1, a scalar is a float32 of rank 0, or the
        default loader drops them.
        """
        if isinstance(self.content, float):
            scalar = tensor_pb2.TensorProto(
                dtype=types_pb2.DT_FLOAT,
                tensor_shape=tensor_shape_pb2.TensorShapeProto(),
                tensor_content=struct.pack("<f", self.content),
            )
            yield summary_pb2.Summary.Value(tag=self.tag, metadata=self.metadata, tensor=scalar).SerializeToString()
            return
        blobs = self.content if isinstance(self.content, list) else [self.content]
        dims = [tensor_shape_pb2.TensorShapeProto.Dim(size=len(blobs))] if isinstance(self.content, list) else []
        shape = tensor_shape_pb2.TensorShapeProto(dim=dims)
        tensor = [tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, tensor_shape=shape).SerializeToString()]
        for blob in blobs:
            tensor += [_field(_STRING_VAL, len(blob)), blob]
        yield summary_pb2.Summary.Value(tag=self.tag, metadata=self.metadata).SerializeToString()
        yield _field(_TENSOR, sum(map(len, tensor)))
        yield from tensor


def values(record: LayerRecord, position: int, write: Write) -> Iterator[Value]:
    """The light summary and the arrays of every quantity of a record, which is at `position` in model order.

    After them come its chief measures, as scalars.
    """
    layer = metadata.layer_message(record, position)
    diagnosis, options = write.diagnosis, write.options

    def measured(quantity: str) -> list[Measure]:
        return diagnosis.measures(record, quantity, write.step, write.samples, options.thresholds)

    stored = encode(record, samples=write.samples, dtype=write.dtype, measured=measured)
    for encoded in stored:
        for plugin_name, content in (
            (metadata.PLUGIN_NAME, encoded.summary),
            (metadata.ARRAYS_PLUGIN_NAME, encoded.blobs),
        ):
            yield Value(
                metadata.tag(plugin_name, record.name, encoded.quantity),
                metadata.summary_metadata(plugin_name, layer, encoded.quantity),
                content,
            )
    headers = [(encoded.quantity, encoded.header) for encoded in stored]
    for measure, scalar in diagnosis.observe(layer, write.step, headers, options).items():
        yield Value(metadata.scalar_tag(record.name, measure), metadata.scalar_metadata(), scalar)


@dataclasses.dataclass(frozen=True)
class SummaryEvent:
    """One record as an event of TensorBoard: it is in the file as a whole, or not at all.

    Attributes:
        step: Its step.
        wall_time: When it was written.
        tags: Of its values.
        pieces: The message Event in the wire format. Protobuf would copy megabytes twice on the way there.
    """

    step: int
    wall_time: float
    tags: tuple[str, ...]
    pieces: tuple[bytes, ...]


def completed_records(write: Write, completion: Completion = completed_at_once) -> Iterator[tuple[int, LayerRecord]]:
    """The records with what follows from their recurrences, and the place of each in model order."""
    for position, record in enumerate(write.records):
        done = completion(record)
        if done is not None:
            yield position, done


def events(write: Write, completion: Completion = completed_at_once) -> Iterator[SummaryEvent]:
    """An event for each record."""
    for position, record in completed_records(write, completion):
        of_record = list(values(record, position, write))
        summary: list[bytes] = []
        for value in of_record:
            pieces = list(value.pieces())
            summary += [_field(_VALUE, sum(map(len, pieces))), *pieces]
        head = event_pb2.Event(wall_time=write.wall_time, step=write.step).SerializeToString()
        head += _field(_SUMMARY, sum(map(len, summary)))
        tags = tuple(value.tag for value in of_record)
        yield SummaryEvent(write.step, write.wall_time, tags, (head, *summary))
    write.diagnosis.judge(write.options)


def _number(message: Message, field: str) -> int:
    return int(message.DESCRIPTOR.fields_by_name[field].number)


_STRING_VAL = _number(tensor_pb2.TensorProto(), "string_val")
_TENSOR = _number(summary_pb2.Summary.Value(), "tensor")
_VALUE = _number(summary_pb2.Summary(), "value")
_SUMMARY = _number(event_pb2.Event(), "summary")
_LENGTH_DELIMITED = 2


def _field(number: int, length: int) -> bytes:
    """What stands before a field of bytes, a string or a message."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(length)


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


class EventWriter(abc.ABC):
    """What `rnn_summary.write` hands its records to.

    Attributes:
        diagnosis: Of the run that is written to.
    """

    diagnosis: RunDiagnosis

    @abc.abstractmethod
    def write(self, write: Write) -> None:
        """Writes, or queues to be written."""

    @abc.abstractmethod
    def flush(self) -> None:
        """Returns when everything written so far is in the file."""
