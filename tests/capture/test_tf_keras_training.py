"""Training a tf_keras model with taps or captures gives bitwise the same losses and weights as without."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.usefixtures("seeded_tf_keras"),
    pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time"),
]
tf_keras = pytest.importorskip("tf_keras")

from tests.capture.tensorflow_network import TIMESTEPS, Array, attributes, data  # noqa: E402
from tests.capture.tf_keras_network import slow  # noqa: E402

layers = tf_keras.layers


def with_dropout(run_eagerly: bool) -> Any:
    """A compiled model that draws random numbers, the same in each that is made."""
    tf_keras.utils.set_random_seed(3)
    model = tf_keras.Sequential(
        [
            tf_keras.Input((TIMESTEPS, 3)),
            # Not recurrent_dropout: a compiled tf_keras draws it in another order in each run, without taps too.
            layers.LSTM(6, return_sequences=True, dropout=0.2),
            layers.BatchNormalization(),
            layers.Dropout(0.3, seed=5),
            layers.Bidirectional(layers.GRU(4)),
            layers.Dense(2),
        ]
    )
    model.compile(tf_keras.optimizers.Adam(0.01), "mse", metrics=["mae"], run_eagerly=run_eagerly)
    return model


def variables(model: Any) -> list[Array]:
    """Of everything that training changes."""
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    return [v.numpy() for v in (*model.variables, *model.optimizer.variables, *metrics)]


@pytest.mark.parametrize(
    ("how", "run_eagerly"), [("taps", False), slow("taps", True), slow("probe", False), slow("probe", True)]
)
def test_training_is_bitwise_the_same(how: str, run_eagerly: bool, tmp_path: Path) -> None:
    x, y = data(80)
    histories, weights = [], []
    for summarised in (False, True):
        model = with_dropout(run_eagerly)
        losses: list[float] = []
        callbacks = [tf_keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: losses.append(logs["loss"]))]  # noqa: B023
        if summarised:
            probe = data(3) if how == "probe" else None
            callbacks.append(rnn_summary.KerasCallback(tmp_path, every=3, probe=probe))
        model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=callbacks)
        histories.append(losses)
        weights.append(variables(model))
    assert histories[0] == histories[1]
    assert len(histories[0]) == 20
    for without, with_taps in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, with_taps)
    assert sorted({step for step, _ in rnn_summary.read(tmp_path)}) == [0, 3, 6, 9, 12, 15, 18]


@pytest.mark.slow
def test_a_capture_in_training_mode_leaves_dropout_as_it_was() -> None:
    x, y = data(8)
    weights = []
    for captured in (False, True):
        model = with_dropout(run_eagerly=False)
        for step in range(6):
            if captured and step in {0, 3}:
                rnn_summary.capture(model, x[:2], y[:2], training=True)
            model.train_on_batch(x, y)
        weights.append(variables(model))
    for without, with_capture in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, with_capture)


def test_capture_leaves_the_model_as_it_was() -> None:
    model = with_dropout(run_eagerly=False)
    x, y = data(4)
    rnn_summary.capture(model, x, y)
    assert all(not variable.numpy().any() for metric in model.metrics for variable in metric.variables)
    model.train_on_batch(x, y)
    before, names = variables(model), attributes(model)
    rnn_summary.capture(model, x, y, training=True)
    for variable, value in zip(variables(model), before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert attributes(model) == names


def test_a_stateful_layer_stays_where_it_is() -> None:
    model = tf_keras.Sequential(
        [tf_keras.Input((TIMESTEPS, 3), batch_size=2), layers.GRU(4, stateful=True, name="gru"), layers.Dense(2)]
    )
    x, y = data(2)
    model.compile("sgd", "mse")
    model.train_on_batch(x, y)
    before = model.layers[0].states[0].numpy()
    assert before.any()
    rnn_summary.capture(model, x, y, training=True)
    np.testing.assert_array_equal(model.layers[0].states[0].numpy(), before)
