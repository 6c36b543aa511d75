"""The light summaries of a log directory as histories of layers, without TensorBoard."""

import os
from collections.abc import Mapping
from pathlib import Path

from tb_rnn_plugin.diagnostics.histories import LayerHistory, QuantityHistory, quantity_history
from tb_rnn_plugin.diagnostics.thresholds import Thresholds
from tb_rnn_plugin.encoding import decode_summary
from tb_rnn_plugin.event_file import event_files, read_events
from tb_rnn_plugin.metadata import PLUGIN_NAME, parse_series_metadata
from tb_rnn_plugin.rnn_data_pb2 import Layer, QuantitySummary, SeriesMetadata

_Series = dict[tuple[str, str], tuple[Layer, list[tuple[int, QuantitySummary]]]]


def run_directories(log_directory: Path) -> dict[str, Path]:
    """Run to directory: every directory with event files, named as TensorBoard names it.

    Raises:
        OSError: If there is no such directory.
    """
    if not log_directory.is_dir():
        raise NotADirectoryError(f"LOGDIR: {log_directory} is not a directory.")
    found = {}
    for directory, _, files in sorted(os.walk(log_directory, followlinks=True)):
        if any("tfevents" in name for name in files):
            found[Path(directory).relative_to(log_directory).as_posix()] = Path(directory)
    return found


def layer_histories(directory: Path, thresholds: Thresholds) -> list[LayerHistory]:
    """The histories of the layers of one run, in model order; empty where it has no RNN data.

    Raises:
        OSError: If a file can't be read.
        ValueError: If a file is damaged.
    """
    layers: dict[str, tuple[Layer, dict[str, QuantityHistory]]] = {}
    for (name, quantity), (layer, steps) in _series(directory).items():
        history = quantity_history(
            layer, quantity, [step for step, _ in steps], [summary for _, summary in steps], thresholds
        )
        layers.setdefault(name, (layer, {}))[1][quantity] = history
    return [
        LayerHistory(layer, quantities)
        for layer, quantities in sorted(layers.values(), key=lambda found: (found[0].position, found[0].name))
    ]


def _series(directory: Path) -> Mapping[tuple[str, str], tuple[Layer, list[tuple[int, QuantitySummary]]]]:
    found: _Series = {}
    for path in event_files(directory):
        known: dict[str, SeriesMetadata | None] = {}  # a tf.summary writer gives metadata with a tag's first value only
        for event in read_events(path):
            for value in event.summary.value:
                plugin = value.metadata.plugin_data
                if plugin.plugin_name == PLUGIN_NAME:
                    known[value.tag] = parse_series_metadata(plugin.content)
                series = known.get(value.tag)
                summary = decode_summary(value.tensor.string_val[0]) if series and value.tensor.string_val else None
                if series is not None and summary is not None:
                    key = series.layer.name, series.quantity
                    steps = found.setdefault(key, (series.layer, []))[1]
                    while steps and steps[-1][0] >= event.step:  # a restarted job overtakes what it wrote before
                        steps.pop()
                    steps.append((event.step, summary))
    return found
