"""From which states a stateful layer starts that is given others: Keras 3 on TensorFlow and tf_keras differ."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytestmark = pytest.mark.tensorflow
pytest.importorskip("tensorflow")

import keras  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("for Keras on TensorFlow", allow_module_level=True)
tf_keras = pytest.importorskip("tf_keras")

from tb_rnn_plugin.capture.keras import entry as capture_keras  # noqa: E402
from tb_rnn_plugin.capture.tf_keras import entry as capture_tf_keras  # noqa: E402

SAMPLES, TIMESTEPS, UNITS = 2, 3, 4


def random(*shape: int, seed: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def output_from(weights: list[Any], x: Any, initial: Any) -> npt.NDArray[np.float32]:
    """A SimpleRNN written out."""
    kernel, recurrent, bias = weights
    h, outputs = initial, []
    for t in range(TIMESTEPS):
        h = np.tanh(x[:, t] @ kernel + h @ recurrent + bias)
        outputs.append(h)
    return np.stack(outputs, axis=1)


@pytest.mark.parametrize("eagerly", [True, False])
@pytest.mark.parametrize(
    ("framework", "entry"),
    [
        pytest.param(
            framework,
            entry,
            id=framework.__name__,
            marks=pytest.mark.framework_case(name, "stateful, initial_state given"),
        )
        for framework, entry, name in (
            (keras, capture_keras, "Keras 3 on TensorFlow"),
            (tf_keras, capture_tf_keras, "tf_keras"),
        )
    ],
)
def test_the_recorded_state_is_the_one_that_the_output_comes_from(framework: Any, entry: Any, eagerly: bool) -> None:
    layers = framework.layers
    inputs = [framework.Input(batch_shape=(SAMPLES, TIMESTEPS, 3)), framework.Input(batch_shape=(SAMPLES, UNITS))]
    layer = layers.SimpleRNN(UNITS, stateful=True, return_sequences=True, name="rnn")
    model = framework.Model(inputs, layer(inputs[0], initial_state=inputs[1]))
    model.compile("sgd", "mse", run_eagerly=eagerly)
    given = random(SAMPLES, UNITS, seed=1)
    with entry.attach(model, every=1, samples=None, keep_inputs=True) as taps:
        for step in range(2):  # in the second one tf_keras goes on from where it was
            x = random(SAMPLES, TIMESTEPS, 3, seed=2 + step)
            weights = layer.get_weights()
            model.train_on_batch([x, given], random(SAMPLES, TIMESTEPS, UNITS, seed=9))
            (record,) = taps.collect(step)
            expected = output_from(weights, x, taps.inputs["rnn"]["initial_state/0"])
            np.testing.assert_allclose(record.sequences["activation"], expected, rtol=1e-5, atol=1e-6)
