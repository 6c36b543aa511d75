"""The nets of see-rnn's README, trained on noise as there, and what rnn_summary logs of them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tb_rnn_plugin import rnn_summary

BATCH, TIMESTEPS, INPUTS = 16, 100, 16


def recurrent(
    directory: Path,
    cell: type[keras.layers.RNN],
    units: int,
    *,
    steps: Iterable[int],
    bidirectional: bool = False,
    return_sequences: bool = True,
    **options: Any,  # of the layer
) -> None:
    """Trains one recurrent layer on noise, and writes all 16 samples of it at some of the steps."""
    keras.utils.set_random_seed(0)
    # One name in every run: the tab sets layers of one name side by side.
    layer = cell(units, return_sequences=return_sequences, name="recurrent", **options)
    if bidirectional:
        layer = keras.layers.Bidirectional(layer, name="recurrent")
    model = keras.Sequential([keras.Input((TIMESTEPS, INPUTS)), layer, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCH, TIMESTEPS, INPUTS)).astype(np.float32)
    y = rng.standard_normal((BATCH, TIMESTEPS, 1) if return_sequences else (BATCH, 1)).astype(np.float32)
    _train(model, x, y, directory, steps=steps, layers=None)


def sparse_autoencoder(directory: Path, *, steps: Iterable[int]) -> None:
    """Trains an autoencoder of convolutions over time, whose kernels a strong L1 penalty thins out."""
    keras.utils.set_random_seed(0)
    layers = keras.layers

    def convolution(filters: int, name: str, **options: Any) -> keras.layers.Layer:
        penalty = keras.regularizers.L1(2e-4)
        return layers.Conv1D(filters, 8, padding="same", kernel_regularizer=penalty, name=name, **options)

    model = keras.Sequential(
        [
            keras.Input((TIMESTEPS, INPUTS)),
            convolution(24, "encoder_1", activation="relu", strides=2),
            convolution(8, "encoder_2", activation="relu"),
            layers.UpSampling1D(2),
            convolution(24, "decoder_1", activation="relu"),
            convolution(INPUTS, "decoder_2"),
        ]
    )
    model.compile(keras.optimizers.Adam(3e-3), "mse")
    time = np.arange(TIMESTEPS)[None, :, None]
    rng = np.random.default_rng(0)
    frequencies, phases = rng.uniform(0.05, 0.5, (BATCH, 1, INPUTS)), rng.uniform(0, 6.28, (BATCH, 1, INPUTS))
    x = np.sin(frequencies * time + phases).astype(np.float32)
    _train(model, x, x, directory, steps=steps, layers=["encoder", "decoder"])


def _train(
    model: keras.Model, x: Any, y: Any, directory: Path, *, steps: Iterable[int], layers: list[str] | None
) -> None:
    """Writes at `steps`: each is the number of updates before it."""
    due = sorted(steps)
    done = 0
    for step in due:
        if step > done:
            model.fit(x, y, batch_size=BATCH, epochs=step - done, shuffle=False, verbose=0)
            done = step
        records = rnn_summary.capture(model, x, y, layers=layers)
        rnn_summary.write(records, step, directory, samples=None)
    rnn_summary.flush(directory)
