"""What gradients through time, gates and cell states cost: LSTM 256, 100 timesteps, 128 inputs, 4 samples kept.

Two ratios to the plain train step of TensorFlow, batch 16: the work in the background for a write, and the time for
which a write holds up the training loop.
"""

import dataclasses
import os
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from benchmarks.table import Row, print_table
from benchmarks.tensorflow_overhead import BATCH, INPUTS, TIMESTEPS, UNITS, training
from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.derivation import completed_at_once
from tb_rnn_plugin.record import LayerRecord

ROUNDS = 40
SAMPLES = 4
MOST_BACKGROUND = 0.35
MOST_BLOCKED = 0.02


def main() -> None:
    """Measures both, in turn with the train step: what disturbs the machine disturbs all of them alike."""
    plain = training([])
    record = _record()
    with tempfile.TemporaryDirectory() as directory:
        next(plain)
        seconds: dict[str, list[float]] = {"step": [], "background": [], "blocked": []}
        for round_ in range(ROUNDS):
            start = time.perf_counter()
            next(plain)
            seconds["step"].append(time.perf_counter() - start)
            start = time.perf_counter()
            completed_at_once(_again(record))
            seconds["background"].append(time.perf_counter() - start)
            seconds["blocked"].append(_blocked(record, round_, Path(directory)))
        rnn_summary.close()
    step = median(seconds["step"])
    background = _ratio(seconds["background"], seconds["step"])
    blocked = _ratio(seconds["blocked"], seconds["step"])
    print_table(
        f"Gradient through time, gates and cell state: LSTM {UNITS}, {TIMESTEPS} timesteps, {SAMPLES} samples",
        [
            Row("plain train step", 1e3 * step, "ms", 1.0, None),
            Row(
                "computed in the background, a write",
                1e3 * median(seconds["background"]),
                "ms",
                background,
                MOST_BACKGROUND,
            ),
            Row("training loop held up by it, a write", 1e3 * median(seconds["blocked"]), "ms", blocked, MOST_BLOCKED),
        ],
    )


def _ratio(own: list[float], plain: list[float]) -> float:
    return median(a / b for a, b in zip(own, plain, strict=True))


def _record() -> LayerRecord:
    """The layer's record as a tap makes it, with what its gradient through time is computed from."""
    model = keras.Sequential(
        [keras.Input((TIMESTEPS, INPUTS)), keras.layers.LSTM(UNITS, return_sequences=True), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    x = tf.constant(rng.standard_normal((BATCH, TIMESTEPS, INPUTS)), tf.float32)
    y = tf.constant(rng.standard_normal((BATCH, TIMESTEPS, 1)), tf.float32)
    with rnn_summary.attach(model, every=1, samples=SAMPLES) as taps:
        model.train_on_batch(x, y)
        (record,) = taps.collect(0)
    return record


def _again(record: LayerRecord) -> LayerRecord:
    """The same with nothing computed: a recurrence remembers what it has gone through."""
    recurrence = record.recurrence
    assert recurrence is not None
    halves = {name: dataclasses.replace(half) for name, half in recurrence.halves.items()}
    return dataclasses.replace(record, recurrence=dataclasses.replace(recurrence, halves=halves))


def _blocked(record: LayerRecord, step: int, directory: Path) -> float:
    """How much longer a write takes the training loop than one without it."""
    seconds = []
    for name, written in (("with", _again(record)), ("without", dataclasses.replace(record, recurrence=None))):
        start = time.perf_counter()
        rnn_summary.write(written, step, directory / name, samples=SAMPLES)
        seconds.append(time.perf_counter() - start)
        rnn_summary.flush()
    return max(seconds[0] - seconds[1], 0.0)


if __name__ == "__main__":
    main()
