"""What taps on Keras models record in a training loop and in fit, against a GradientTape on an untouched clone."""

import warnings
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
from tb_rnn_plugin.capture.keras.tensorflow.store import Store  # noqa: E402
from tests.capture.keras_network import case, clone, each_expected, network, sgd, train_step  # noqa: E402
from tests.capture.tensorflow_network import (  # noqa: E402
    FIT_MODES,
    LOOPS,
    TIMESTEPS,
    Expected,
    ExpectedOfTwoCalls,
    called_twice,
    data,
    squared,
)

layers = keras.layers


@pytest.mark.parametrize(
    "loop",
    [
        pytest.param("eager", marks=case("a loop of one's own, eager")),
        pytest.param("function", marks=case("a loop of one's own, tf.function")),
        pytest.param("xla", marks=[pytest.mark.slow, case("a loop of one's own, tf.function with jit_compile")]),
    ],
)
def test_loop_with_changing_shapes(loop: str) -> None:
    model, optimizer = network(), sgd()
    batches = [data(samples, timesteps) for samples, timesteps in ((4, 6), (3, 8), (3, 8))]
    expected = list(each_expected(model, batches))
    recorded = []
    with capture_keras.attach(model, every=1, samples=2, optimizer=optimizer) as taps:
        step = LOOPS[loop](train_step(model, optimizer))
        for index, (x, y) in enumerate(batches):
            step(tf.constant(x), tf.constant(y))
            records = taps.collect(index)
            if records:
                expected[index].check(records, model)
                recorded.append(index)
    # XLA has to know beforehand how much room is needed: longer sequences are recorded from their second time on.
    assert recorded == ([0, 2] if loop == "xla" else [0, 1, 2])


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("default", marks=case("fit")),
        pytest.param("eager", marks=case("fit, run_eagerly")),
        pytest.param("two steps at once", marks=case("fit, steps_per_execution=2")),
        pytest.param("two steps at once, eager", marks=case("fit, run_eagerly, steps_per_execution=2")),
        pytest.param("xla", marks=[pytest.mark.slow, case("fit, jit_compile")]),
    ],
)
def test_fit_with_a_smaller_last_batch(mode: str) -> None:
    options = FIT_MODES[mode]
    model = network()
    x, y = data(10)
    expected = list(each_expected(model, [(x[i : i + 4], y[i : i + 4]) for i in (0, 4, 8)]))
    model.compile(sgd(), "mse", **options)
    seen: list[int] = []

    class Check(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:  # noqa: ARG002
            step = min(batch, 2)
            expected[step].check(taps.collect(step), model)
            seen.append(step)

    with capture_keras.attach(model, every=1, samples=4) as taps:
        model.fit(x, y, batch_size=4, shuffle=False, verbose=0, callbacks=[Check()], validation_data=data(3, seed=1))
    assert seen == ([1, 2] if "steps_per_execution" in options else [0, 1, 2])


@pytest.mark.parametrize(
    "merge_mode",
    [pytest.param(mode, marks=case(f"Bidirectional, merge_mode={mode!r}")) for mode in ("ave", "mul", None)],
)
def test_merge_modes_that_mix_the_directions(merge_mode: str | None) -> None:
    model, (x, y), optimizer = network(merge_mode), data(3), sgd()
    expected = Expected(clone(model), x, y)
    with capture_keras.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        train_step(model, optimizer)(x, y)
        expected.check(taps.take(), model)


@case("a layer called twice")
@pytest.mark.parametrize("loop", ["eager", "function"])
def test_a_layer_called_twice_has_a_record_a_call(loop: str) -> None:
    model, optimizer = called_twice(keras), sgd()
    (x, y), (x2, _) = data(3), data(3, seed=1)
    expected = ExpectedOfTwoCalls(clone(model), x, x2, y)
    with capture_keras.attach(model, every=1, samples=4, optimizer=optimizer) as taps:
        step = LOOPS[loop](train_step(model, optimizer))
        model([x, x2])  # as validation: no backward pass
        step([x, x2], y)
        model([x, x2])
        expected.check(taps.collect(0))


def with_a_loss_scale() -> tuple[Any, Any]:
    """A compiled model of mixed precision that never learns, and the same in float32."""
    model, copy = network(dtype="mixed_float16"), network()
    copy.set_weights(model.get_weights())
    # The scale doubles after each step: dividing by the one after it would be wrong by a factor of two.
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.0), initial_scale=8, dynamic_growth_steps=1)
    model.compile(optimizer, "mse")
    assert model.optimizer is optimizer
    return model, copy


@case("mixed precision, with a loss scale")
def test_the_loss_scale_is_taken_out() -> None:
    model, copy = with_a_loss_scale()
    x, y = data(4)
    expected = Expected(copy, x, y)
    with capture_keras.attach(model, every=1, samples=4) as taps:
        for step in range(2):
            model.train_on_batch(x, y)
            expected.check(taps.collect(step), model, rtol=1e-2, atol=1e-3)
    assert int(model.optimizer.dynamic_scale.numpy()) == 32
    expected.check(capture_keras.capture(model, x, y), model, rtol=1e-2, atol=1e-3)


@case("mixed precision, with a loss scale")
def test_the_loss_scale_is_taken_out_where_no_weights_are_recorded() -> None:
    """The scale has to be read before the optimizer changes it, though nothing else of the optimizer is asked for."""
    model, copy = with_a_loss_scale()
    x, y = data(4)
    expected = Expected(copy, x, y).output_gradients
    with capture_keras.attach(model, every=1, samples=4, quantities=["output_gradient"]) as taps:
        for step in range(2):
            model.train_on_batch(x, y)
            encoder, _, last = taps.collect(step)
            for record, name in ((encoder, "encoder"), (last, "last")):
                assert (list(record.sequences), record.weights, record.weight_gradients) == (
                    ["output_gradient"],
                    {},
                    {},
                )
                gradient = record.sequences["output_gradient"].reshape(expected[name].shape)
                np.testing.assert_allclose(gradient, expected[name], 1e-2, 1e-3)


@pytest.mark.parametrize(
    "loop",
    [
        pytest.param("eager", marks=case("a loss with a gradient penalty, eager")),
        pytest.param("function", marks=case("a loss with a gradient penalty, tf.function")),
    ],
)
def test_gradients_in_the_loss_are_not_those_of_the_loss(loop: str) -> None:
    model, optimizer = keras.Sequential([keras.Input((TIMESTEPS, 3)), layers.GRU(4, name="gru")]), sgd()
    (x, _), gru = data(3), clone(model).layers[0]

    def penalised(of_hidden: Any, slope: Any) -> Any:
        return tf.reduce_mean(of_hidden**2) + 10 * tf.reduce_mean((tf.norm(slope, axis=[1, 2]) - 1) ** 2)

    def gradients(run: Any, inputs: Any, of: Any) -> Any:
        with tf.GradientTape() as tape:
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                hidden = tf.identity(run(inputs))
                squares = tf.reduce_sum(hidden**2)  # so that the penalty depends on the hidden state
            loss = penalised(hidden, inner.gradient(squares, inputs))
        return tape.gradient(loss, of if of is not None else hidden)

    def step(inputs: Any, _: Any = None) -> None:
        of_weights = gradients(model, inputs, model.trainable_variables)
        optimizer.apply(of_weights, model.trainable_variables)

    inputs = tf.constant(x)
    of_hidden, of_weights = (gradients(gru, inputs, of) for of in (None, [v.value for v in gru.trainable_variables]))
    with capture_keras.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        LOOPS[loop](step)(inputs, None)
        with pytest.warns(UserWarning, match="gradient through time of 'gru' is left out: the loss holds gradients"):
            (record,) = taps.collect(0)
    np.testing.assert_allclose(record.sequences["output_gradient"][:, 0], of_hidden, rtol=1e-4, atol=1e-6)
    for matrix, gradient in zip(("kernel", "recurrent_kernel", "bias"), of_weights, strict=True):
        np.testing.assert_allclose(record.weight_gradients["forward"][matrix], gradient, rtol=1e-4, atol=1e-6)
    assert record.recurrence is not None
    assert set(record.recurrence.sequences()) == {"gate/update", "gate/reset", "gate/candidate"}


def test_gradients_are_only_of_the_pass_that_is_written() -> None:
    model, (x, y), optimizer = network(), data(3), sgd()
    with capture_keras.attach(model, every=1, samples=4, optimizer=optimizer) as taps:
        for step in range(2):
            expected = Expected(clone(model), x, y)
            with tf.GradientTape() as tape:
                loss = squared(y, model(x))
            gradients = tape.gradient(loss, model.trainable_variables)
            if step == 0:
                with pytest.warns(UserWarning, match="optimizer.apply was not called between"):
                    records = taps.collect(step)
            else:  # said once
                records = taps.collect(step)
            optimizer.apply(gradients, model.trainable_variables)
            assert all(not record.weight_gradients for record in records)
            np.testing.assert_allclose(records[0].weights["forward"]["kernel"], expected.weights[0], rtol=1e-6)


def test_eager_steps_that_nobody_writes_give_way_to_the_next() -> None:
    model, optimizer = network(), sgd()
    batches = [data(3, seed=seed) for seed in range(3)]
    *_, last = each_expected(model, batches)
    with capture_keras.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        step = train_step(model, optimizer)
        for x, y in batches:
            step(tf.constant(x), tf.constant(y))
        held = [len(of_part) for of_layer in vars(taps)["_recorder"]._stores for of_part in of_layer]
        assert held == [1] * 4  # of two directions that are merged, each has a tap
        last.check(taps.collect(2), model)


def test_what_can_not_be_read_never_ends_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such thing")

    model, (x, y), optimizer = network(), data(3), sgd()
    with capture_keras.attach(model, every=1, samples=4, optimizer=optimizer) as taps:
        train_step(model, optimizer)(x, y)
        with monkeypatch.context() as broken:
            broken.setattr(Store, "read", fail)
            with pytest.warns(UserWarning, match="a step could not be recorded.*no such"):
                assert taps.collect(0) == []
        train_step(model, optimizer)(x, y)
        assert taps.collect(1)


def test_of_a_layer_that_no_gradient_reaches_the_weights_are_written() -> None:
    inputs = keras.Input((TIMESTEPS, 3))
    hidden = keras.ops.stop_gradient(layers.LSTM(4, return_sequences=True, name="below")(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.GRU(4, name="above")(hidden)))
    (x, y), optimizer = data(3), sgd()
    with capture_keras.attach(model, every=1, samples=4, optimizer=optimizer) as taps, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Gradients do not exist")  # Keras's own
        train_step(model, optimizer)(x, y)
        with pytest.warns(UserWarning, match="no gradient reached 'below'"):
            below, above = taps.collect(0)
    assert below.weights
    assert not below.sequences
    assert above.sequences


def test_only_due_steps_are_recorded() -> None:
    model, (x, y), optimizer = network(), data(3), sgd()
    step = train_step(model, optimizer)
    with capture_keras.attach(model, every=3, samples=4, optimizer=optimizer) as taps:
        written = []
        for index in range(7):
            step(x, y)
            if taps.collect(index):
                written.append(index)
    assert written == [0, 3, 6]
