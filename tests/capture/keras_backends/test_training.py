"""That training goes on as without taps, and that the model is as before when they are off."""

import copy
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tests.capture.keras_backends.backends import on_each, on_each_with
from tests.capture.keras_backends.by_hand import Array

pytest.importorskip("keras")

import keras

from tb_rnn_plugin.capture.keras import calls as keras_calls
from tb_rnn_plugin.capture.keras import entry as capture_keras
from tb_rnn_plugin.capture.keras import layers as keras_layers
from tests.capture.keras_backends.kept import Kept
from tests.capture.keras_backends.network import TIMESTEPS, data, sgd, small_network

pytestmark = pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time")

layers = keras.layers


@pytest.fixture
def optimised() -> Iterator[None]:
    """The compiler does all it can: what is added in another order differs in the last bit."""
    if keras.config.backend() != "jax":
        yield
        return
    import jax  # noqa: PLC0415  # where it is installed

    option = "jax_disable_most_optimizations"
    before = jax.config.values[option]
    config: Any = jax.config
    config.update(option, False)
    yield
    config.update(option, before)


def random_model() -> Any:
    """Whatever else changes in training: dropout, running averages, metrics.

    The sums of the normalisation are long enough for their order to matter.
    """
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((12, 3)),
            layers.LSTM(16, return_sequences=True),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.GRU(4, dropout=0.2, recurrent_dropout=0.2),
            layers.Dense(2),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


def variables(model: Any) -> list[Array]:
    every = model.variables + model.optimizer.variables + model.metrics_variables
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in every]


def attributes(model: Any) -> list[dict[str, Any]]:
    return [dict(vars(part)) for part in (*model._flatten_layers(), model.optimizer)]


def is_tapped(model: Any) -> bool:
    tapped = {"call", "apply", "stateless_apply"}
    return any(not tapped.isdisjoint(vars(part)) for part in (*model._flatten_layers(), model.optimizer))


class Losses(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.losses.append(float(logs["loss"]))


@on_each()
def test_losses_and_weights_are_bitwise_the_same(backend: str, optimised: None) -> None:
    x, y = data(80, 12)
    callbacks = {"taps": [Kept(every=3)], "probe": [Kept(every=3, probe=data(4, 12))], "neither": []}
    results = {}
    for recording, recorders in callbacks.items():
        model, losses = random_model(), Losses()
        history = model.fit(
            x, y, batch_size=8, epochs=2, verbose=0, validation_data=data(4, 12), callbacks=[losses, *recorders]
        )
        results[recording] = (losses.losses, history.history, variables(model))
        assert not is_tapped(model)
        assert all(len(recorder.written) == 7 for recorder in recorders)
    losses_alone, history_alone, variables_alone = results.pop("neither")
    assert len(losses_alone) == 20
    for of_losses, of_history, of_variables in results.values():
        assert of_losses == losses_alone
        assert of_history == history_alone
        for with_recorder, without in zip(of_variables, variables_alone, strict=True):
            np.testing.assert_array_equal(with_recorder, without)


@on_each()
def test_capture_leaves_the_model_as_it_was(backend: str) -> None:
    model = random_model()
    x, y = data(4, 12)
    model.train_on_batch(x, y)
    before, attributes_before = variables(model), attributes(model)
    capture_keras.capture(model, x, y, training=True)
    for now, then in zip(variables(model), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert [set(part) for part in attributes(model)] == [set(part) for part in attributes_before]


@on_each()
def test_only_steps_that_are_due_are_recorded(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between them layers run as without taps: on JAX in the program of an untapped model, which is made once."""
    model = small_network()
    model.compile(sgd(), "mse")
    x, y = data(4)
    calls: list[bool] = []
    opened = keras_layers.RecurrentLayer.kept

    def kept(layer: Any, tensors: Any) -> Any:
        calls.append(True)
        return opened(layer, tensors)

    monkeypatch.setattr(keras_layers.RecurrentLayer, "kept", kept)
    with capture_keras.attach(model, every=3, samples=4) as taps:
        written, recorded = [], []
        for step in range(7):
            calls.clear()
            model.train_on_batch(x, y)
            recorded.append(bool(calls))
            if taps.collect(step):
                written.append(step)
    assert written == [0, 3, 6]
    assert recorded == [step in ([0] if backend == "jax" else [0, 3, 6]) for step in range(7)]


@on_each()
def test_detach_leaves_nothing_behind(backend: str) -> None:
    model = small_network()
    model.compile(sgd(), "mse")
    x, y = data(3)
    model.fit(x, y, verbose=0)
    before, train_function = attributes(model), model.train_function
    callbacks = [Kept(), Kept()]
    model.fit(x, y, verbose=0, callbacks=callbacks)
    assert all(callback.written for callback in callbacks)
    assert model.train_function is train_function
    taps = capture_keras.attach(model, every=1, samples=4)
    assert is_tapped(model)
    with pytest.raises(RuntimeError, match="on purpose"), taps:
        raise RuntimeError("on purpose")
    taps.detach()
    assert taps.collect(0) == []
    assert not is_tapped(model)
    assert model.train_function is train_function
    assert [set(part) for part in attributes(model)] == [set(part) for part in before]


@on_each()
def test_taps_may_be_detached_in_any_order(backend: str) -> None:
    model = small_network()
    model.compile(sgd(), "mse")
    x, y = data(3)
    first = capture_keras.attach(model, every=1, samples=4)
    second = capture_keras.attach(model, every=1, samples=4)
    first.detach()
    model.train_on_batch(x, y)
    assert second.take()
    assert not first.take()
    second.detach()
    assert not is_tapped(model)


@on_each()
def test_an_error_in_the_step_takes_the_taps_off(backend: str) -> None:
    model = small_network()
    model.compile(sgd(), "mse")
    with pytest.raises(Exception, match=r"."):  # of the backend
        model.fit(np.zeros((4, TIMESTEPS, 9), np.float32), data(4)[1], verbose=0, callbacks=[Kept()])
    assert not is_tapped(model)
    callback = Kept()
    model.fit(*data(4), verbose=0, callbacks=[callback])
    assert callback.written


@on_each_with("where", {"outputs": "", "part": ""})
def test_a_failing_tap_never_ends_training(backend: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(*{"outputs": (keras_calls.Outputs, "of"), "part": (keras_calls, "part")}[where], fail)
    model = small_network()
    model.compile(sgd(), "mse")
    with capture_keras.attach(model, every=1, samples=4) as taps:
        model.train_on_batch(*data(3))
        with pytest.warns(UserWarning, match=r"RuntimeError\('no such thing'\)"):
            assert taps.collect(0) == []
        model.train_on_batch(*data(3))
        assert taps.collect(1) == []  # it is said once


COPIES: dict[str, Callable[[Any, Path], Any]] = {
    "saved": lambda model, path: (model.save(path), keras.models.load_model(path))[1],
    "pickled": lambda model, _: pickle.loads(pickle.dumps(model)),
    "cloned": lambda model, _: keras.models.clone_model(model),
    "copied": lambda model, _: copy.deepcopy(model),
}


@on_each_with("kind", dict.fromkeys(COPIES, ""))
def test_copies_of_a_tapped_model_have_no_taps(backend: str, kind: str, tmp_path: Path) -> None:
    model = small_network()
    model.compile("sgd", "mse")
    x, y = data(3)
    with capture_keras.attach(model, every=1, samples=4) as taps:
        model.train_on_batch(x, y)
        made = COPIES[kind](model, tmp_path / "model.keras")
        assert is_tapped(model)
        made.compile("sgd", "mse")
        made.train_on_batch(x, y)
        assert not is_tapped(made)
        model.train_on_batch(x, y)
        assert taps.collect(0)
    assert not is_tapped(model)


@on_each(case="KerasCallback, written to an event file and read back")
def test_what_is_written_is_read_back(backend: str, tmp_path: Path) -> None:
    model = small_network("LSTM")
    model.compile(sgd(), "mse")
    kept = Kept(every=2)
    callback = rnn_summary.KerasCallback(tmp_path, every=2, samples=2)
    model.fit(*data(8), batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=[kept, callback])
    read = list(rnn_summary.read(tmp_path))
    assert [(step, record.name) for step, record in read] == [(0, "last"), (2, "last")]
    for (step, record), expected in zip(read, [r for records in kept.written.values() for r in records], strict=True):
        assert step in kept.written
        for quantity, array in expected.sequences.items():
            np.testing.assert_array_equal(record.sequences[quantity], array[:2])
        for direction, matrices in expected.weight_gradients.items():
            for matrix, array in matrices.items():
                np.testing.assert_array_equal(record.weight_gradients[direction][matrix], array)
