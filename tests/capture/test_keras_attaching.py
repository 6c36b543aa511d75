"""Taps on Keras models come on and off without a trace, and say what they can't record or do with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.usefixtures("seeded_keras"),
    pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time"),
]
pytest.importorskip("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("for Keras on TensorFlow", allow_module_level=True)

from tb_rnn_plugin.capture.keras import entry as capture_keras  # noqa: E402
from tests.capture.keras_network import clone, is_tapped, network, sgd, train_step  # noqa: E402
from tests.capture.tensorflow_network import Expected, attributes, data  # noqa: E402

layers = keras.layers


def test_detach_leaves_nothing_behind() -> None:
    model = network()
    model.compile("sgd", "mse")
    before = attributes(model)
    taps = capture_keras.attach(model, every=1, samples=4)
    assert attributes(model) != before
    with pytest.raises(RuntimeError, match="on purpose"), taps:
        raise RuntimeError("on purpose")
    assert attributes(model) == before
    taps.detach()
    assert taps.collect(0) == []
    assert attributes(model) == before


def test_taps_may_be_detached_in_any_order() -> None:
    model, (x, y) = network(), data(3)
    model.compile(sgd(), "mse", run_eagerly=True)
    first = capture_keras.attach(model, every=1, samples=4)
    second = capture_keras.attach(model, every=1, samples=4)
    first.detach()
    expected = Expected(clone(model), x, y)
    model.train_on_batch(x, y)
    expected.check(second.take(), model)
    second.detach()
    assert not is_tapped(model)


def test_model_is_saved_as_it_is_while_attached(tmp_path: Path) -> None:
    model, (x, y) = network(), data(3)
    model.compile("sgd", "mse", run_eagerly=True)
    with capture_keras.attach(model, every=1, samples=4):
        model.train_on_batch(x, y)
        model.save(tmp_path / "model.keras")
        expected = model.predict(x, verbose=0)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)
    assert not is_tapped(loaded)
    assert not is_tapped(model)


def test_an_optimizer_is_left_alone_where_no_weights_are_recorded() -> None:
    model, optimizer = network(), sgd()
    with capture_keras.attach(model, every=1, samples=4, optimizer=optimizer, quantities=["activation"]):
        assert "apply" not in vars(optimizer)
    with capture_keras.attach(model, every=1, samples=4, optimizer=optimizer, quantities=["weights"]):
        assert "apply" in vars(optimizer)


def test_without_an_optimizer_the_rest_is_recorded() -> None:
    model, (x, y) = network(), data(3)
    with pytest.warns(UserWarning, match="optimizer="):
        taps = capture_keras.attach(model, every=1, samples=4)
    with taps:
        train_step(model, sgd())(x, y)
        records = taps.collect(0)
    assert all(record.weights and not record.weight_gradients and record.sequences for record in records)


def test_a_step_traced_before_is_said() -> None:
    model, (x, y), optimizer = network(), data(3), sgd()
    step = tf.function(train_step(model, optimizer))
    step(x, y)
    with capture_keras.attach(model, every=1, samples=4, optimizer=optimizer) as taps:
        step(x, y)
        with pytest.warns(UserWarning, match="attach before it is called"):
            assert taps.collect(0) == []


@pytest.mark.parametrize(
    ("quantities", "error"), [("activation", TypeError), (3, TypeError), ([], ValueError), (["gate"], ValueError)]
)
def test_quantities_that_can_not_be_recorded(quantities: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^quantities: "):
        capture_keras.attach(network(), every=1, samples=4, optimizer=sgd(), quantities=quantities)
    with pytest.raises(error, match=r"^quantities: "):
        capture_keras.KerasCallback("nowhere", quantities=quantities)


def test_wrong_arguments_are_named() -> None:
    (x, y), optimizer = data(3), sgd()
    model: Any = network()
    attach: Any = capture_keras.attach
    capture: Any = capture_keras.capture
    options = {"every": 1, "samples": 4, "optimizer": optimizer}
    wrong: list[tuple[type[Exception], str, Callable[[], object]]] = [
        (TypeError, "model: expected a Keras model, got str", lambda: attach("model", **options)),
        (TypeError, "every: expected an int", lambda: attach(model, **options | {"every": "1"})),
        (ValueError, "samples: .* got 0", lambda: attach(model, **options | {"samples": 0})),
        (TypeError, "optimizer: .* got str", lambda: attach(model, **options | {"optimizer": "sgd"})),
        (ValueError, "layers: 'decoder' is none of", lambda: capture(model, x, y, layers="decoder")),
        (ValueError, "loss: the model isn't compiled", lambda: capture(model, x, y)),
        (TypeError, "loss: expected a callable", lambda: capture(model, x, y, loss=3)),
        (TypeError, "training: expected a bool", lambda: capture(model, x, y, training=1, loss="mse")),
    ]
    for error, match, call in wrong:
        with pytest.raises(error, match=match):
            call()
    assert not any("call" in vars(layer) for layer in model._flatten_layers())
