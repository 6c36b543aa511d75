"""What the browser tests look at: logs of every kind of array that the tab has to draw, made from fixed seeds."""

import functools
from pathlib import Path

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.event_file import write_record
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tests.logs import floats

LAYER = "encoder/bilstm"
LAST_ONLY = "decoder/gru"
WIDE = "huge/bilstm"
STEPS = {"lstm": (0, 10, 20, 30), "gru": (0, 12, 20, 30)}
SAMPLES = 3
GATES = {"lstm": 4, "gru": 3}
UNITS = {"lstm": 4, "gru": 6}
TIMESTEPS = {"lstm": 20, "gru": 24}
# Names that an address must escape.
TINY = tuple(f"sweep/lr=0.{i}, n&{i}%" for i in range(1, 7))
RUNS = ("lstm", "gru", *TINY, "wide")
WIDE_SHAPE = (3000, 800)


@functools.cache
def gradient(run: str, step: int) -> FloatArray:
    """Fades towards the first timestep; in a sample of the LSTM's there are cells that are no numbers."""
    channels = UNITS[run] * (2 if run == "lstm" else 1)
    values = floats(100 + step, SAMPLES, TIMESTEPS[run], channels)
    values *= np.logspace(-9, -3, TIMESTEPS[run], dtype=np.float32)[:, None] * (1 + step)
    values[0, 3, 2] = 0
    if run == "lstm":
        values[1, 4, 1] = np.nan
        values[1, 5, 2] = np.inf
        values[1, 6, 6] = -np.inf
    return values


@functools.cache
def activation(run: str, step: int) -> FloatArray:
    channels = UNITS[run] * (2 if run == "lstm" else 1)
    return np.tanh(floats(200 + step, SAMPLES, TIMESTEPS[run], channels))


@functools.cache
def narrow(run: str, step: int) -> FloatArray:
    """All within [0.9, 1]: a table of colours by the upper half of a float would be too coarse."""
    values = activation(run, step)
    return (0.95 + 0.05 * values).astype(np.float32)


@functools.cache
def matrices(run: str, step: int) -> dict[str, dict[str, FloatArray]]:
    width = GATES[run] * UNITS[run]
    directions = ("forward", "backward") if run == "lstm" else ("forward",)
    bias = (2, width) if run == "gru" else (width,)
    return {
        direction: {
            "kernel": floats(300 + step + i, 3, width),
            "recurrent_kernel": floats(310 + step + i, UNITS[run], width),
            "bias": floats(320 + step + i, *bias) / np.float32(100),
        }
        for i, direction in enumerate(directions)
    }


def last_gradient() -> FloatArray:
    return floats(7, SAMPLES, 1, 5)


@functools.cache
def wide() -> FloatArray:
    """More timesteps and channels than there are pixels; of two million cells two are no numbers."""
    values = floats(9, 1, *WIDE_SHAPE)
    values[0, 1234, 77] = np.nan
    values[0, 2001, 555] = -np.inf
    return values


def records(run: str, step: int) -> list[LayerRecord]:
    layer = LayerRecord(
        LAYER,
        cell=run,
        units=UNITS[run],
        directions=("forward", "backward") if run == "lstm" else ("forward",),
        sequences={
            "activation": activation(run, step),
            "output_gradient": gradient(run, step),
            "gate/forget" if run == "lstm" else "gate/update": narrow(run, step),
        },
        weights=matrices(run, step),
        framework="keras",
    )
    if run == "lstm":
        return [layer]
    last = LayerRecord(LAST_ONLY, cell="gru", units=5, sequences={"output_gradient": last_gradient()})
    return [layer, last]


def tiny(step: int) -> LayerRecord:
    return LayerRecord("tiny", cell="rnn", units=3, sequences={"output_gradient": floats(step, 1, 8, 3)})


def write(directory: Path) -> None:
    for run, steps in STEPS.items():
        for step in steps:
            rnn_summary.write(records(run, step), step, directory / run)
    for run in TINY:
        rnn_summary.write(tiny(0), 0, directory / run)
    layer = LayerRecord(
        WIDE, cell="lstm", units=400, directions=("forward", "backward"), sequences={"output_gradient": wide()}
    )
    rnn_summary.write(layer, 0, directory / "wide")
    rnn_summary.close()


def write_steps(directory: Path, steps: range) -> None:
    """A run of many small steps, of which the loader keeps few; its writer stays open."""
    for step in steps:
        rnn_summary.write(tiny(step), step, directory)
    rnn_summary.flush()


def write_scalar(directory: Path) -> None:
    """A run that holds nothing for the tab."""
    directory.mkdir(parents=True)
    with (directory / "events.out.tfevents.1.host").open("wb") as file:
        value = summary_pb2.Summary.Value(tag="loss", simple_value=1.0)
        event = event_pb2.Event(wall_time=1.0, step=0, summary=summary_pb2.Summary(value=[value]))
        write_record(file, event_pb2.Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())
        write_record(file, event.SerializeToString())
