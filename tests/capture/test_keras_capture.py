"""rnn_summary.capture of a Keras model: a pass of its own, which leaves the model as it was."""

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
from tests.capture.keras_network import case, clone, network, variables  # noqa: E402
from tests.capture.tensorflow_network import TIMESTEPS, Expected, attributes, data  # noqa: E402

layers = keras.layers


@case("rnn_summary.capture, with sample_weight and each kind of loss")
def test_one_batch_gives_the_same_as_taps() -> None:
    model, (x, y) = network(), data(4)
    expected = Expected(clone(model), x, y)
    losses = {"name": "mse", "object": keras.losses.MeanSquaredError(), "callable": lambda y, p: (y - p) ** 2}
    for loss in losses.values():
        expected.check(capture_keras.capture(model, x, y, loss=loss), model)
    in_double = x.astype(np.float64), y.astype(np.float64)  # as NumPy makes them: `fit` takes these too
    expected.check(capture_keras.capture(model, *in_double, loss=losses["callable"]), model)
    doubled = capture_keras.capture(model, x, y, loss=losses["callable"], sample_weight=np.full(4, 2.0))
    np.testing.assert_allclose(
        doubled[0].sequences["output_gradient"], 2 * expected.output_gradients["encoder"], rtol=1e-4, atol=1e-7
    )


@case("rnn_summary.capture of a frozen model")
def test_a_pass_of_its_own_sees_frozen_layers_too() -> None:
    model, (x, y) = network(), data(3)
    expected = Expected(clone(model), x, y)
    model.trainable = False
    records = capture_keras.capture(model, x, y, loss="mse")
    gradient = records[0].sequences["output_gradient"]
    np.testing.assert_allclose(gradient, expected.output_gradients["encoder"], rtol=1e-4, atol=1e-6)
    gradient = records[0].weight_gradients["forward"]["kernel"]
    np.testing.assert_allclose(gradient, expected.weight_gradients[0], rtol=1e-4, atol=1e-6)


def test_arrays_are_not_copied_again() -> None:
    model, (x, y) = network(), data(3)
    for record in capture_keras.capture(model, x, y, loss="mse"):
        arrays = [*record.sequences.values(), *record.weights["forward"].values()]
        assert all(not array.flags.writeable and array.dtype == np.float32 for array in arrays)


def test_capture_leaves_the_model_as_it_was() -> None:
    model = keras.Sequential(
        [keras.Input((TIMESTEPS, 3)), layers.GRU(4, dropout=0.5), layers.BatchNormalization(), layers.Dense(2)]
    )
    model.compile("adam", "mse", metrics=["mae"])
    x, y = data(4)
    model.train_on_batch(x, y)
    before, names = variables(model), attributes(model)
    capture_keras.capture(model, x, y, training=True)
    for variable, value in zip(variables(model), before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert attributes(model) == names
