"""Taps in the fit of Keras on JAX and on PyTorch, against plain autograd on cells that are written out."""

from typing import Any

import pytest

from tests.capture.keras_backends.backends import on_each, on_each_with

pytest.importorskip("keras")

from tb_rnn_plugin.capture.keras import entry as capture_keras
from tests.capture.keras_backends.kept import Before, Kept, batches
from tests.capture.keras_backends.network import Expected, clone, data, network, sgd, small_network


def fit(model: Any, x: Any, y: Any, *callbacks: Any, **options: Any) -> Any:
    given = {"batch_size": 4, "shuffle": False, "verbose": 0} | options
    return model.fit(x, y, callbacks=list(callbacks), **given).history


@on_each(case="KerasCallback in fit, with validation_data")
def test_fit_with_a_smaller_last_batch(backend: str) -> None:
    model = small_network()
    model.compile(sgd(), "mse")
    x, y = data(10)
    taps, before = Kept(), Before(batches(x, y, 4))
    fit(model, x, y, before, taps, validation_data=data(3, seed=1))
    assert list(taps.written) == [0, 1, 2]
    for step, records in taps.written.items():
        before.expected[step].check(records)


@on_each(case="KerasCallback in fit, run_eagerly")
def test_fit_run_eagerly(backend: str) -> None:
    model = small_network()
    model.compile(sgd(), "mse", run_eagerly=True)
    x, y = data(4)
    expected, taps, probe = Expected(model, x, y), Kept(), Kept(probe=(x, y))
    fit(model, x, y, taps, probe)
    expected.check(taps.written[0])
    expected.check(probe.written[0])


@on_each("jax", case="KerasCallback in fit, steps_per_execution=2")
def test_several_steps_in_one_execution(backend: str) -> None:
    model = small_network("LSTM")
    x, y = data(10)
    alone = clone(model)
    alone.compile(sgd(), "mse")
    alone.train_on_batch(x[:4], y[:4])
    second = Expected(alone, x[4:8], y[4:8])
    model.compile(sgd(), "mse", steps_per_execution=2)
    taps, before = Kept(), Before(batches(x, y, 4))
    fit(model, x, y, before, taps)
    assert list(taps.written) == [1, 2]  # of each execution the last step
    second.check(taps.written[1])
    before.expected[2].check(taps.written[2])


@on_each(case="KerasCallback in fit, with a probe")
def test_the_probe_sees_the_weights_of_its_step(backend: str) -> None:
    model, probe = small_network("LSTM"), data(4, seed=2)
    model.compile(sgd(), "mse")
    x, y = data(12)
    callback, before = Kept(every=2, probe=probe), Before([probe] * 3)
    fit(model, x, y, before, callback)
    assert list(callback.written) == [0, 2]
    for step, records in callback.written.items():
        before.expected[step].check(records)


@on_each_with(
    "kinds",
    {
        ("ave", "LSTM", None): "Bidirectional, merge_mode=ave",
        ("mul", "GRU", False): "Bidirectional, merge_mode=mul",
        ("concat", "GRU", True): "Bidirectional, merge_mode=concat",
        (None, "SimpleRNN", None): "Bidirectional, merge_mode=None",
    },
)
def test_merge_modes_and_cells(backend: str, kinds: tuple[str | None, str, bool | None]) -> None:
    merge_mode, last, reset_after = kinds
    options: dict[str, Any] = {} if reset_after is None else {"reset_after": reset_after}
    model = network(merge_mode, last, **options)
    model.compile(sgd(), "mse")
    x, y = data(4)
    expected = Expected(model, x, y)
    with capture_keras.attach(model, every=1, samples=None) as taps:
        model.train_on_batch(x, y)
        model.test_on_batch(x[::-1], y)  # without a backward pass nothing changes
        expected.check(taps.collect(0))
