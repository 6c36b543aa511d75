"""One run of the demo: a recurrent encoder, a recurrent reader, and what rnn_summary logs of them."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from demo.adding_problem import LOSS_WITHOUT_MEMORY, adding_problem
from tb_rnn_plugin import rnn_summary

TIMESTEPS = 60
UNITS = 24
BATCH = 64
LEARNING_RATE = 5e-3

CELLS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "simple_rnn": keras.layers.SimpleRNN}
RUNS = tuple(f"{cell}{suffix}" for suffix in ("", "_bidirectional") for cell in CELLS)


# What is recorded by itself, and dL/dc: the Overview sets how long each unit remembers against how long that lasts.
QUANTITIES = (
    "activation",
    "output_gradient",
    "bptt_gradient",
    "cell_state",
    "cell_state_gradient",
    *(f"gate/{gate}" for gate in ("input", "forget", "cell", "output", "update", "reset", "candidate")),
    "weights",
    "weight_gradients",
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    run: str
    loss: float

    @property
    def learned(self) -> bool:
        """Whether the loss is well below what can be had without looking back."""
        return self.loss < LOSS_WITHOUT_MEMORY / 4


def build(run: str) -> keras.Model:
    """The model of a run: the reader turns the encoder's sequence into one answer."""
    cell = CELLS[run.removesuffix("_bidirectional")]
    encoder = cell(UNITS, return_sequences=True, name="encoder")
    if run.endswith("_bidirectional"):
        encoder = keras.layers.Bidirectional(cell(UNITS, return_sequences=True), name="encoder")
    model = keras.Sequential([keras.Input((TIMESTEPS, 2)), encoder, cell(UNITS, name="reader"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(LEARNING_RATE, clipnorm=1.0), "mse")
    return model


def train(run: str, directory: Path, *, steps: int, every: int, seed: int) -> Outcome:
    """Trains one run and logs into a directory of its own, scalars and RNN data through one writer."""
    keras.utils.set_random_seed(seed)
    x, y = adding_problem(BATCH * steps, TIMESTEPS, np.random.default_rng(seed))
    writer = tf.summary.create_file_writer(str(directory))
    progress = Progress(writer, steps=steps, every=every)
    model = build(run)
    model.fit(
        x,
        y,
        batch_size=BATCH,
        shuffle=False,
        verbose=0,
        callbacks=[rnn_summary.KerasCallback(writer, every=every, quantities=QUANTITIES), progress],
    )
    writer.close()
    return Outcome(run, progress.loss)


class Progress(keras.callbacks.Callback):
    """A progress bar, and the loss as a scalar for Time Series."""

    def __init__(self, writer: Any, *, steps: int, every: int) -> None:
        """Takes the run's tf.summary writer."""
        super().__init__()
        self._writer = writer
        self._every = every
        self._bar = keras.utils.Progbar(steps, stateful_metrics=["loss"])
        self.loss = float("nan")

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Notes the loss of the steps since the last time."""
        if (batch + 1) % self._every == 0 and logs:
            self.loss = float(logs["loss"])
            self._bar.update(batch + 1, [("loss", self.loss)])
            with self._writer.as_default():
                tf.summary.scalar("loss", self.loss, step=batch)
            self.model.reset_metrics()
