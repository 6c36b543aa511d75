"""A network for the tests of graph mode, what it is given, and what was written of it."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
import tf_keras
from tf_keras.api._v1.keras.backend import get_session

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import LayerRecord

FRAMEWORK = "TensorFlow 1 graph mode"
TIMESTEPS = 6
layers = tf_keras.layers
Array = npt.NDArray[np.float32]


def case(what: str) -> pytest.MarkDecorator:
    return pytest.mark.framework_case(FRAMEWORK, what)


def data(samples: int, seed: int = 0) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    x, y = generator.normal(size=(samples, TIMESTEPS, 3)), generator.normal(size=(samples, 2))
    return x.astype(np.float32), y.astype(np.float32)


def run(fetches: Any, feeds: dict[Any, Any]) -> Any:
    """In the session of Keras."""
    return get_session().run(fetches, feeds)


def with_dropout(of_lstm: float = 0.0) -> Any:
    """A model with dropout: that of an LSTM is drawn in another order in each run, without taps too."""
    tf_keras.backend.clear_session()
    tf_keras.utils.set_random_seed(3)
    tf.compat.v1.set_random_seed(3)  # the graph has a seed of its own
    model = tf_keras.Sequential(
        [
            tf_keras.Input((TIMESTEPS, 3)),
            layers.LSTM(6, return_sequences=True, dropout=of_lstm, name="lstm"),
            layers.BatchNormalization(),
            layers.Dropout(0.3, seed=5),
            layers.Bidirectional(layers.GRU(4)),
            layers.Dense(2),
        ]
    )
    model.compile(tf_keras.optimizers.legacy.Adam(0.01), "mse", metrics=["mae"])
    return model


def read(directory: Path) -> dict[int, list[LayerRecord]]:
    """Step to its records."""
    by_step: dict[int, list[LayerRecord]] = {}
    for step, record in rnn_summary.read(directory):
        by_step.setdefault(step, []).append(record)
    return by_step
