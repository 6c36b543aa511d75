"""Taps on tf_keras models, against a GradientTape of their own on an untouched clone."""

import copy
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import LayerRecord

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time"),
]
tf_keras = pytest.importorskip("tf_keras")

import tensorflow as tf  # noqa: E402

from tb_rnn_plugin.capture.tf_keras import entry as capture_tf_keras  # noqa: E402

FRAMEWORK = "tf_keras"
layers = tf_keras.layers
Array = npt.NDArray[np.float32]
TIMESTEPS = 6


def case(what: str) -> pytest.MarkDecorator:
    return pytest.mark.framework_case(FRAMEWORK, what)


def slow(*values: object) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    tf_keras.utils.set_random_seed(7)
    yield
    tf_keras.backend.clear_session()


def data(samples: int, timesteps: int = TIMESTEPS, seed: int = 0) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    x, y = generator.normal(size=(samples, timesteps, 3)), generator.normal(size=(samples, 2))
    return x.astype(np.float32), y.astype(np.float32)


def network(merge_mode: str | None = "sum", dtype: str = "float32") -> Any:
    """One of each: sequences, two directions that are merged, a last step only."""
    inputs = tf_keras.Input((None, 3))
    hidden = layers.LSTM(5, return_sequences=True, name="encoder", dtype=dtype)(inputs)
    both = layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode=merge_mode, name="both", dtype=dtype)
    merged = both(hidden)
    if merge_mode is None:
        merged = layers.Add(dtype=dtype)(merged)
    last = layers.SimpleRNN(4, name="last", dtype=dtype)(merged)
    return tf_keras.Model(inputs, layers.Dense(2, name="head", dtype="float32")(last))


def sgd(legacy: bool = False) -> Any:
    optimizers = tf_keras.optimizers.legacy if legacy else tf_keras.optimizers
    return optimizers.SGD(0.1, momentum=0.9, clipnorm=1e-2)


def clone(model: Any) -> Any:
    copied = tf_keras.models.clone_model(model)
    copied.set_weights(model.get_weights())
    return copied


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
            loss = tf.reduce_mean((tf.cast(head(final), tf.float32) - y) ** 2)
        self.outputs = {"encoder": hidden, "forward": forward, "backward": backward, "last": final}
        self.output_gradients, self.weight_gradients = tape.gradient(loss, (self.outputs, model.trainable_variables))
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
            assert record.framework == FRAMEWORK
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


def train_step(model: Any, optimizer: Any, *, minimize: bool = False) -> Callable[[Any, Any], Any]:
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        variables = model.trainable_variables
        if minimize:
            optimizer.minimize(loss, variables, tape=tape)
        else:
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step


def each_expected(model: Any, batches: list[tuple[Array, Array]], *, legacy: bool = False) -> Iterator[Expected]:
    """What training `model` on these batches has to give, one after the other."""
    untouched = clone(model)
    step = train_step(untouched, sgd(legacy))
    for x, y in batches:
        yield Expected(untouched, x, y)
        step(x, y)


LOOPS: dict[str, Callable[[Any], Any]] = {
    "eager": lambda step: step,
    "function": tf.function(reduce_retracing=True),
    "xla": tf.function(jit_compile=True, reduce_retracing=True),
}


@case("LSTM, Bidirectional GRU and SimpleRNN in a loop of one's own, eager, tf.function or XLA")
@pytest.mark.parametrize(
    ("loop", "legacy", "minimize"),
    [
        ("eager", False, False),
        ("eager", True, True),
        ("function", False, True),
        slow("function", True, False),
        slow("xla", False, False),
    ],
)
def test_loop_with_changing_shapes(loop: str, legacy: bool, minimize: bool) -> None:
    model, optimizer = network(), sgd(legacy)
    batches = [data(samples, timesteps) for samples, timesteps in ((4, 6), (3, 8), (3, 8))]
    expected = list(each_expected(model, batches, legacy=legacy))
    recorded = []
    with rnn_summary.attach(model, every=1, samples=2, optimizer=optimizer) as taps:
        step = LOOPS[loop](train_step(model, optimizer, minimize=minimize))
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


@case("fit: compiled, XLA, run_eagerly or several steps at once")
@pytest.mark.parametrize("mode", ["eager", slow("default"), slow("two steps at once"), slow("xla")])
def test_fit_with_a_smaller_last_batch(mode: str, tmp_path: Path) -> None:
    model = network()
    x, y = data(10)
    expected = list(each_expected(model, [(x[i : i + 4], y[i : i + 4]) for i in (0, 4, 8)]))
    model.compile(sgd(), "mse", **FIT_MODES[mode])
    callback = rnn_summary.KerasCallback(tmp_path, every=1, samples=None)
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0, callbacks=[callback], validation_data=data(3, seed=1))
    by_step: dict[int, list[LayerRecord]] = {}
    for step, record in rnn_summary.read(tmp_path):
        by_step.setdefault(step, []).append(record)
    assert list(by_step) == ([1, 2] if mode == "two steps at once" else [0, 1, 2])
    for step, records in by_step.items():
        expected[step].check(records, model)


@case("Bidirectional, merge_mode ave, mul and None")
@pytest.mark.parametrize("merge_mode", ["ave", "mul", None])
def test_merge_modes_that_mix_the_directions(merge_mode: str | None) -> None:
    model, (x, y), optimizer = network(merge_mode), data(3), sgd()
    expected = Expected(clone(model), x, y)
    with rnn_summary.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        train_step(model, optimizer)(x, y)
        expected.check(taps.collect(0), model)


@pytest.mark.slow
@case("capture with a loss by name, as an object or a callable, with sample weights")
def test_one_batch_gives_the_same_as_taps() -> None:
    model, (x, y) = network(), data(4)
    expected = Expected(clone(model), x, y)
    for loss in ("mse", tf_keras.losses.MeanSquaredError(), lambda y, p: (y - p) ** 2):
        expected.check(rnn_summary.capture(model, x, y, loss=loss), model)
    doubled = rnn_summary.capture(model, x, y, loss=lambda y, p: (y - p) ** 2, sample_weight=np.full(4, 2.0))
    np.testing.assert_allclose(
        doubled[0].sequences["output_gradient"], 2 * expected.output_gradients["encoder"], rtol=1e-4, atol=1e-7
    )


@case("a layer called twice")
@pytest.mark.parametrize("loop", ["eager", "function"])
def test_a_layer_called_twice_has_a_record_a_call(loop: str) -> None:
    shared = layers.LSTM(4, name="shared")
    left, right = tf_keras.Input((None, 3)), tf_keras.Input((None, 3))
    model = tf_keras.Model([left, right], layers.Dense(2)(layers.Subtract()([shared(left), shared(right)])))
    (x, y), (x2, _), optimizer = data(3), data(3, seed=1), sgd()
    copied = clone(model)
    with tf.GradientTape() as tape:
        first, second = copied.get_layer("shared")(x), copied.get_layer("shared")(x2)
        loss = tf.reduce_mean((copied.layers[-1](first - second) - y) ** 2)
    gradients = tape.gradient(loss, [first, second, copied.get_layer("shared").cell.kernel])
    with rnn_summary.attach(model, every=1, samples=4, optimizer=optimizer) as taps:
        LOOPS[loop](train_step(model, optimizer))([x, x2], y)
        records = taps.collect(0)
    assert [record.name for record in records] == ["shared", "shared/call_1"]
    for record, output, gradient in zip(records, (first, second), gradients, strict=False):
        np.testing.assert_allclose(record.sequences["activation"][:, 0], output, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(record.sequences["output_gradient"][:, 0], gradient, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(records[0].weight_gradients["forward"]["kernel"], gradients[2], rtol=1e-4, atol=1e-6)


class UserLSTM(layers.LSTM):  # type: ignore[name-defined]
    """A layer of a user's own, whose control flow only AutoGraph makes a graph of."""

    def call(self, inputs: Any, **options: Any) -> Any:
        outputs = super().call(inputs, **options)
        if tf.reduce_sum(outputs) > 0:
            outputs *= 2.0
        return outputs


class Subclassed(tf_keras.Model):  # type: ignore[name-defined]
    """A model whose layers are made in its constructor, and called as it pleases."""

    def __init__(self) -> None:
        super().__init__(name="top")
        self.rnn = layers.RNN(layers.GRUCell(3), return_sequences=True, name="of_cell")
        self.own = UserLSTM(4, name="own")
        self.head = layers.Dense(2)

    def call(self, x: Any, training: bool | None = None) -> Any:
        hidden = self.rnn(x, training=training)
        if tf.reduce_mean(hidden) > 10:
            hidden = hidden * 0.0
        return self.head(self.own(hidden))


@case("a subclassed model with layers of one's own, and RNN of a GRUCell")
def test_subclassed_models_and_layers_are_converted_as_without_taps() -> None:
    (x, y), model, untouched = data(4), Subclassed(), Subclassed()
    model(x)
    untouched(x)
    untouched.set_weights(model.get_weights())
    with tf.GradientTape() as tape:
        hidden = untouched.rnn(x)
        final = untouched.own(hidden)
        loss = tf.reduce_mean((untouched.head(final) - y) ** 2)
    expected = dict(
        zip(["of_cell", "own"], zip((hidden, final), tape.gradient(loss, [hidden, final]), strict=True), strict=True)
    )
    model.compile(sgd(), "mse")
    captured = rnn_summary.capture(model, x, y)
    with rnn_summary.attach(model, every=1, samples=None) as taps:
        model.train_on_batch(x, y)
        tapped = taps.collect(0)
    for records in (captured, tapped):
        assert [(record.name, record.cell) for record in records] == [("of_cell", "gru"), ("own", "lstm")]
        for record in records:
            activation, gradient = (array.numpy().reshape(4, -1, record.units) for array in expected[record.name])
            np.testing.assert_allclose(record.sequences["activation"], activation, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(record.sequences["output_gradient"], gradient, rtol=1e-4, atol=1e-6)


@case("RNN of stacked cells")
def test_stacked_cells_have_a_record_each() -> None:
    inputs = tf_keras.Input((TIMESTEPS, 3))
    stacked = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], return_sequences=True, name="rnn")
    model = tf_keras.Model(inputs, layers.Dense(2)(layers.Flatten()(stacked(inputs))))
    (x, y) = data(3)
    with tf.GradientTape() as tape:
        output = stacked(x)
        loss = tf.reduce_mean((model.layers[-1](tf.reshape(output, (3, -1))) - y) ** 2)
    kernels = [cell.kernel for cell in stacked.cell.cells]
    gradient, *of_kernels = tape.gradient(loss, [output, *kernels])
    lower, upper = rnn_summary.capture(model, x, y, loss="mse")
    assert [(r.name, r.cell, bool(r.sequences)) for r in (lower, upper)] == [
        ("rnn/cell_0", "lstm", False),
        ("rnn/cell_1", "gru", True),
    ]
    np.testing.assert_allclose(upper.sequences["output_gradient"], gradient, rtol=1e-4, atol=1e-7)
    for record, expected in zip((lower, upper), of_kernels, strict=True):
        np.testing.assert_allclose(record.weight_gradients["forward"]["kernel"], expected, rtol=1e-4, atol=1e-7)


@case("time_major")
def test_a_layer_with_its_timesteps_first() -> None:
    plain = layers.LSTM(4, return_sequences=True, name="lstm")
    inputs = tf_keras.Input((TIMESTEPS, 3))
    model = tf_keras.Model(inputs, layers.Dense(2)(plain(inputs)))
    timed = layers.LSTM(4, return_sequences=True, time_major=True, name="lstm")
    outputs = tf.transpose(timed(tf.transpose(inputs, (1, 0, 2))), (1, 0, 2))
    other = tf_keras.Model(inputs, layers.Dense(2)(outputs))
    other.set_weights(model.get_weights())
    x, y = data(3)
    (expected,) = rnn_summary.capture(model, x, np.repeat(y[:, None], TIMESTEPS, 1), loss="mse")
    (record,) = rnn_summary.capture(other, x, np.repeat(y[:, None], TIMESTEPS, 1), loss="mse")
    for quantity, array in expected.sequences.items():
        np.testing.assert_allclose(record.sequences[quantity], array, rtol=1e-5, atol=1e-7)


@case("returned states, in an encoder and decoder; masking")
@pytest.mark.parametrize("loop", ["eager", "function"])
def test_inputs_masks_and_initial_states_are_kept(loop: str) -> None:
    inputs = tf_keras.Input((TIMESTEPS, 3))
    masked = layers.Masking(0.0)(inputs)
    _, h, c = layers.LSTM(4, return_state=True, name="encoder")(masked)
    decoded = layers.LSTM(4, return_sequences=True, name="decoder")(inputs, initial_state=[h, c])
    both = layers.Bidirectional(layers.GRU(3), merge_mode="sum", name="both")(decoded)
    model = tf_keras.Model(inputs, layers.Dense(2)(both))
    (x, y), optimizer = data(3), sgd()
    x[1, 4:] = 0
    copied = clone(model)
    hidden = tf_keras.Model(
        copied.inputs[0], [copied.get_layer("encoder").output[1:], copied.get_layer("decoder").output]
    )
    (h, c), sequence = hidden(x)
    with capture_tf_keras.attach(model, every=1, samples=4, optimizer=optimizer, keep_inputs=True) as taps:
        LOOPS[loop](train_step(model, optimizer))(x, y)
        encoder = taps.take()[0]
        kept = taps.inputs  # type: ignore[attr-defined]
    assert set(kept["encoder"]) == {"input", "mask", "state_gradient/0", "state_gradient/1"}
    np.testing.assert_array_equal(kept["encoder"]["mask"], (x != 0).any(-1))
    np.testing.assert_array_equal(kept["encoder"]["input"], x)
    # Only the encoder's states are used: the gradient of its last one is that of its output.
    np.testing.assert_array_equal(encoder.sequences["output_gradient"][:, -1], kept["encoder"]["state_gradient/0"])
    assert encoder.sequences["output_gradient"].any()
    assert set(kept["decoder"]) == {"input", "initial_state/0", "initial_state/1"}
    np.testing.assert_allclose(kept["decoder"]["initial_state/0"], h, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(kept["decoder"]["initial_state/1"], c, rtol=1e-5, atol=1e-6)
    assert set(kept["both"]) == {"input"}
    np.testing.assert_allclose(kept["both"]["input"], sequence, rtol=1e-5, atol=1e-6)


def test_a_stateful_layer_stays_where_it_is() -> None:
    model = tf_keras.Sequential(
        [tf_keras.Input((TIMESTEPS, 3), batch_size=2), layers.GRU(4, stateful=True, name="gru"), layers.Dense(2)]
    )
    x, y = data(2)
    model.compile("sgd", "mse")
    model.train_on_batch(x, y)
    before = model.layers[0].states[0].numpy()
    assert before.any()
    rnn_summary.capture(model, x, y, training=True)
    np.testing.assert_array_equal(model.layers[0].states[0].numpy(), before)


@case("mixed precision with a LossScaleOptimizer")
@pytest.mark.parametrize("legacy", [False, slow(True)])
def test_the_loss_scale_is_taken_out(legacy: bool) -> None:
    model = network(dtype="mixed_float16")
    (x, y), untouched = data(4), network()
    untouched.set_weights(model.get_weights())
    inner = (tf_keras.optimizers.legacy if legacy else tf_keras.optimizers).SGD(0.0)
    # The scale doubles after each step: dividing by the one after it would be wrong by a factor of two.
    optimizer = tf_keras.mixed_precision.LossScaleOptimizer(inner, initial_scale=8, dynamic_growth_steps=1)
    model.compile(optimizer, "mse")
    expected = Expected(untouched, x, y)
    with rnn_summary.attach(model, every=1) as taps:
        for step in range(2):
            model.train_on_batch(x, y)
            expected.check(taps.collect(step), model, rtol=1e-2, atol=1e-3)
    assert float(optimizer.loss_scale) == 32
    expected.check(rnn_summary.capture(model, x, y), model, rtol=1e-2, atol=1e-3)


def with_dropout(run_eagerly: bool) -> Any:
    tf_keras.utils.set_random_seed(3)
    model = tf_keras.Sequential(
        [
            tf_keras.Input((TIMESTEPS, 3)),
            # Not recurrent_dropout: a compiled tf_keras draws it in another order in each run, without taps too.
            layers.LSTM(6, return_sequences=True, dropout=0.2),
            layers.BatchNormalization(),
            layers.Dropout(0.3, seed=5),
            layers.Bidirectional(layers.GRU(4)),
            layers.Dense(2),
        ]
    )
    model.compile(tf_keras.optimizers.Adam(0.01), "mse", metrics=["mae"], run_eagerly=run_eagerly)
    return model


def variables(model: Any) -> list[Array]:
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    return [v.numpy() for v in (*model.variables, *model.optimizer.variables, *metrics)]


@pytest.mark.parametrize(
    ("how", "run_eagerly"), [("taps", False), slow("taps", True), slow("probe", False), slow("probe", True)]
)
def test_training_is_bitwise_the_same(how: str, run_eagerly: bool, tmp_path: Path) -> None:
    x, y = data(80)
    histories, weights = [], []
    for summarised in (False, True):
        model = with_dropout(run_eagerly)
        losses: list[float] = []
        callbacks = [tf_keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: losses.append(logs["loss"]))]  # noqa: B023
        if summarised:
            probe = data(3) if how == "probe" else None
            callbacks.append(rnn_summary.KerasCallback(tmp_path, every=3, probe=probe))
        model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=callbacks)
        histories.append(losses)
        weights.append(variables(model))
    assert histories[0] == histories[1]
    assert len(histories[0]) == 20
    for without, with_taps in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, with_taps)
    assert sorted({step for step, _ in rnn_summary.read(tmp_path)}) == [0, 3, 6, 9, 12, 15, 18]


@pytest.mark.slow
def test_a_capture_in_training_mode_leaves_dropout_as_it_was() -> None:
    x, y = data(8)
    weights = []
    for captured in (False, True):
        model = with_dropout(run_eagerly=False)
        for step in range(6):
            if captured and step in {0, 3}:
                rnn_summary.capture(model, x[:2], y[:2], training=True)
            model.train_on_batch(x, y)
        weights.append(variables(model))
    for without, with_capture in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, with_capture)


def test_capture_leaves_the_model_as_it_was() -> None:
    model = with_dropout(run_eagerly=False)
    x, y = data(4)
    rnn_summary.capture(model, x, y)
    assert all(not variable.numpy().any() for metric in model.metrics for variable in metric.variables)
    model.train_on_batch(x, y)
    before, attributes = variables(model), states(model)
    rnn_summary.capture(model, x, y, training=True)
    for variable, value in zip(variables(model), before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert states(model) == attributes


def states(model: Any) -> list[set[str]]:
    return [set(vars(layer)) for layer in (*model._flatten_layers(), model.optimizer)]


def is_tapped(model: Any) -> bool:
    """Whether a method of a layer or of the optimizer is ours; tf_keras itself sets some when it makes a SavedModel."""
    methods = [getattr(layer, "call", None) for layer in model._flatten_layers()] + [model.optimizer.apply_gradients]
    return any(hasattr(method, "rnn_summary_override") for method in methods)


@pytest.mark.parametrize("legacy", [False, True])
def test_detach_leaves_nothing_behind(legacy: bool) -> None:
    model = network()
    model.compile(sgd(legacy), "mse")
    before = states(model)
    taps = rnn_summary.attach(model, every=1)
    assert is_tapped(model)
    with pytest.raises(RuntimeError, match="on purpose"), taps:
        raise RuntimeError("on purpose")
    assert states(model) == before
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
