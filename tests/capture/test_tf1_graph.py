"""tf_keras in TensorFlow 1's graph mode, against see-rnn's numbers and against gradients taken in a graph of their own.

A process can't leave graph mode again, so these tests have one of their own.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import LayerRecord
from tests.capture import reference

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.own_process,
    pytest.mark.filterwarnings("ignore:`Model.state_updates` will be removed"),  # tf_keras's own, in predict
]
tf_keras = pytest.importorskip("tf_keras")

import tensorflow as tf  # noqa: E402

from tests.capture.keras_reference_model import build  # noqa: E402

FRAMEWORK = "TensorFlow 1 graph mode"
layers = tf_keras.layers
Array = npt.NDArray[np.float32]
TIMESTEPS = 6

# Making a graph takes seconds: few of them for `make unit`.
FAST = {"lstm/last/masked", "lstm/seq/sw"}
CASES = [pytest.param(case, marks=[] if case in FAST else pytest.mark.slow) for case in reference.cases()]
OF_EACH_KIND = ("lstm/last/masked", "gru_ra1/last", "gru_ra0/last", "rnn/last", "bilstm/seq/masked", "lstm/seq/sw")
TRAINED = [pytest.param(case, marks=[] if case in FAST else pytest.mark.slow) for case in OF_EACH_KIND]


def case(what: str) -> pytest.MarkDecorator:
    return pytest.mark.framework_case(FRAMEWORK, what)


@pytest.fixture(scope="module", autouse=True)
def _graph_mode() -> None:
    tf.compat.v1.disable_eager_execution()


@pytest.fixture(params=[True], ids=["all intermediates"])
def intermediates(request: pytest.FixtureRequest) -> bool:
    """Whether loops are made so that a session may run before their gradients are taken, as TensorFlow advises."""
    return bool(request.param)


@pytest.fixture(autouse=True)
def _graph(intermediates: bool) -> Iterator[None]:
    tf_keras.backend.clear_session()
    tf_keras.utils.set_random_seed(7)
    tf.compat.v1.experimental.output_all_intermediates(intermediates)
    yield
    tf.compat.v1.experimental.output_all_intermediates(None)


def read(directory: Path) -> dict[int, list[LayerRecord]]:
    by_step: dict[int, list[LayerRecord]] = {}
    for step, record in rnn_summary.read(directory):
        by_step.setdefault(step, []).append(record)
    return by_step


def reference_batch(case: str) -> tuple[Array, Array, Array | None]:
    weight = reference.array(case, "sample_weight") if case.endswith("/sw") else None
    return reference.array(case, "x"), reference.array(case, "y"), weight


SEE_RNN = case("see-rnn's own numbers: LSTM, GRU, SimpleRNN, bidirectional, masked, sample weights")


@SEE_RNN
@pytest.mark.parametrize("case", CASES)
def test_one_batch(case: str) -> None:
    model = build(case, tf_keras)
    x, y, weight = reference_batch(case)
    reference.check(case, rnn_summary.capture(model, x, y, sample_weight=weight))
    operations = len(tf.compat.v1.get_default_graph().get_operations())
    reference.check(case, rnn_summary.capture(model, x, y, sample_weight=weight))
    assert len(tf.compat.v1.get_default_graph().get_operations()) == operations  # what was added is used again


@SEE_RNN
@pytest.mark.parametrize("case", TRAINED)
def test_training(case: str, tmp_path: Path) -> None:
    model = build(case, tf_keras, tf_keras.optimizers.legacy)  # in graph mode tf_keras trains with no others
    x, y, weight = reference_batch(case)
    with rnn_summary.attach(model, every=1) as taps:
        model.train_on_batch(x, y, sample_weight=weight)
        reference.check(case, taps.collect(0))
    model.set_weights(reference.weights(case))
    model.fit(
        x,
        y,
        sample_weight=weight,
        batch_size=4,
        shuffle=False,
        verbose=0,
        callbacks=[
            rnn_summary.KerasCallback(tmp_path / "taps", every=1, samples=None),
            rnn_summary.KerasCallback(tmp_path / "probe", every=1, samples=None, probe=(x, y, weight)),
        ],
    )
    for directory in ("taps", "probe"):
        ((step, records),) = read(tmp_path / directory).items()
        assert step == 1  # the optimizer has seen one batch before
        reference.check(case, records)


def data(samples: int, seed: int = 0) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    x, y = generator.normal(size=(samples, TIMESTEPS, 3)), generator.normal(size=(samples, 2))
    return x.astype(np.float32), y.astype(np.float32)


def run(fetches: Any, feeds: dict[Any, Any]) -> Any:
    """In the session of Keras."""
    return tf_keras.api._v1.keras.backend.get_session().run(fetches, feeds)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time.*what passes between cells stacked")
@case("returned states, merge_mode sum, layers called twice, stacked cells, nested models")
def test_layers_of_all_kinds() -> None:
    shared = layers.GRU(4, return_sequences=True, name="shared")
    inner_input = tf_keras.Input((TIMESTEPS, 4))
    inner = tf_keras.Model(inner_input, shared(inner_input), name="inner")
    inputs = tf_keras.Input((TIMESTEPS, 3))
    _, h, c = layers.LSTM(4, return_state=True, name="encoder")(inputs)
    decoded = layers.LSTM(4, return_sequences=True, name="decoder")(inputs, initial_state=[h, c])
    twice = inner(inner(decoded))
    both = layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True), merge_mode="sum", name="both")
    stacked = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], name="stacked")
    model = tf_keras.Model(inputs, layers.Dense(2, name="head")(stacked(both(twice))))
    model.compile(tf_keras.optimizers.legacy.SGD(0.1), "mse")
    x, y = data(3)

    # The same net, called layer by layer on placeholders.
    given, target = tf.compat.v1.placeholder(tf.float32, x.shape), tf.compat.v1.placeholder(tf.float32, y.shape)
    _, h, c = model.get_layer("encoder")(given)
    decoder = model.get_layer("decoder")(given, initial_state=[h, c])
    first = shared(decoder)
    second = shared(first)
    forward, backward = both.forward_layer(second), both.backward_layer(second)
    final = stacked(forward + tf.reverse(backward, [1]))
    loss = tf.reduce_mean((model.get_layer("head")(final) - target) ** 2)
    outputs = {
        "decoder": decoder,
        "inner/shared": first,
        "inner/shared/call_1": second,
        "both": tf.concat([forward, tf.reverse(backward, [1])], -1),
        "stacked/cell_1": final[:, None],
    }
    sources = [decoder, first, second, forward, backward, final, h]
    of_decoder, of_first, of_second, of_forward, of_backward, of_final, of_h = tf.gradients(loss, sources)
    gradients = {
        "decoder": of_decoder,
        "inner/shared": of_first,
        "inner/shared/call_1": of_second,
        "both": tf.concat([of_forward, tf.reverse(of_backward, [1])], -1),
        "stacked/cell_1": of_final[:, None],
    }
    kernels = {"stacked/cell_0": stacked.cell.cells[0].kernel, "both": both.backward_layer.cell.kernel}
    of_kernels = dict(zip(kernels, tf.gradients(loss, list(kernels.values())), strict=True))
    expected, of_outputs, of_weights, of_state = run((outputs, gradients, of_kernels, of_h), {given: x, target: y})

    captured = rnn_summary.capture(model, x, y)
    with rnn_summary.attach(model, every=1, samples=None) as taps:
        model.train_on_batch(x, y)
        tapped = taps.collect(0)
    names = ["encoder", "decoder", "inner/shared", "inner/shared/call_1", "both", "stacked/cell_0", "stacked/cell_1"]
    for records in (captured, tapped):
        by_name = {record.name: record for record in records}
        assert sorted(by_name) == sorted(names)
        for name, output in expected.items():
            sequences = by_name[name].sequences
            np.testing.assert_allclose(sequences["activation"], output, rtol=1e-5, atol=1e-6, err_msg=name)
            np.testing.assert_allclose(
                sequences["output_gradient"], of_outputs[name], rtol=1e-4, atol=1e-7, err_msg=name
            )
        np.testing.assert_allclose(
            by_name["encoder"].sequences["output_gradient"][:, 0], of_state, rtol=1e-4, atol=1e-7
        )
        for name, direction in (("stacked/cell_0", "forward"), ("both", "backward")):
            matrix = by_name[name].weight_gradients[direction]["kernel"]
            np.testing.assert_allclose(matrix, of_weights[name], rtol=1e-4, atol=1e-7)


@case("capture with a loss by name, as an object or a callable")
def test_a_loss_of_the_users_own() -> None:
    inputs = tf_keras.Input((TIMESTEPS, 3))
    model = tf_keras.Model(inputs, layers.Dense(2)(layers.LSTM(4, name="lstm")(inputs)))
    x, y = data(4)
    prediction = model.predict(x)
    model.compile("sgd", "mse")
    (expected,) = rnn_summary.capture(model, x, y)
    for loss in ("mse", tf_keras.losses.MeanSquaredError(), lambda y, p: (y - p) ** 2):
        (record,) = rnn_summary.capture(model, x, y, loss=loss)
        for quantity, array in expected.sequences.items():
            np.testing.assert_allclose(record.sequences[quantity], array, rtol=1e-5, atol=1e-7)
    (doubled,) = rnn_summary.capture(model, x, y, loss=lambda y, p: (y - p) ** 2, sample_weight=np.full(4, 2.0))
    for matrix, gradient in expected.weight_gradients["forward"].items():
        np.testing.assert_allclose(doubled.weight_gradients["forward"][matrix], 2 * gradient, rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(model.predict(x), prediction)


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


def with_dropout(of_lstm: float = 0.0) -> Any:
    """A model with dropout: that of an LSTM is drawn in another order in each run, without taps too."""
    tf_keras.backend.clear_session()
    tf_keras.utils.set_random_seed(3)
    tf.compat.v1.set_random_seed(3)  # the graph has a seed of its own
    model = tf_keras.Sequential(
        [
            tf_keras.Input((TIMESTEPS, 3)),
            layers.LSTM(6, return_sequences=True, dropout=of_lstm, name="lstm"),
            layers.BatchNormalization(),
            layers.Dropout(0.3, seed=5),
            layers.Bidirectional(layers.GRU(4)),
            layers.Dense(2),
        ]
    )
    model.compile(tf_keras.optimizers.legacy.Adam(0.01), "mse", metrics=["mae"])
    return model


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


@pytest.mark.slow
def test_captures_leave_training_as_it_was() -> None:
    x, y = data(8)
    weights = []
    for captured in (False, True):
        model = with_dropout()
        for step in range(6):
            model.train_on_batch(x, y)
            if captured and step in {1, 3}:
                rnn_summary.capture(model, x[:2], y[:2], training=True)
        weights.append(model.get_weights() + model.optimizer.get_weights())
    for without, with_capture in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, with_capture)


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


def test_capture_leaves_the_model_as_it_was() -> None:
    model = with_dropout()
    x, y = data(8)
    model.train_on_batch(x, y)
    lists = ("_updates", "_losses", "_inbound_nodes", "_outbound_nodes")

    def state() -> object:
        found = list(model._flatten_layers())
        lengths = [(len(getattr(layer, name, None) or []) for name in lists) for layer in found]
        return [set(vars(layer)) for layer in found], [list(of) for of in lengths], model.train_function

    before, weights = state(), model.get_weights()
    rnn_summary.capture(model, x, y, training=True, sample_weight=np.ones(8))
    rnn_summary.capture(model, x, y, loss="mse")
    assert state() == before
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.get_layer("lstm").output is not None  # it has one still


@pytest.mark.parametrize("intermediates", [None], indirect=True, ids=["as TensorFlow makes loops"])
def test_a_model_can_be_trained_after_a_capture() -> None:
    """A session that runs before Keras takes its gradients would make training impossible from then on."""
    model = with_dropout()
    x, y = data(8)
    assert rnn_summary.capture(model, x, y)
    with rnn_summary.attach(model, every=1) as taps:
        model.train_on_batch(x, y)
        assert all(record.sequences and record.weight_gradients for record in taps.collect(0))


@pytest.mark.parametrize("intermediates", [None], indirect=True, ids=["as TensorFlow makes loops"])
def test_a_model_that_was_run_before_can_be_captured() -> None:
    model = with_dropout()
    x, y = data(8)
    model.set_weights([weight + 0.1 for weight in model.get_weights()])  # from here on Keras itself can't train it
    for _ in range(2):
        assert all(record.sequences and record.weight_gradients for record in rnn_summary.capture(model, x, y))


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


class Subclassed(tf_keras.Model):  # type: ignore[name-defined]
    def __init__(self) -> None:
        super().__init__(name="top")
        self.lstm = layers.LSTM(4, name="lstm")
        self.head = layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.head(self.lstm(x))


@case("capture of a subclassed model")
def test_a_subclassed_model_can_be_captured_but_not_tapped() -> None:
    model = Subclassed()
    model.compile(tf_keras.optimizers.legacy.SGD(0.1), "mse")
    x, y = data(4)
    with pytest.raises(ValueError, match=r"model: 'top' has no tensors yet: .* trained, or to predict, once"):
        rnn_summary.capture(model, x, y, loss="mse")
    with rnn_summary.attach(model, every=1) as taps:
        model.train_on_batch(x, y)
        with pytest.warns(UserWarning, match="no gradient reached 'lstm': .* subclassed"):
            (record,) = taps.collect(0)
    assert not record.sequences
    assert record.weights
    (captured,) = rnn_summary.capture(model, x, y)
    given, target = tf.compat.v1.placeholder(tf.float32, x.shape), tf.compat.v1.placeholder(tf.float32, y.shape)
    hidden = model.lstm(given)
    gradient = tf.gradients(tf.reduce_mean((model.head(hidden) - target) ** 2), hidden)[0]
    activation, of_activation = run((hidden, gradient), {given: x, target: y})
    np.testing.assert_allclose(captured.sequences["activation"][:, 0], activation, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(captured.sequences["output_gradient"][:, 0], of_activation, rtol=1e-4, atol=1e-7)


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
