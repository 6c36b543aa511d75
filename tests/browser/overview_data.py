"""What the Overview is looked at with: a healthy net, one whose gradient vanishes, one with NaN, one without dL/dh."""

import functools
from pathlib import Path

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.event_file import write_record
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tests.logs import floats

LAYER = "encoder"
READER = "reader"
SAMPLES = 3
UNITS = 4
TIMESTEPS = {"healthy": 30, "vanishing": 30, "poisoned": 20}
STEPS = {
    "healthy": tuple(range(0, 120, 10)),
    "vanishing": tuple(range(0, 120, 10)),
    "poisoned": tuple(range(0, 90, 10)),
    "direct": tuple(range(0, 50, 10)),
}
DIRECTIONS = {"healthy": ("forward", "backward"), "vanishing": ("forward",), "poisoned": ("forward",)}
CELLS = {"healthy": "lstm", "vanishing": "rnn", "poisoned": "gru", "direct": "lstm"}
# The share of its norm that the gradient keeps from one timestep to the one before.
KEPT = {"healthy": 0.97, "vanishing": 0.15, "poisoned": 0.9}
NAN_SINCE = 50
NAN_TIMESTEP = 7


@functools.cache
def gradient(run: str, step: int) -> FloatArray:
    """dL/dh: it fades in the direction's own time, from its end on; of the poisoned run it is NaN from a step on."""
    timesteps = TIMESTEPS[run]
    halves = []
    for i, direction in enumerate(DIRECTIONS[run]):
        lags = np.arange(timesteps)[::-1] if direction == "forward" else np.arange(timesteps)
        values = floats(1000 + step + i, SAMPLES, timesteps, UNITS)
        values *= (1 + np.arange(SAMPLES) / 4)[:, None, None] / np.linalg.norm(values, axis=-1, keepdims=True)
        halves.append(values * (1e-2 * (1 + step / 100) * KEPT[run] ** lags)[:, None].astype(np.float32))
    found = np.concatenate(halves, axis=-1).astype(np.float32)
    if run == "poisoned" and step >= NAN_SINCE:
        found[1, NAN_TIMESTEP, 2] = np.nan
    return found


def profile(run: str, step: int, direction: str) -> FloatArray:
    """‖dL/dh_t‖ at every timestep, the mean over the samples."""
    first = UNITS * DIRECTIONS[run].index(direction)
    half = gradient(run, step)[..., first : first + UNITS].astype(float)
    return np.asarray(np.sqrt((half**2).sum(axis=-1)).mean(axis=0), np.float32)


def loss(run: str, step: int) -> float:
    return float(0.3 * 0.98**step) if run == "healthy" else 0.17


def records(run: str, step: int) -> list[LayerRecord]:
    if run == "direct":
        layer = LayerRecord(
            LAYER, cell="lstm", units=UNITS, sequences={"output_gradient": floats(step, SAMPLES, 12, 4)}
        )
        return [layer]
    channels = UNITS * len(DIRECTIONS[run])
    layer = LayerRecord(
        LAYER,
        cell=CELLS[run],
        units=UNITS,
        directions=DIRECTIONS[run],
        sequences={
            "activation": np.tanh(floats(step, SAMPLES, TIMESTEPS[run], channels)),
            "output_gradient": gradient(run, step) * np.float32(0.1),
            "bptt_gradient": gradient(run, step),
        },
    )
    if run != "healthy":
        return [layer]
    reader = LayerRecord(
        READER, cell="lstm", units=UNITS, sequences={"bptt_gradient": gradient("vanishing", step) + 1e-3}
    )
    return [layer, reader]


def write(directory: Path) -> None:
    for run, steps in STEPS.items():
        for step in steps:
            rnn_summary.write(records(run, step), step, directory / run)
    rnn_summary.close()
    for run, steps in STEPS.items():
        if run != "direct":
            write_loss(directory / run, run, steps)


def write_loss(directory: Path, run: str, steps: tuple[int, ...]) -> None:
    # Opened after the run's own file, and so named behind it, as TensorBoard reads them.
    with (directory / "events.out.tfevents.9999999999.loss").open("wb") as file:
        write_record(file, event_pb2.Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())
        for step in steps:
            value = summary_pb2.Summary.Value(tag="loss", simple_value=loss(run, step))
            event = event_pb2.Event(wall_time=2.0 + step, step=step, summary=summary_pb2.Summary(value=[value]))
            write_record(file, event.SerializeToString())


def write_small(directory: Path, steps: range, layers: int = 1) -> None:
    """A run of a few small layers that goes on: its writer stays open."""
    for step in steps:
        small = [
            LayerRecord(
                f"stack/{i}", cell="rnn", units=2, sequences={"bptt_gradient": 0.1 + floats(step, 1, 6, 2) ** 2}
            )
            for i in range(layers)
        ]
        rnn_summary.write(small, step, directory)
    rnn_summary.flush()
