"""Taps on tf_keras models come on and off without a trace, and say what they can't record or do with."""

import copy
import pickle
from collections.abc import Callable
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

import tensorflow as tf  # noqa: E402

from tests.capture.tensorflow_network import Array, attributes, data  # noqa: E402
from tests.capture.tf_keras_network import is_tapped, network, sgd, slow, train_step  # noqa: E402


@pytest.mark.parametrize("legacy", [False, True])
def test_detach_leaves_nothing_behind(legacy: bool) -> None:
    model = network()
    model.compile(sgd(legacy), "mse")
    before = attributes(model)
    taps = rnn_summary.attach(model, every=1)
    assert is_tapped(model)
    with pytest.raises(RuntimeError, match="on purpose"), taps:
        raise RuntimeError("on purpose")
    assert attributes(model) == before
    taps.detach()
    assert taps.collect(0) == []


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("name", ["model.keras", slow("model.h5"), slow("saved_model")])
def test_model_is_saved_as_it_is_while_attached(name: str, tmp_path: Path) -> None:
    model, (x, y) = network(), data(3)
    model.compile("sgd", "mse", run_eagerly=True)
    with rnn_summary.attach(model, every=1):
        model.train_on_batch(x, y)
        model.save(tmp_path / name)
        expected = model.predict(x, verbose=0)
    loaded = tf_keras.models.load_model(tmp_path / name)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)
    assert not is_tapped(loaded)
    assert not is_tapped(model)


def test_a_model_is_copied_and_pickled_while_attached() -> None:
    model, (x, y) = network(), data(3)
    model.compile("sgd", "mse", run_eagerly=True)
    with rnn_summary.attach(model, every=1):
        model.train_on_batch(x, y)
        expected = model.predict(x, verbose=0)
        others = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    for other in others:
        np.testing.assert_allclose(other.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)
        assert not is_tapped(other)


class Batches(tf_keras.utils.Sequence):  # type: ignore[name-defined]
    """The second one doesn't fit the model."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        x, y = data(3)
        return (x, y) if index == 0 else (x[..., :2], y)


def test_taps_come_off_when_fit_raises(tmp_path: Path) -> None:
    model = network()
    model.compile("sgd", "mse")
    callback = rnn_summary.KerasCallback(tmp_path, every=1)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="incompatible"):
        model.fit(Batches(), callbacks=[callback], verbose=0, shuffle=False)
    assert not is_tapped(model)
    x, y = data(3)
    model.fit(x, y, callbacks=[callback], verbose=0)
    first, second = sorted({step for step, _ in rnn_summary.read(tmp_path)})
    assert first == 0
    assert second in {1, 2}  # whether the step that failed was counted before it failed is up to TensorFlow


def test_what_can_not_be_recorded_is_said() -> None:
    model, (x, y), optimizer = network(), data(3), sgd()
    with pytest.warns(UserWarning, match="optimizer="):
        taps = rnn_summary.attach(model, every=1)
    with taps:
        train_step(model, optimizer)(x, y)
        records = taps.collect(0)
    assert all(record.weights and not record.weight_gradients and record.sequences for record in records)
    with rnn_summary.attach(model, every=1, optimizer=optimizer) as taps:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x) - y) ** 2)
        tape.gradient(loss, model.trainable_variables)
        with pytest.warns(UserWarning, match=r"optimizer.apply_gradients was not called between"):
            assert not taps.collect(0)[0].weight_gradients


def test_wrong_arguments_are_named() -> None:
    x, y = data(3)
    model: Any = network()
    attach: Any = rnn_summary.attach
    capture: Any = rnn_summary.capture
    wrong: list[tuple[type[Exception], str, Callable[[], object]]] = [
        (TypeError, "every: expected an int", lambda: attach(model, every="1", optimizer=sgd())),
        (ValueError, "samples: .* got 0", lambda: attach(model, samples=0, optimizer=sgd())),
        (TypeError, "optimizer: expected an optimizer of tf_keras, got str", lambda: attach(model, optimizer="sgd")),
        (ValueError, "layers: 'decoder' is none of", lambda: capture(model, x, y, layers="decoder")),
        (ValueError, "loss: the model isn't compiled", lambda: capture(model, x, y)),
        (TypeError, "loss: expected a callable", lambda: capture(model, x, y, loss=3)),
        (TypeError, "training: expected a bool", lambda: capture(model, x, y, training=1, loss="mse")),
    ]
    for error, match, call in wrong:
        with pytest.raises(error, match=match):
            call()
    assert not any("call" in vars(layer) for layer in model._flatten_layers())
