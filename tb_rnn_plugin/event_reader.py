"""Event files back to LayerRecords, without TensorBoard: for notebooks and tests."""

from collections.abc import Iterator
from pathlib import Path

from tensorboard.compat.proto import summary_pb2

from tb_rnn_plugin.encoding import ArrayKey, decode_record, read_arrays
from tb_rnn_plugin.event_file import event_files, read_events
from tb_rnn_plugin.metadata import ARRAYS_PLUGIN_NAME, parse_series_metadata
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tb_rnn_plugin.rnn_data_pb2 import Layer, SeriesMetadata


class NoRnnDataError(ValueError):
    """The event files of a directory hold none of our data."""


def read_records(directory: Path, layer: str | None) -> Iterator[tuple[int, LayerRecord]]:
    """Steps and records of the event files in a directory, in the order in which they were written.

    Raises:
        OSError: If there is no such directory.
        NoRnnDataError: If there is none.
        ValueError: If there is no such layer, or an event file is damaged.
    """
    return _read(directory, event_files(directory), layer)


def _read(directory: Path, files: list[Path], layer: str | None) -> Iterator[tuple[int, LayerRecord]]:
    found: set[str] = set()
    for path in files:
        # A tf.summary writer makes an event of every quantity, so a record ends where another layer or step begins.
        collected: dict[str, dict[ArrayKey, FloatArray]] = {}
        current: tuple[int, Layer] | None = None
        for step, series, value in _array_values(path):
            found.add(series.layer.name)
            if layer is not None and series.layer.name != layer:
                continue
            if current is not None and (current != (step, series.layer) or series.quantity in collected):
                yield current[0], decode_record(current[1], collected)
                collected = {}
            current = step, series.layer
            collected[series.quantity] = read_arrays(list(value.tensor.string_val))
        if current is not None:
            yield current[0], decode_record(current[1], collected)
    if not found:
        raise NoRnnDataError(f"directory: {directory} holds no RNN data; expected the directory of one run.")
    if layer is not None and layer not in found:
        raise ValueError(f"layer: {directory} has {', '.join(sorted(found))}; got {layer!r}.")


def _array_values(path: Path) -> Iterator[tuple[int, SeriesMetadata, summary_pb2.Summary.Value]]:
    # A tf.summary writer gives metadata with a tag's first value only.
    known: dict[str, SeriesMetadata | None] = {}
    for event in read_events(path):
        for value in event.summary.value:
            plugin = value.metadata.plugin_data
            if plugin.plugin_name == ARRAYS_PLUGIN_NAME:
                known[value.tag] = parse_series_metadata(plugin.content)
            series = known.get(value.tag)
            if series is not None:
                yield event.step, series, value
