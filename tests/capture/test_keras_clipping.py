"""Clipped gradients against what the optimizer itself makes of a training step: plain SGD subtracts just them."""

from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore:.*np.object:FutureWarning")]
keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

TOLERANCE = 1e-5


def made(keras_: Any, optimizer: Any, *, frozen: bool = False) -> Any:
    """A model in which other gradients are larger than those of the recurrent layers, with weights from a seed."""
    layers = keras_.layers
    model = keras_.Sequential(
        [
            layers.Input((5, 2)),
            layers.Dense(3, trainable=not frozen),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="both"),
            layers.GRU(3, name="gru"),
            layers.Dense(2, name="head"),
        ]
    )
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(size=w.shape) for w in model.get_weights()])
    model.get_layer("gru").trainable = not frozen
    model.compile(optimizer, "mse", run_eagerly=True)
    return model


def batch() -> tuple[Any, Any]:
    generator = np.random.default_rng(1)
    return generator.normal(size=(4, 5, 2)).astype(np.float32), generator.normal(size=(4, 2)).astype(np.float32) * 5


def updates(model: Any, x: Any, y: Any) -> dict[str, list[Any]]:
    """Layer to what one training step subtracted from each of its weights."""
    before = {layer.name: layer.get_weights() for layer in model.layers}
    model.train_on_batch(x, y)
    return {
        layer.name: [a - b for a, b in zip(before[layer.name], layer.get_weights(), strict=True)]
        for layer in model.layers
    }


def check(model: Any, records: list[Any], expected: dict[str, list[Any]]) -> None:
    assert [record.name for record in records] == ["both", "gru"]
    for record in records:
        matrices = [m for of in record.weight_gradients.values() for m in of.values()]
        if model.get_layer(record.name).trainable:
            assert len(matrices) == len(expected[record.name])
        for matrix, wanted in zip(matrices, expected[record.name], strict=False):
            np.testing.assert_allclose(matrix, wanted, atol=TOLERANCE)


CLIPPINGS: list[dict[str, float]] = [
    {"clipnorm": 0.2},
    {"global_clipnorm": 0.2},
    {"clipvalue": 0.02},
    {"clipnorm": 1e9},
    {},
]


@pytest.mark.framework_case("Keras 3 on TensorFlow", "capture, gradients clipped by the optimizer")
@pytest.mark.parametrize(
    ("clipping", "frozen"), [*((clipping, False) for clipping in CLIPPINGS), ({"global_clipnorm": 0.2}, True)], ids=str
)
def test_as_the_optimizer_clips(clipping: dict[str, float], frozen: bool) -> None:
    model = made(keras, keras.optimizers.SGD(1.0, **clipping), frozen=frozen)
    x, y = batch()
    plain = rnn_summary.capture(model, x, y, training=True)
    clipped = rnn_summary.capture(model, x, y, training=True, clipped=True)
    check(model, clipped, updates(model, x, y))
    for one, other in zip(plain, clipped, strict=True):
        for quantity, array in one.sequences.items():
            np.testing.assert_array_equal(other.sequences[quantity], array)
        kernel, of_clipped = (of.weight_gradients.get("forward", {}).get("kernel") for of in (one, other))
        if of_clipped is None:  # frozen: the optimizer never sees it
            assert (one.name, frozen) == ("gru", True)
        else:
            is_clipped = bool(clipping) and clipping != {"clipnorm": 1e9}
            assert kernel is not None
            assert np.array_equal(kernel, of_clipped) != is_clipped


@pytest.mark.framework_case("Keras 3 on TensorFlow", "capture, gradients clipped under a scaled loss")
def test_under_a_scaled_loss() -> None:
    inner = keras.optimizers.SGD(1.0, global_clipnorm=0.2)
    model = made(keras, keras.optimizers.LossScaleOptimizer(inner, initial_scale=64.0))
    x, y = batch()
    check(model, rnn_summary.capture(model, x, y, training=True, clipped=True), updates(model, x, y))


@pytest.mark.framework_case("tf_keras", "capture, gradients clipped by the optimizer")
@pytest.mark.parametrize(
    ("clipping", "legacy"),
    [*((clipping, False) for clipping in CLIPPINGS[:3]), ({"global_clipnorm": 0.2}, True)],
    ids=str,
)
def test_as_tf_keras_clips(clipping: dict[str, float], legacy: bool) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    optimizers = tf_keras.optimizers.legacy if legacy else tf_keras.optimizers
    model = made(tf_keras, optimizers.SGD(1.0, **clipping))
    x, y = batch()
    check(model, rnn_summary.capture(model, x, y, training=True, clipped=True), updates(model, x, y))


def test_what_can_not_be_clipped_is_said() -> None:
    model = made(keras, "sgd")
    x, y = batch()
    uncompiled = keras.Sequential(model.layers)
    with pytest.raises(ValueError, match=r"clipped: the model isn't compiled"):
        rnn_summary.capture(uncompiled, x, y, loss="mse", clipped=True)
