"""Taps on Keras models, against a GradientTape of their own on an untouched clone."""

import functools
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tb_rnn_plugin.record import LayerRecord

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time"),
]
pytest.importorskip("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("for Keras on TensorFlow", allow_module_level=True)

from tb_rnn_plugin.capture.keras import entry as capture_keras  # noqa: E402

layers = keras.layers
Array = npt.NDArray[np.float32]
TIMESTEPS = 6
FRAMEWORK = "Keras 3 on TensorFlow"


def case(what: str) -> pytest.MarkDecorator:
    """Says that a test compares this with an independent computation; docs/frameworks.md lists it."""
    return pytest.mark.framework_case(FRAMEWORK, what)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    keras.utils.set_random_seed(7)


def data(samples: int, timesteps: int = TIMESTEPS, seed: int = 0) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    return (
        generator.normal(size=(samples, timesteps, 3)).astype(np.float32),
        generator.normal(size=(samples, 2)).astype(np.float32),
    )


def network(merge_mode: str | None = "sum", dtype: str = "float32") -> Any:
    """One of each: sequences, two directions that are merged, a last step only."""
    inputs = keras.Input((None, 3))
    hidden = layers.LSTM(5, return_sequences=True, name="encoder", dtype=dtype)(inputs)
    both = layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode=merge_mode, name="both", dtype=dtype)
    merged = both(hidden)
    if merge_mode is None:
        merged = layers.Add(dtype=dtype)(merged)
    last = layers.SimpleRNN(4, name="last", dtype=dtype)(merged)
    return keras.Model(inputs, layers.Dense(2, name="head", dtype=dtype)(last))


def sgd() -> Any:
    return keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=1e-2)


def clone(model: Any) -> Any:
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def merge(mode: str | None, forward: Any, backward: Any) -> Any:
    if mode == "mul":
        return forward * backward
    return (forward + backward) / (2 if mode == "ave" else 1)


class Expected:
    """What a record of `network` has to hold, by a GradientTape that knows nothing of taps."""

    def __init__(self, model: Any, x: Array, y: Array) -> None:
        encoder, both, last, head = (model.get_layer(name) for name in ("encoder", "both", "last", "head"))
        with tf.GradientTape() as tape:
            hidden = encoder(x)
            forward, backward = both.forward_layer(hidden), both.backward_layer(hidden)
            final = last(merge(both.merge_mode, forward, tf.reverse(backward, [1])))
            loss = tf.reduce_mean((head(final) - y) ** 2)
        self.outputs = {"encoder": hidden, "forward": forward, "backward": backward, "last": final}
        sources = (self.outputs, [v.value for v in model.trainable_variables])
        self.output_gradients, self.weight_gradients = tape.gradient(loss, sources)
        self.weights = model.get_weights()

    def check(self, records: list[LayerRecord], model: Any, rtol: float = 1e-4, atol: float = 1e-6) -> None:
        def close(actual: Array, expected: Any, what: str) -> None:
            np.testing.assert_allclose(actual, expected, rtol, atol, err_msg=what)

        assert [record.name for record in records] == ["encoder", "both", "last"]
        by_name = {record.name: record for record in records}
        for quantity, of in (("activation", self.outputs), ("output_gradient", self.output_gradients)):
            both = np.concatenate([of["forward"], of["backward"][:, ::-1]], axis=-1)
            for name, expected in (("encoder", of["encoder"]), ("both", both), ("last", of["last"][:, None])):
                close(by_name[name].sequences[quantity], expected, f"{quantity} of {name}")
        index_of = {id(variable): index for index, variable in enumerate(model.trainable_variables)}
        for record in records:
            layer = model.get_layer(record.name)
            halves = {"forward": layer}
            if record.name == "both":
                halves = {"forward": layer.forward_layer, "backward": layer.backward_layer}
            assert record.directions == tuple(halves)
            for direction, half in halves.items():
                for matrix in ("kernel", "recurrent_kernel", "bias"):
                    index = index_of[id(getattr(half.cell, matrix))]
                    what = f"{direction} {matrix} of {record.name}"
                    close(record.weights[direction][matrix], self.weights[index], what)
                    close(
                        record.weight_gradients[direction][matrix], self.weight_gradients[index], "gradient of " + what
                    )


def train_step(model: Any, optimizer: Any) -> Callable[[Any, Any], Any]:
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return step


def each_expected(model: Any, batches: list[tuple[Array, Array]]) -> Iterator[Expected]:
    """What training `model` on these batches has to give, one after the other."""
    untouched = clone(model)
    step = train_step(untouched, sgd())
    for x, y in batches:
        yield Expected(untouched, x, y)
        step(x, y)


LOOPS: dict[str, Callable[[Any], Any]] = {
    "eager": lambda step: step,
    "function": tf.function(reduce_retracing=True),
    "xla": tf.function(jit_compile=True, reduce_retracing=True),
}


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


FIT_MODES: dict[str, dict[str, object]] = {
    "default": {},
    "xla": {"jit_compile": True},
    "eager": {"run_eagerly": True},
    "two steps at once": {"steps_per_execution": 2},
}


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("default", marks=case("fit")),
        pytest.param("eager", marks=case("fit, run_eagerly")),
        pytest.param("two steps at once", marks=case("fit, steps_per_execution=2")),
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


@case("rnn_summary.capture, with sample_weight and each kind of loss")
def test_one_batch_gives_the_same_as_taps() -> None:
    model, (x, y) = network(), data(4)
    expected = Expected(clone(model), x, y)
    losses = {"name": "mse", "object": keras.losses.MeanSquaredError(), "callable": lambda y, p: (y - p) ** 2}
    for loss in losses.values():
        expected.check(capture_keras.capture(model, x, y, loss=loss), model)
    doubled = capture_keras.capture(model, x, y, loss=losses["callable"], sample_weight=np.full(4, 2.0))
    np.testing.assert_allclose(
        doubled[0].sequences["output_gradient"], 2 * expected.output_gradients["encoder"], rtol=1e-4, atol=1e-7
    )


@case("a layer called twice")
@pytest.mark.parametrize("wrap", [lambda step: step, tf.function], ids=["eager", "function"])
def test_a_layer_called_twice_has_a_record_a_call(wrap: Callable[[Any], Any]) -> None:
    shared = layers.LSTM(4, name="shared")
    left, right = keras.Input((None, 3)), keras.Input((None, 3))
    model = keras.Model([left, right], layers.Dense(2)(layers.Subtract()([shared(left), shared(right)])))
    (x, y), (x2, _), optimizer = data(3), data(3, seed=1), sgd()
    copy = clone(model)
    with tf.GradientTape() as tape:
        first, second = copy.get_layer("shared")(x), copy.get_layer("shared")(x2)
        loss = tf.reduce_mean((copy.layers[-1](first - second) - y) ** 2)
    gradients = tape.gradient(loss, [first, second, copy.get_layer("shared").cell.kernel.value])
    with capture_keras.attach(model, every=1, samples=4, optimizer=optimizer) as taps:
        step = wrap(train_step(model, optimizer))
        model([x, x2])  # as validation: no backward pass
        step([x, x2], y)
        model([x, x2])
        records = taps.collect(0)
    assert [record.name for record in records] == ["shared", "shared/call_1"]
    for record, output, gradient in zip(records, (first, second), gradients, strict=False):
        np.testing.assert_allclose(record.sequences["activation"][:, 0], output, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(record.sequences["output_gradient"][:, 0], gradient, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(records[0].weight_gradients["forward"]["kernel"], gradients[2], rtol=1e-4, atol=1e-6)
    assert not records[1].weights


def after_batch(action: Callable[[int, Any], object]) -> Any:
    return keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: action(batch, logs))  # noqa: PLW0108


def append_loss(losses: list[float], _: int, logs: Any) -> None:
    losses.append(logs["loss"])


def collect_from(taps: Any, batch: int, _: Any) -> None:
    taps.collect(batch)


@case("20 training steps with dropout and batch normalisation, bitwise the same")
def test_training_is_bitwise_the_same() -> None:
    def build() -> Any:
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [
                keras.Input((TIMESTEPS, 3)),
                layers.LSTM(6, return_sequences=True, dropout=0.2, recurrent_dropout=0.2),
                layers.BatchNormalization(),
                layers.Dropout(0.3),
                layers.Bidirectional(layers.GRU(4)),
                layers.Dense(2),
            ]
        )
        model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
        return model

    x, y = data(80)
    histories, weights = [], []
    for tapped in (False, True):
        model = build()
        losses: list[float] = []
        record = after_batch(functools.partial(append_loss, losses))
        if tapped:
            with capture_keras.attach(model, every=3, samples=4) as taps:
                collect = after_batch(functools.partial(collect_from, taps))
                model.fit(
                    x,
                    y,
                    batch_size=8,
                    epochs=2,
                    verbose=0,
                    callbacks=[record, collect],
                )
                capture_keras.capture(model, x[:2], y[:2], training=True)
        else:
            model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[record])
        histories.append(losses)
        weights.append(variables(model))
    assert histories[0] == histories[1]
    assert len(histories[0]) == 20
    for without, with_taps in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, with_taps)


def variables(model: Any) -> list[Array]:
    return [v.numpy() for v in model.variables + model.optimizer.variables + model.metrics_variables]


def states(model: Any) -> list[set[str]]:
    return [set(vars(layer)) for layer in (*model._flatten_layers(), model.optimizer)]


def is_tapped(model: Any) -> bool:
    return any("call" in vars(layer) for layer in model._flatten_layers()) or "apply" in vars(model.optimizer)


def test_detach_leaves_nothing_behind() -> None:
    model = network()
    model.compile("sgd", "mse")
    before = states(model)
    taps = capture_keras.attach(model, every=1, samples=4)
    assert states(model) != before
    with pytest.raises(RuntimeError, match="on purpose"), taps:
        raise RuntimeError("on purpose")
    assert states(model) == before
    taps.detach()
    assert taps.collect(0) == []
    assert states(model) == before


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


def sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)), np.float32)


def by_hand(record: LayerRecord, x: Array) -> Array:
    """The hidden states for one sample, from the blocks that the record names after gates."""
    units = record.units or 0
    kernel, recurrent = ({g: record.gate(g, matrix) for g in record.gates} for matrix in ("kernel", "recurrent_kernel"))
    bias = {g: np.zeros((2, units), np.float32) for g in record.gates}
    for gate, rows in bias.items():  # input and recurrent bias; one row is an input bias
        given = record.gate(gate, "bias").reshape(-1, units)
        rows[: len(given)] = given
    reset_after = record.weights["forward"]["bias"].ndim == 2
    h = c = np.zeros(units, np.float32)
    outputs = []
    for x_t in x:
        of_input = {g: x_t @ kernel[g] + bias[g][0] for g in record.gates}
        of_state = {g: h @ recurrent[g] + bias[g][1] for g in record.gates}
        if record.cell == "lstm":
            z = {g: of_input[g] + of_state[g] for g in record.gates}
            c = sigmoid(z["forget"]) * c + sigmoid(z["input"]) * np.tanh(z["cell"])
            h = sigmoid(z["output"]) * np.tanh(c)
        else:
            update, reset = (sigmoid(of_input[g] + of_state[g]) for g in ("update", "reset"))
            inner = reset * of_state["candidate"] if reset_after else (reset * h) @ recurrent["candidate"]
            h = update * h + (1 - update) * np.tanh(of_input["candidate"] + inner)
        outputs.append(h)
    return np.stack(outputs)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("lstm", marks=case("gates of LSTM")),
        pytest.param("gru", marks=case("gates of GRU, reset_after=True")),
        pytest.param("gru without reset_after", marks=case("gates of GRU, reset_after=False")),
    ],
)
def test_gates_stand_in_the_order_that_is_said(kind: str) -> None:
    layer = layers.LSTM(4) if kind == "lstm" else layers.GRU(4, reset_after=kind == "gru")
    model = keras.Sequential([keras.Input((TIMESTEPS, 3)), layer, layers.Dense(2)])
    x, y = data(2)
    weights = [np.random.default_rng(1).normal(size=w.shape).astype(np.float32) for w in layer.get_weights()]
    gates = ("input", "forget", "cell", "output") if kind == "lstm" else ("update", "reset", "candidate")
    for block in range(len(gates) + 1):
        perturbed = [weight.copy() for weight in weights]
        for weight in perturbed:
            weight[..., 4 * block : 4 * block + 4] *= -1.5  # none in the last round
        layer.set_weights(perturbed)
        (record,) = capture_keras.capture(model, x, y, loss="mse")
        assert record.gates == gates
        for sample in range(2):
            np.testing.assert_allclose(
                record.sequences["activation"][sample, 0], by_hand(record, x[sample])[-1], rtol=1e-4, atol=1e-5
            )


def taps_with_inputs(model: Any, optimizer: Any) -> Any:
    return capture_keras.attach(model, every=1, samples=4, optimizer=optimizer, keep_inputs=True)


@pytest.mark.parametrize("wrap", [lambda step: step, tf.function], ids=["eager", "function"])
def test_inputs_masks_and_initial_states_are_kept(wrap: Callable[[Any], Any]) -> None:
    inputs = keras.Input((TIMESTEPS, 3))
    masked = layers.Masking(0.0)(inputs)
    _, h, c = layers.LSTM(4, return_state=True, name="encoder")(masked)
    decoded = layers.LSTM(4, return_sequences=True, name="decoder")(inputs, initial_state=[h, c])
    both = layers.Bidirectional(layers.GRU(3), merge_mode="sum", name="both")(decoded)
    model = keras.Model(inputs, layers.Dense(2)(both))
    (x, y), optimizer = data(3), sgd()
    x[1, 4:] = 0
    copy = clone(model)
    hidden = keras.Model(copy.inputs[0], [copy.get_layer("encoder").output[1:], copy.get_layer("decoder").output])
    (h, c), sequence = hidden(x)
    with taps_with_inputs(model, optimizer) as taps:
        wrap(train_step(model, optimizer))(x, y)
        taps.take()
        kept = taps.inputs
    assert set(kept["encoder"]) == {"input", "mask", "state_gradient/0", "state_gradient/1"}
    np.testing.assert_array_equal(kept["encoder"]["mask"], (x != 0).any(-1))
    np.testing.assert_array_equal(kept["encoder"]["input"], x)
    assert set(kept["decoder"]) == {"input", "initial_state/0", "initial_state/1"}
    np.testing.assert_allclose(kept["decoder"]["initial_state/0"], h, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(kept["decoder"]["initial_state/1"], c, rtol=1e-5, atol=1e-6)
    assert set(kept["both"]) == {"input"}
    np.testing.assert_allclose(kept["both"]["input"], sequence, rtol=1e-5, atol=1e-6)


def test_a_stateful_layer_goes_on_from_its_states() -> None:
    model = keras.Sequential(
        [keras.Input((TIMESTEPS, 3), batch_size=2), layers.GRU(4, stateful=True, name="gru"), layers.Dense(2)]
    )
    (x, y), optimizer = data(2), sgd()
    with taps_with_inputs(model, optimizer) as taps:
        for step in range(2):
            before = model.layers[0].states[0].numpy()
            train_step(model, optimizer)(x, y)
            taps.collect(step)
            np.testing.assert_array_equal(taps.inputs["gru"]["initial_state/0"], before)
    before = model.layers[0].states[0].numpy()
    assert before.any()
    capture_keras.capture(model, x, y, loss="mse", training=True)
    np.testing.assert_array_equal(model.layers[0].states[0].numpy(), before)


@case("GRU, return_state")
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_gradient_of_returned_states_belongs_to_the_output_of_their_step(bidirectional: bool) -> None:
    encoder = layers.GRU(4, return_state=True, return_sequences=True)
    encoder = layers.Bidirectional(encoder, name="encoder") if bidirectional else encoder
    inputs = keras.Input((TIMESTEPS, 3))
    _, *last = encoder(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(last) if bidirectional else last[0]))
    x, y = data(3)
    with tf.GradientTape() as tape:
        states = clone(model).layers[1](x)[1:]
        tape.watch(states)
        loss = tf.reduce_mean((model.layers[-1](tf.concat(states, -1)) - y) ** 2)
    forward, *backward = tape.gradient(loss, states)
    (record,) = capture_keras.capture(model, x, y, loss="mse")
    expected = np.zeros(record.sequences["output_gradient"].shape, np.float32)
    expected[:, -1, :4] = forward
    if bidirectional:
        expected[:, 0, 4:] = backward[0]
    np.testing.assert_allclose(record.sequences["output_gradient"], expected, rtol=1e-4, atol=1e-6)


@case("mixed precision, with a loss scale")
def test_the_loss_scale_is_taken_out() -> None:
    model = network(dtype="mixed_float16")
    (x, y), copy = data(4), network()
    copy.set_weights(model.get_weights())
    # The scale doubles after each step: dividing by the one after it would be wrong by a factor of two.
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.0), initial_scale=8, dynamic_growth_steps=1)
    model.compile(optimizer, "mse")
    assert model.optimizer is optimizer
    expected = Expected(copy, x, y)
    with capture_keras.attach(model, every=1, samples=4) as taps:
        for step in range(2):
            model.train_on_batch(x, y)
            expected.check(taps.collect(step), model, rtol=1e-2, atol=1e-3)
    assert int(optimizer.dynamic_scale.numpy()) == 32
    expected.check(capture_keras.capture(model, x, y), model, rtol=1e-2, atol=1e-3)


@case("mixed precision, with a loss scale")
def test_the_loss_scale_is_taken_out_where_no_weights_are_recorded() -> None:
    """The scale has to be read before the optimizer changes it, though nothing else of the optimizer is asked for."""
    model = network(dtype="mixed_float16")
    (x, y), copy = data(4), network()
    copy.set_weights(model.get_weights())
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.0), initial_scale=8, dynamic_growth_steps=1)
    model.compile(optimizer, "mse")
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


def test_an_optimizer_is_left_alone_where_no_weights_are_recorded() -> None:
    model, optimizer = network(), sgd()
    with capture_keras.attach(model, every=1, samples=4, optimizer=optimizer, quantities=["activation"]):
        assert "apply" not in vars(optimizer)
    with capture_keras.attach(model, every=1, samples=4, optimizer=optimizer, quantities=["weights"]):
        assert "apply" in vars(optimizer)


@pytest.mark.parametrize(
    ("quantities", "error"), [("activation", TypeError), (3, TypeError), ([], ValueError), (["gate"], ValueError)]
)
def test_quantities_that_can_not_be_recorded(quantities: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^quantities: "):
        capture_keras.attach(network(), every=1, samples=4, optimizer=sgd(), quantities=quantities)
    with pytest.raises(error, match=r"^quantities: "):
        capture_keras.KerasCallback("nowhere", quantities=quantities)


def test_gradients_are_only_of_the_pass_that_is_written() -> None:
    model, (x, y), optimizer = network(), data(3), sgd()
    with capture_keras.attach(model, every=1, samples=4, optimizer=optimizer) as taps:
        for step in range(2):
            expected = Expected(clone(model), x, y)
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(x) - y) ** 2)
            gradients = tape.gradient(loss, model.trainable_variables)
            if step == 0:
                with pytest.warns(UserWarning, match="optimizer.apply was not called between"):
                    records = taps.collect(step)
            else:  # said once
                records = taps.collect(step)
            optimizer.apply(gradients, model.trainable_variables)
            assert all(not record.weight_gradients for record in records)
            np.testing.assert_allclose(records[0].weights["forward"]["kernel"], expected.weights[0], rtol=1e-6)


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


@case("rnn_summary.capture of a frozen model")
def test_a_pass_of_its_own_sees_frozen_layers_too() -> None:
    model, (x, y) = network(), data(3)
    expected = Expected(clone(model), x, y)
    model.trainable = False
    records = capture_keras.capture(model, x, y, loss="mse")
    gradient = records[0].sequences["output_gradient"]
    np.testing.assert_allclose(gradient, expected.output_gradients["encoder"], rtol=1e-4, atol=1e-6)
    gradient = records[0].weight_gradients["forward"]["kernel"]
    np.testing.assert_allclose(gradient, expected.weight_gradients[0], rtol=1e-4, atol=1e-6)


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


def test_arrays_are_not_copied_again() -> None:
    model, (x, y) = network(), data(3)
    for record in capture_keras.capture(model, x, y, loss="mse"):
        arrays = [*record.sequences.values(), *record.weights["forward"].values()]
        assert all(not array.flags.writeable and array.dtype == np.float32 for array in arrays)


def test_capture_leaves_the_model_as_it_was() -> None:
    model = keras.Sequential(
        [keras.Input((TIMESTEPS, 3)), layers.GRU(4, dropout=0.5), layers.BatchNormalization(), layers.Dense(2)]
    )
    model.compile("adam", "mse", metrics=["mae"])
    x, y = data(4)
    model.train_on_batch(x, y)
    before, attributes = variables(model), states(model)
    capture_keras.capture(model, x, y, training=True)
    for variable, value in zip(variables(model), before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert states(model) == attributes


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
