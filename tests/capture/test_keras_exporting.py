"""A model of Keras 3 on TensorFlow that is exported as a SavedModel while taps are on it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow
pytest.importorskip("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("for Keras on TensorFlow", allow_module_level=True)

from tb_rnn_plugin.capture.keras import entry as capture_keras  # noqa: E402
from tests.capture.keras_network import clone, network, sgd  # noqa: E402
from tests.capture.tensorflow_network import Expected, data  # noqa: E402


def by_export(model: Any, directory: Path, x: Any) -> Any:
    """What the exported model predicts."""
    model.export(directory, verbose=False)
    loaded = tf.saved_model.load(directory)
    return loaded.serve(x)


def by_tensorflow(model: Any, directory: Path, x: Any) -> Any:
    tf.saved_model.save(model, directory)
    loaded = tf.saved_model.load(directory)
    (prediction,) = loaded.signatures["serving_default"](x).values()
    return prediction


@pytest.mark.parametrize("export", [by_export, by_tensorflow])
def test_what_is_exported_is_the_model_as_it_was(export: Any, tmp_path: Path) -> None:
    model, (x, y) = network(), data(3)
    model.compile(sgd(), "mse")
    with capture_keras.attach(model, every=1, samples=None) as taps:
        model.train_on_batch(x, y)
        taps.collect(0)
        prediction = export(model, tmp_path / "exported", tf.constant(x))
        np.testing.assert_allclose(prediction, model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
        expected = Expected(clone(model), x, y)
        model.train_on_batch(x, y)
        expected.check(taps.collect(1), model)
