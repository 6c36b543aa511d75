"""What logging costs a train step of TensorFlow: LSTM 256, batch 16, 100 timesteps, 128 inputs, 4 samples kept."""

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from benchmarks.alternation import Variant, compare
from tb_rnn_plugin import rnn_summary

UNITS, INPUTS, BATCH, TIMESTEPS = 256, 128, 16, 100
ROUNDS = 12

SEQUENCES = ("activation", "output_gradient")
WITH_WEIGHTS = (*SEQUENCES, "weights", "weight_gradients")


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


Callbacks = Callable[[Path], list[keras.callbacks.Callback]]
VARIANTS: dict[str, tuple[Callbacks, float | None]] = {
    "plain train step": (lambda _: [], None),
    "taps attached, nothing written": (lambda path: [rnn_summary.KerasCallback(path, every=10**9)], None),
    "every 50 steps, everything": (lambda path: [rnn_summary.KerasCallback(path, every=50)], 1.005),
    "every step, activations and output gradients": (
        lambda path: [rnn_summary.KerasCallback(path, every=1, quantities=SEQUENCES)],
        1.05,
    ),
    "every step, weights and weight gradients too": (
        lambda path: [rnn_summary.KerasCallback(path, every=1, quantities=WITH_WEIGHTS)],
        1.15,
    ),
    "every step, a probe of 4 samples in a pass of its own": (
        lambda path: [
            rnn_summary.KerasCallback(
                path, every=1, probe=(np.ones((4, TIMESTEPS, INPUTS)), np.ones((4, TIMESTEPS, 1)))
            )
        ],
        None,
    ),
    "peer: TensorBoard histograms of activations and gradients": (
        lambda path: [TensorBoardHistograms(path, SEQUENCES)],
        None,
    ),
    "peer: TensorBoard histograms of all of these": (lambda path: [TensorBoardHistograms(path, None)], None),
}


def training(callbacks: list[keras.callbacks.Callback]) -> Iterator[None]:
    """Train steps as `fit` makes them, one for each item."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((TIMESTEPS, INPUTS)), keras.layers.LSTM(UNITS, return_sequences=True), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCH, TIMESTEPS, INPUTS)).astype(np.float32)
    y = rng.standard_normal((BATCH, TIMESTEPS, 1)).astype(np.float32)
    batches = iter(tf.data.Dataset.from_tensors((x, y)).repeat())
    called = keras.callbacks.CallbackList(callbacks, model=model)
    model.make_train_function()
    called.on_train_begin()
    called.on_epoch_begin(0)
    for step in itertools.count():
        called.on_train_batch_begin(step)
        logs = model.train_function(batches)
        called.on_train_batch_end(step, logs)
        yield


def main() -> None:
    """Measures every variant."""
    with tempfile.TemporaryDirectory() as directory:
        compare(
            f"TensorFlow: LSTM {UNITS}, batch {BATCH}, {TIMESTEPS} timesteps, {INPUTS} inputs",
            {
                name: Variant(training(callbacks(Path(directory) / str(index))), limit)
                for index, (name, (callbacks, limit)) in enumerate(VARIANTS.items())
            },
            rounds=ROUNDS,
        )
        rnn_summary.close()


if __name__ == "__main__":
    main()
