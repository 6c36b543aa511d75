"""Weights of every shape that the tab has to draw: gates, no gates, a projection, more axes than two, NaN and Inf."""

import functools
from pathlib import Path

import numpy as np

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tests.logs import floats

LAYER = "encoder/bilstm"
CONVOLUTION = "head/conv"
PROJECTED = "decoder/projected"
NO_WEIGHTS = "readout"
#: Larger than the screen, and at its last two steps only.
WIDE = "body/wide"
WIDE_UNITS = 600
WIDE_INPUTS = 700
WIDE_STEPS = (20, 30)
STEPS = {"lstm": (0, 10, 20, 30), "gru": (0, 12, 20, 30)}
GATES = {"lstm": ("input", "forget", "cell", "output"), "gru": ("update", "reset", "candidate")}
DIRECTIONS = {"lstm": ("forward", "backward"), "gru": ("forward",)}
UNITS = 8
INPUTS = 5
#: Where the LSTM's forward kernel is not finite at the last step: in the forget gate (columns 8 to 15).
NAN_AT = ((0, 9), (3, 9), (4, 15))
INF_AT = (2, 8)


@functools.cache
def weights(run: str, step: int) -> dict[str, dict[str, FloatArray]]:
    width = len(GATES[run]) * UNITS
    found = {
        direction: {
            "kernel": floats(500 + step + i, INPUTS, width) * np.float32(0.3 + step / 50),
            "recurrent_kernel": floats(510 + step + i, UNITS, width) * np.float32(0.1),
            "bias": floats(520 + step + i, width) / np.float32(100),
        }
        for i, direction in enumerate(DIRECTIONS[run])
    }
    for matrices in found.values():
        # What initialisation leaves: one bar that holds nearly everything.
        matrices["bias"][: width // 2] = 1
    if (run, step) == ("lstm", 30):
        kernel = found["forward"]["kernel"]
        for at in NAN_AT:
            kernel[at] = np.nan
        kernel[INF_AT] = -np.inf
    return found


@functools.cache
def gradients(run: str, step: int) -> dict[str, dict[str, FloatArray]]:
    """Over many decades, some of them zero."""
    found = {}
    for i, (direction, matrices) in enumerate(weights(run, step).items()):
        found[direction] = {
            name: (floats(600 + step + i, *matrix.shape) ** 5 * np.float32(1e-4)).astype(np.float32)
            for name, matrix in matrices.items()
        }
        found[direction]["kernel"][0] = 0
    return found


@functools.cache
def activation(run: str, step: int) -> FloatArray:
    return np.tanh(floats(700 + step, 3, 12, UNITS * len(DIRECTIONS[run])))


@functools.cache
def convolution(step: int) -> dict[str, FloatArray]:
    return {"kernel": floats(800 + step, 3, 3, 2, 4), "bias": floats(801 + step, 4)}


def projection(step: int) -> dict[str, FloatArray]:
    width = 4 * UNITS
    return {
        "kernel": floats(900 + step, INPUTS, width),
        "recurrent_kernel": floats(901 + step, 4, width),
        "projection_kernel": floats(902 + step, UNITS, 4),
    }


@functools.cache
def wide(run: str, step: int) -> dict[str, FloatArray]:
    """A few large cells stand out, at the edge of a gate among others, and a NaN."""
    width = len(GATES[run]) * WIDE_UNITS
    kernel = floats(1000 + step + width, WIDE_INPUTS, width) * np.float32(0.01)
    kernel[300, WIDE_UNITS - 1] = 1
    kernel[301, WIDE_UNITS] = -1
    kernel[650, 30] = np.nan
    return {"kernel": kernel, "bias": floats(1001 + step + width, width)}


def records(run: str, step: int) -> list[LayerRecord]:
    layer = LayerRecord(
        LAYER,
        cell=run,
        units=UNITS,
        directions=DIRECTIONS[run],
        sequences={"activation": activation(run, step)},
        weights=weights(run, step),
        weight_gradients=gradients(run, step),
        framework="keras",
    )
    large = [
        LayerRecord(WIDE, cell=run, units=WIDE_UNITS, weights={"forward": wide(run, step)})
        for _ in range(step in WIDE_STEPS)
    ]
    if run == "gru":
        return [layer, *large]
    return [
        layer,
        *large,
        LayerRecord(PROJECTED, cell="lstm", units=UNITS, projection=4, weights={"forward": projection(step)}),
        LayerRecord(CONVOLUTION, weights={"forward": convolution(step)}),
        LayerRecord(NO_WEIGHTS, cell="rnn", units=3, sequences={"activation": floats(step, 1, 4, 3)}),
    ]


def write(directory: Path) -> None:
    for run, steps in STEPS.items():
        for step in steps:
            rnn_summary.write(records(run, step), step, directory / run)
    rnn_summary.close()
