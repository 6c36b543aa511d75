"""What logging costs a train step: LSTM 256, batch 16, 100 timesteps, 128 inputs, 4 samples kept."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from benchmarks.table import Row, print_table
from tb_rnn_plugin import rnn_summary

UNITS, INPUTS, BATCH, TIMESTEPS = 256, 128, 16, 100
WARM_UP_STEPS = 12
STEPS = 60
ROUNDS = 7

SEQUENCES = ("activation", "output_gradient")


class StepTimer(keras.callbacks.Callback):
    """The seconds from the end of warming up to the end of training, what is still queued to be written included."""

    seconds = float("nan")

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Has the step traced anew, as taps do: a step that was just traced is slower for a while, tapped or not."""
        self.model.make_train_function(force=True)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock after warming up."""
        if batch == WARM_UP_STEPS - 1:
            self._start = time.perf_counter()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Stops it, with everything in the file."""
        rnn_summary.flush()
        self.seconds = time.perf_counter() - self._start


class TensorBoardHistograms(keras.callbacks.Callback):
    """The peer: TensorBoard's histogram summaries of the same tensors, which the same taps recorded."""

    def __init__(self, directory: Path, quantities: tuple[str, ...] | None) -> None:
        """Writes every step into `directory`."""
        super().__init__()
        self._writer = tf.summary.create_file_writer(str(directory))
        self._quantities = quantities

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Attaches the taps."""
        self._taps = rnn_summary.attach(self.model, every=1, quantities=self._quantities)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes a histogram of every tensor."""
        with self._writer.as_default(step=batch):
            for record in self._taps.collect(batch):
                for quantity, array in record.sequences.items():
                    tf.summary.histogram(f"{record.name}/{quantity}", array)
                for quantity in ("weights", "weight_gradients"):
                    for direction, matrices in getattr(record, quantity).items():
                        for matrix, array in matrices.items():
                            tf.summary.histogram(f"{record.name}/{quantity}/{direction}/{matrix}", array)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Takes the taps off."""
        self._taps.detach()
        self._writer.close()


Callbacks = Callable[[Path], list[Any]]
VARIANTS: dict[str, tuple[Callbacks, float | None]] = {
    "plain train step": (lambda _: [], None),
    "every 50 steps, everything": (lambda path: [rnn_summary.KerasCallback(path, every=50)], None),
    "every step, activations and output gradients": (
        lambda path: [rnn_summary.KerasCallback(path, every=1, quantities=SEQUENCES)],
        1.10,
    ),
    "every step, weights and weight gradients too": (lambda path: [rnn_summary.KerasCallback(path, every=1)], 1.30),
    "peer: TensorBoard histograms of activations and gradients": (
        lambda path: [TensorBoardHistograms(path, SEQUENCES)],
        None,
    ),
    "peer: TensorBoard histograms of all of these": (lambda path: [TensorBoardHistograms(path, None)], None),
}


def main() -> None:
    """Measures every variant in turn, round by round, and prints their ratios to the plain step of the same round."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((TIMESTEPS, INPUTS)), keras.layers.LSTM(UNITS, return_sequences=True), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCH * (WARM_UP_STEPS + STEPS), TIMESTEPS, INPUTS)).astype(np.float32)
    y = rng.standard_normal((len(x), TIMESTEPS, 1)).astype(np.float32)
    ratios: dict[str, list[float]] = {name: [] for name in VARIANTS}
    seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for round_ in range(ROUNDS):
        print(f"round {round_ + 1} of {ROUNDS} …", flush=True)
        for name, (callbacks, _) in VARIANTS.items():
            with tempfile.TemporaryDirectory() as directory:
                timer = StepTimer()
                model.fit(x, y, batch_size=BATCH, verbose=0, callbacks=[timer, *callbacks(Path(directory))])
                rnn_summary.close()
            seconds[name].append(timer.seconds / STEPS)
            ratios[name].append(timer.seconds / STEPS / seconds["plain train step"][-1])
    print_table(
        f"LSTM {UNITS}, batch {BATCH}, {TIMESTEPS} timesteps, {INPUTS} inputs; median of {ROUNDS} × {STEPS} steps",
        [
            Row(name, 1e3 * statistics.median(seconds[name]), "ms a step", statistics.median(ratios[name]), limit)
            for name, (_, limit) in VARIANTS.items()
        ],
    )


if __name__ == "__main__":
    main()
