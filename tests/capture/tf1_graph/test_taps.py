"""Taps on training in TensorFlow 1's graph mode: what they record of it, and that it goes on as without them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.own_process,
    pytest.mark.filterwarnings("ignore:`Model.state_updates` will be removed"),  # tf_keras's own, in predict
]
tf_keras = pytest.importorskip("tf_keras")

import tensorflow as tf  # noqa: E402

from tests.capture.tf1_graph.network import TIMESTEPS, case, data, layers, read, run, with_dropout  # noqa: E402


@pytest.mark.slow
@case("mixed precision with a LossScaleOptimizer")
def test_the_loss_scale_is_taken_out() -> None:
    def made(dtype: str) -> Any:
        inputs = tf_keras.Input((TIMESTEPS, 3))
        hidden = layers.LSTM(4, return_sequences=True, name="lower", dtype=dtype)(inputs)
        last = layers.GRU(4, name="upper", dtype=dtype)(hidden)
        return tf_keras.Model(inputs, layers.Dense(2, dtype="float32")(last))

    plain, mixed = made("float32"), made("mixed_float16")
    inner = tf_keras.optimizers.legacy.SGD(0.0)
    optimizer = tf_keras.mixed_precision.LossScaleOptimizer(inner, initial_scale=8, dynamic_growth_steps=1)
    plain.compile(tf_keras.optimizers.legacy.SGD(0.0), "mse")
    mixed.compile(optimizer, "mse")
    mixed.set_weights(plain.get_weights())
    x, y = data(4)
    expected = rnn_summary.capture(plain, x, y, bptt=False)
    with rnn_summary.attach(mixed, every=1, samples=None) as taps:
        for step in range(2):
            mixed.train_on_batch(x, y)
            for record, wanted in zip(taps.collect(step), expected, strict=True):
                for quantity, array in wanted.sequences.items():
                    np.testing.assert_allclose(record.sequences[quantity], array, rtol=1e-2, atol=1e-3)
                gradients = record.weight_gradients["forward"]["kernel"], wanted.weight_gradients["forward"]["kernel"]
                np.testing.assert_allclose(*gradients, rtol=2e-2, atol=1e-3)
    assert float(tf_keras.backend.get_value(optimizer.loss_scale)) == 32


@pytest.mark.slow
@pytest.mark.parametrize("how", ["taps", "probe"])
def test_training_is_bitwise_the_same(how: str, tmp_path: Path) -> None:
    x, y = data(80)
    losses: list[list[float]] = []
    weights = []
    for summarised in (False, True):
        model = with_dropout()
        of_batches: list[float] = []
        callbacks: list[Any] = [
            tf_keras.callbacks.LambdaCallback(on_batch_end=lambda _, logs: of_batches.append(logs["loss"]))  # noqa: B023
        ]
        if summarised:
            probe = data(3) if how == "probe" else None
            callbacks.append(rnn_summary.KerasCallback(tmp_path, every=3, probe=probe))
        np.random.seed(0)  # noqa: NPY002  # fit shuffles with it
        model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=callbacks, validation_data=data(4, seed=2))
        losses.append(of_batches)
        weights.append(model.get_weights() + model.optimizer.get_weights())
    assert losses[0] == losses[1]
    assert len(losses[0]) == 20
    for without, with_callback in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, with_callback)
    assert sorted(read(tmp_path)) == [0, 3, 6, 9, 12, 15, 18]


@pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time.*dropout=0.3 acts inside the cell")
def test_training_is_recorded_with_its_dropout() -> None:
    """What is fetched is of the pass that trains: its weight gradients are those that the optimizer goes by."""
    model = with_dropout(of_lstm=0.3)
    model.compile(tf_keras.optimizers.legacy.SGD(1.0), "mse")
    x, y = data(8)
    with rnn_summary.attach(model, every=2, samples=None) as taps:
        for step in range(5):
            before = model.get_layer("lstm").get_weights()
            model.train_on_batch(x, y)
            records = taps.collect(step)
            assert bool(records) == (step % 2 == 0)
            if records:
                after = model.get_layer("lstm").get_weights()
                matrices = zip(before, after, records[0].weights["forward"].values(), strict=True)
                for old, new, (name, gradient), weight in (
                    (old, new, item, weight)
                    for (old, new, weight), item in zip(
                        matrices, records[0].weight_gradients["forward"].items(), strict=True
                    )
                ):
                    np.testing.assert_array_equal(weight, old)
                    np.testing.assert_allclose(gradient, old - new, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("intermediates", [None], indirect=True, ids=["as TensorFlow makes loops"])
def test_frozen_layers_do_not_break_training() -> None:
    """No gradient is taken through a loop that Keras takes none through: the session has run it already."""
    inputs = tf_keras.Input((TIMESTEPS, 3))
    below = layers.LSTM(4, return_sequences=True, name="below", trainable=False)(inputs)
    middle = layers.Bidirectional(layers.GRU(4, return_sequences=True), name="middle", trainable=False)(below)
    model = tf_keras.Model(inputs, layers.Dense(2)(layers.LSTM(4, name="above")(middle)))
    model.compile(tf_keras.optimizers.legacy.SGD(0.1), "mse")
    x, y = data(4)
    model.train_on_batch(x, y)
    with rnn_summary.attach(model, every=1) as taps:
        for step in range(2):
            model.train_on_batch(x, y)
            if step == 0:
                with pytest.warns(
                    UserWarning, match="no gradient reached 'below', 'middle': of a layer that is frozen"
                ):
                    records = taps.collect(step)
            else:
                records = taps.collect(step)
            assert [bool(record.sequences) for record in records] == [False, False, True]
            assert [bool(record.weight_gradients) for record in records] == [False, False, True]
            assert all(record.weights for record in records)
    # A pass of its own has loops of its own, and sees all of them.
    assert all(record.sequences and record.weight_gradients for record in rnn_summary.capture(model, x, y))
    model.train_on_batch(x, y)


def test_detach_leaves_the_model_as_it_was() -> None:
    model = with_dropout()
    x, y = data(8)
    model.train_on_batch(x, y)
    function = model.train_function
    before = set(vars(model)), list(function.fetches), dict(function.fetch_callbacks)
    taps = rnn_summary.attach(model, every=1)
    assert function.fetches
    model.train_on_batch(x, y)
    with pytest.raises(RuntimeError, match="on purpose"), taps:
        raise RuntimeError("on purpose")
    assert (set(vars(model)), list(function.fetches), dict(function.fetch_callbacks)) == before
    assert model.train_function is function
    taps.detach()
    assert taps.collect(0) == []
    operations = len(tf.compat.v1.get_default_graph().get_operations())
    with rnn_summary.attach(model, every=1) as taps:
        model.train_on_batch(x, y)
        assert taps.collect(0)
    assert len(tf.compat.v1.get_default_graph().get_operations()) == operations  # the gradients are used again


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_model_is_saved_and_copied_as_it_is_while_attached(tmp_path: Path) -> None:
    model = with_dropout()
    x, y = data(8)
    with rnn_summary.attach(model, every=1):
        model.train_on_batch(x, y)
        model.save(tmp_path / "model.h5")
        expected = model.predict(x)
    loaded = tf_keras.models.load_model(tmp_path / "model.h5")
    np.testing.assert_allclose(loaded.predict(x), expected, rtol=1e-5, atol=1e-6)
    assert "_make_train_function" not in vars(loaded)


def test_what_can_not_be_recorded_is_said() -> None:
    model = with_dropout()
    x, y = data(8)
    with rnn_summary.attach(model, every=1) as taps:
        feeds = dict(zip(model._feed_inputs + model._feed_targets, [x, y], strict=True))
        run(model.total_loss, feeds)  # a loop of the user's own
        with pytest.warns(UserWarning, match=r"taps see what model.fit and model.train_on_batch run.*capture\("):
            assert taps.collect(0) == []


def test_wrong_arguments_are_named() -> None:
    inputs = tf_keras.Input((TIMESTEPS, 3))
    model = tf_keras.Model(inputs, layers.Dense(2)(layers.LSTM(4, name="lstm")(inputs)))
    x, y = data(3)
    attach: Any = rnn_summary.attach
    capture: Any = rnn_summary.capture
    wrong: list[tuple[type[Exception], str, Callable[[], object]]] = [
        (TypeError, "every: expected an int", lambda: attach(model, every="1")),
        (ValueError, "model: it isn't compiled", lambda: attach(model)),
        (ValueError, "loss: the model isn't compiled", lambda: capture(model, x, y)),
        (TypeError, "loss: expected a callable", lambda: capture(model, x, y, loss=3)),
        (ValueError, "layers: 'decoder' is none of", lambda: capture(model, x, y, layers="decoder")),
    ]
    for error, match, call in wrong:
        with pytest.raises(error, match=match):
            call()
