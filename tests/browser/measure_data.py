"""Layers of which everything is measured: an LSTM in two directions, a GRU, and a plain RNN that has no gates."""

from pathlib import Path

import numpy as np

from tb_rnn_plugin import cells, rnn_summary
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tests.logs import floats

LAYER = "encoder"
SAMPLES = 2
TIMESTEPS = 20
UNITS = 6
# The GRU was stopped early.
STEPS = {"lstm": (0, 10, 20, 30), "gru": (0, 10), "rnn": (0, 10, 20, 30)}
DIRECTIONS = {"lstm": ("forward", "backward"), "gru": ("forward",), "rnn": ("forward",)}
KEEP = {"forward": (0.3, 0.6, 0.8, 0.9, 0.95, 0.98), "backward": (0.2, 0.5, 0.75, 0.85, 0.9, 1.0)}
# Of the unit before the last the gradient does not decay exponentially.
WILD = 4


def tau(direction: str, step: int) -> FloatArray:
    """Over how many timesteps the gradient of each unit fades."""
    base = np.array([0.9, 2.5, 4.0, 14.0, 1.0, 30.0] if direction == "forward" else [1.1, 2.0, 5.0, 6.0, 1.0, 9.0])
    return np.asarray(base * (1 + step / 100), np.float32)


def fading(direction: str, step: int) -> FloatArray:
    """(SAMPLES, TIMESTEPS, UNITS): exponentially, in the direction's own time."""
    lags = np.arange(TIMESTEPS)[::-1] if direction == "forward" else np.arange(TIMESTEPS)
    sizes = np.array([1e-3, -4e-2])[:, None, None]
    found = sizes * np.exp(-lags[None, :, None] / tau(direction, step))
    found[..., WILD] = np.where(np.arange(TIMESTEPS) % 2, 1e-2, 1e-7)
    return found.astype(np.float32)


def matrices(cell: str, step: int, direction: str) -> dict[str, FloatArray]:
    blocks = max(1, len(cells.KERAS_GATES[cell]))
    seed = 7 + step + 1000 * (direction == "backward")
    return {
        "kernel": floats(seed, 3, blocks * UNITS),
        "recurrent_kernel": floats(seed + 1, UNITS, blocks * UNITS),
        "bias": floats(seed + 2, blocks * UNITS),
    }


def activation(run: str, step: int) -> FloatArray:
    return np.tanh(floats(31 + step, SAMPLES, TIMESTEPS, UNITS * len(DIRECTIONS[run])))


def record(run: str, step: int) -> LayerRecord:
    both = DIRECTIONS[run]
    own = np.concatenate([fading(direction, step) for direction in both], axis=-1)
    # An LSTM's is that of the cell state: the other one is to have other timescales.
    hidden = own**3 if run == "lstm" else own
    sequences = {"activation": activation(run, step), "bptt_gradient": hidden}
    if run != "rnn":
        gate = "forget" if run == "lstm" else "update"
        keep = [np.full((SAMPLES, TIMESTEPS, UNITS), KEEP[direction], np.float32) for direction in both]
        sequences[f"gate/{gate}"] = np.concatenate(keep, axis=-1)
        if run == "lstm":
            sequences["cell_state_gradient"] = own
    return LayerRecord(
        LAYER,
        cell=run,
        units=UNITS,
        directions=both,
        sequences=sequences,
        weights={direction: matrices(run, step, direction) for direction in both},
    )


def write(directory: Path) -> None:
    for run, steps in STEPS.items():
        for step in steps:
            rnn_summary.write(record(run, step), step, directory / run)
    rnn_summary.close()
