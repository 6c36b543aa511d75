"""Clipped gradients against what the optimizer itself makes of a training step: plain SGD subtracts just them."""

import numpy as np

from tb_rnn_plugin import rnn_summary
from tests.capture.keras_backends.backends import on_each


@on_each(case="capture, gradients clipped by the optimizer")
def test_as_the_optimizer_clips(backend: str) -> None:
    import keras  # noqa: PLC0415  # here, where it has its backend

    generator = np.random.default_rng(0)
    layers = [keras.Input((4, 2)), keras.layers.Dense(3), keras.layers.GRU(3, name="gru"), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.set_weights([generator.normal(size=w.shape) for w in model.get_weights()])
    model.compile(keras.optimizers.SGD(1.0, global_clipnorm=0.2), "mse")
    x, y = generator.normal(size=(4, 4, 2)).astype(np.float32), generator.normal(size=(4, 2)).astype(np.float32)
    (record,) = rnn_summary.capture(model, x, y, training=True, clipped=True)
    before = model.get_layer("gru").get_weights()
    model.train_on_batch(x, y)
    for name, old, new in zip(
        record.weight_gradients["forward"], before, model.get_layer("gru").get_weights(), strict=True
    ):
        np.testing.assert_allclose(record.weight_gradients["forward"][name], old - new, atol=1e-5, err_msg=name)
