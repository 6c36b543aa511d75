"""A layer in two models with taps, in Keras 3 on TensorFlow and in tf_keras."""

from typing import Any

import pytest

from tb_rnn_plugin import rnn_summary

pytestmark = pytest.mark.tensorflow
pytest.importorskip("tensorflow")

import keras  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("for Keras on TensorFlow", allow_module_level=True)
tf_keras = pytest.importorskip("tf_keras")

of_each = pytest.mark.parametrize("framework", [keras, tf_keras], ids=["keras", "tf_keras"])


def two_models(framework: Any) -> list[Any]:
    """With an encoder in common, and a layer of its own in each."""
    layers = framework.layers
    encoder = layers.GRU(3, return_sequences=True, name="encoder")
    models = []
    for name in ("first", "second"):
        inputs = framework.Input((4, 2))
        models.append(framework.Model(inputs, layers.LSTM(3, name=name)(encoder(inputs))))
        models[-1].compile("sgd", "mse")
    return models


@of_each
def test_what_is_recorded_with_both_is_said(framework: Any) -> None:
    first, second = two_models(framework)
    with rnn_summary.attach(first), pytest.warns(UserWarning, match="'encoder': another model with taps has the same"):
        rnn_summary.attach(second).detach()


@of_each
def test_nothing_is_said_where_one_is_tapped_at_a_time(framework: Any) -> None:
    first, second = two_models(framework)  # a warning would be an error
    with rnn_summary.attach(first), rnn_summary.attach(first), rnn_summary.attach(second, layers="second"):
        pass
    with rnn_summary.attach(second):
        pass


@of_each
def test_where_warnings_are_errors_nothing_is_left_behind(framework: Any) -> None:
    first, second = two_models(framework)
    with rnn_summary.attach(first), pytest.raises(UserWarning, match="another model with taps"):
        rnn_summary.attach(second)
    assert "call" not in vars(second.get_layer("second"))
    rnn_summary.attach(first).detach()  # a warning would be an error
