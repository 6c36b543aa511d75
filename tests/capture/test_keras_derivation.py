"""What is computed of Keras's layers, where it can't be, and what is then said."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("seeded_keras")]
pytest.importorskip("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402

from tb_rnn_plugin import rnn_summary  # noqa: E402
from tb_rnn_plugin.capture.keras import entry as capture_keras  # noqa: E402
from tests.capture.keras_cases import UNITS, Layer, Net, Tensor, check  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("these are of Keras on TensorFlow", allow_module_level=True)


class Mine(layers.LSTMCell):
    def call(self, inputs: Tensor, states: Any, training: bool = False) -> Any:
        return super().call(2 * inputs, states, training=training)


def odd(function: Tensor) -> Tensor:
    return tf.tanh(function)


ABSENT: dict[str, tuple[Callable[[], Layer], str]] = {
    "dropout": (lambda: layers.LSTM(UNITS, dropout=0.5), "dropout=0.5 acts inside the cell"),
    "recurrent dropout": (lambda: layers.GRU(UNITS, recurrent_dropout=0.1), "recurrent_dropout=0.1 acts inside"),
    "a cell with a call of its own": (lambda: layers.RNN(Mine(UNITS)), "a Mine computes isn't known"),
    "an activation of one's own": (lambda: layers.SimpleRNN(UNITS, activation=odd), "its activation, odd, isn't known"),
    "softmax": (lambda: layers.SimpleRNN(UNITS, activation="softmax"), "its activation, softmax, isn't known"),
    "stacked cells": (lambda: layers.RNN([layers.LSTMCell(UNITS), layers.LSTMCell(UNITS)]), "between cells stacked"),
}


@pytest.mark.parametrize("name", ABSENT)
def test_what_can_not_be_right_is_absent_with_the_reason(name: str) -> None:
    make, reason = ABSENT[name]
    made = Net(make())
    with capture_keras.attach(made.model, every=1, samples=2) as taps:
        made.model.train_on_batch(made.x, made.y)
        with pytest.warns(UserWarning, match=reason):
            records = taps.collect(0)
        made.model.train_on_batch(made.x, made.y)
        again = taps.collect(1)  # and says nothing more
    assert records
    assert again
    assert all(record.recurrence is None for record in [*records, *again])


def test_a_probe_has_no_dropout() -> None:
    made = Net(layers.LSTM(UNITS, dropout=0.5, recurrent_dropout=0.5, return_sequences=True))
    (record,) = rnn_summary.capture(made.model, made.x, made.y)
    check(record, made.unrolled())


def test_a_layer_that_does_more_than_its_cell_is_found_out() -> None:
    class Doubled(layers.LSTM):
        def inner_loop(self, sequences: Tensor, *others: Any, **options: Any) -> Tensor:
            return super().inner_loop(2 * sequences, *others, **options)

    made = Net(Doubled(UNITS, return_sequences=True))
    with pytest.warns(UserWarning, match="the activation that follows from its input and weights is not the recorded"):
        (record,) = rnn_summary.capture(made.model, made.x, made.y)
    assert set(record.sequences) == {"activation", "output_gradient"}
