"""Training a Keras model with taps gives bitwise the same losses and weights as without."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.usefixtures("seeded_keras"),
    pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time"),
]
pytest.importorskip("tensorflow")

import keras  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("for Keras on TensorFlow", allow_module_level=True)

from tb_rnn_plugin.capture.keras import entry as capture_keras  # noqa: E402
from tests.capture.keras_network import case, variables  # noqa: E402
from tests.capture.tensorflow_network import TIMESTEPS, data  # noqa: E402

layers = keras.layers


def after_batch(action: Callable[[int, Any], object]) -> Any:
    return keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: action(batch, logs))  # noqa: PLW0108


def append_loss(losses: list[float], _: int, logs: Any) -> None:
    losses.append(logs["loss"])


def collect_from(taps: Any, batch: int, _: Any) -> None:
    taps.collect(batch)


@case("20 training steps with dropout and batch normalisation, bitwise the same")
def test_training_is_bitwise_the_same() -> None:
    def build() -> Any:
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [
                keras.Input((TIMESTEPS, 3)),
                layers.LSTM(6, return_sequences=True, dropout=0.2, recurrent_dropout=0.2),
                layers.BatchNormalization(),
                layers.Dropout(0.3),
                layers.Bidirectional(layers.GRU(4)),
                layers.Dense(2),
            ]
        )
        model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
        return model

    x, y = data(80)
    histories, weights = [], []
    for tapped in (False, True):
        model = build()
        losses: list[float] = []
        record = after_batch(functools.partial(append_loss, losses))
        if tapped:
            with capture_keras.attach(model, every=3, samples=4) as taps:
                collect = after_batch(functools.partial(collect_from, taps))
                model.fit(
                    x,
                    y,
                    batch_size=8,
                    epochs=2,
                    verbose=0,
                    callbacks=[record, collect],
                )
                capture_keras.capture(model, x[:2], y[:2], training=True)
        else:
            model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[record])
        histories.append(losses)
        weights.append(variables(model))
    assert histories[0] == histories[1]
    assert len(histories[0]) == 20
    for without, with_taps in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, with_taps)
