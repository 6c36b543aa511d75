"""Two runs of equal shapes to be held against each other, one of another shape, and layers under different names."""

import functools
from pathlib import Path

import numpy as np

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tests.logs import floats

LAYER = "rnn/shared"
LAST = "rnn/last"
OWN = {"first": "old/name", "second": "body/encoder, new"}
STEPS = {"first": (0, 10, 20), "second": (0, 12, 20), "third": (0, 20)}
SAMPLES, TIMESTEPS, UNITS, INPUTS = 2, 12, 3, 5
_SEED = {"first": 1, "second": 2, "third": 3}


@functools.cache
def gradient(run: str, step: int) -> FloatArray:
    """The third run has other timesteps and channels; the second a NaN."""
    shape = (SAMPLES, 10, 4) if run == "third" else (SAMPLES, TIMESTEPS, 2 * UNITS)
    values = floats(900 + 100 * _SEED[run] + step, *shape) * np.float32(1e-3)
    values *= np.logspace(-4, 0, shape[1], dtype=np.float32)[:, None]
    if run == "second":
        values[1, 4, 2] = np.nan
    return values


@functools.cache
def last(run: str, step: int) -> FloatArray:
    return floats(1300 + 100 * _SEED[run] + step, SAMPLES, 1, 2 * UNITS)


@functools.cache
def weights(run: str, step: int) -> dict[str, dict[str, FloatArray]]:
    width = 4 * UNITS
    return {
        direction: {
            "kernel": floats(1700 + 100 * _SEED[run] + step + i, INPUTS, width),
            "recurrent_kernel": floats(1710 + 100 * _SEED[run] + step + i, UNITS, width),
            "bias": floats(1720 + 100 * _SEED[run] + step + i, width),
        }
        for i, direction in enumerate(("forward", "backward"))
    }


def write(directory: Path) -> None:
    for run, steps in STEPS.items():
        both = ("forward",) if run == "third" else ("forward", "backward")
        units = 4 if run == "third" else UNITS
        for step in steps:
            records = [LayerRecord(LAYER, cell="lstm", units=units, directions=both,
                                   sequences={"output_gradient": gradient(run, step)},
                                   weights={} if run == "third" else weights(run, step))]  # fmt: skip
            if run != "third":
                records += [
                    LayerRecord(name, cell="lstm", units=UNITS, directions=both, sequences={"output_gradient": values})
                    for name, values in ((LAST, last(run, step)), (OWN[run], gradient(run, step)[::-1]))
                ]
            rnn_summary.write(records, step, directory / run)
    rnn_summary.close()
