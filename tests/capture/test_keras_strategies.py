"""Taps under tf.distribute: several replicas, or several workers, give what one gives with the joined batch."""

import contextlib
import datetime as dt
import json
import multiprocessing
import os
import socket
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.recurrence.layer import is_derived

# Two devices have to be made of a CPU before TensorFlow begins to use it.
pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.slow,
    pytest.mark.own_process(KERAS_BACKEND="tensorflow"),
    pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time"),
]
pytest.importorskip("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from tb_rnn_plugin.capture.keras import entry as capture_keras  # noqa: E402
from tb_rnn_plugin.capture.keras.tensorflow import replicas as keras_tensorflow_replicas  # noqa: E402
from tb_rnn_plugin.capture.keras.tensorflow import workers as keras_tensorflow_workers  # noqa: E402

layers = keras.layers
Array = npt.NDArray[np.float32]
Written = list[tuple[int, list[LayerRecord]]]

FRAMEWORK = "Keras 3 on TensorFlow"
SAMPLES, TIMESTEPS, STEPS, EVERY = 6, 5, 3, 2
NAMES = ["encoder", "last"]
RATE = 0.5


def batches() -> list[tuple[Array, Array]]:
    generator = np.random.default_rng(2)
    return [
        (
            generator.normal(size=(SAMPLES, TIMESTEPS, 3)).astype(np.float32),
            generator.normal(size=(SAMPLES, 2)).astype(np.float32),
        )
        for _ in range(STEPS)
    ]


def network() -> Any:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((None, 3))
    hidden = layers.LSTM(5, return_sequences=True, name="encoder")(inputs)
    return keras.Model(inputs, layers.Dense(2, name="head")(layers.GRU(4, name="last")(hidden)))


class Expected:
    """What one step on a whole batch has to give, by a GradientTape that knows nothing of taps and strategies."""

    def __init__(self, model: Any, x: Array, y: Array) -> None:
        encoder, last, head = (model.get_layer(name) for name in (*NAMES, "head"))
        with tf.GradientTape() as tape:
            hidden = encoder(x)
            final = last(hidden)
            loss = tf.reduce_mean((head(final) - y) ** 2)
        outputs = [hidden, final]
        variables = [variable.value for variable in model.trainable_variables]
        output_gradients, self.gradients = tape.gradient(loss, (outputs, variables))
        self.weights = [variable.numpy() for variable in variables]
        self.sequences = [
            {"activation": rank_3(output), "output_gradient": rank_3(gradient)}
            for output, gradient in zip(outputs, output_gradients, strict=True)
        ]

    def check(self, records: list[LayerRecord]) -> None:
        assert [made.name for made in records] == NAMES
        for index, made in enumerate(records):
            assert {quantity for quantity in made.sequences if not is_derived(quantity)} == set(self.sequences[index])
            derived = made.sequences.get("bptt_gradient")
            if derived is not None:
                # At the last timestep nothing comes back from a later one.
                last = self.sequences[index]["output_gradient"][: len(derived), -1]
                close(derived[:, -1], last, f"bptt_gradient of {made.name}")
            for quantity, values in self.sequences[index].items():
                close(made.sequences[quantity], values, f"{quantity} of {made.name}")
            for number, matrix in enumerate(("kernel", "recurrent_kernel", "bias")):
                what = f"{matrix} of {made.name}"
                close(made.weights["forward"][matrix], self.weights[3 * index + number], what)
                gradient = made.weight_gradients["forward"][matrix]
                close(gradient, self.gradients[3 * index + number], f"gradient of {what}")


def rank_3(tensor: Any) -> Array:
    array = np.asarray(tensor)
    return array if array.ndim == 3 else array[:, None]


def close(actual: Array, expected: Any, what: str) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5, err_msg=what)


def each_expected() -> list[Expected]:
    """Of the steps of training in one process, with gradient descent written out."""
    model, steps = network(), []
    for x, y in batches():
        steps.append(Expected(model, x, y))
        for variable, gradient in zip(model.trainable_variables, steps[-1].gradients, strict=True):
            variable.assign(variable.value - RATE * gradient)
    return steps


def check(written: Written) -> None:
    """That the steps that are due were written, with the numbers of the joined batch."""
    expected = each_expected()
    assert [step for step, _ in written] == list(range(0, STEPS, EVERY))
    for step, records in written:
        expected[step].check(records)


def read(directory: Path) -> Written:
    rnn_summary.close()
    assert len(list(directory.iterdir())) == 1
    by_step: dict[int, list[LayerRecord]] = {}
    for step, made in rnn_summary.read(directory):
        by_step.setdefault(step, []).append(made)
    return list(by_step.items())


@pytest.fixture(scope="module")
def strategy() -> Any:
    """Two replicas, on two halves of a CPU."""
    cpu, *_ = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def train(strategy: Any, model: Any, optimizer: Any, after: Callable[[int], object], wrap: Any = tf.function) -> None:
    """A loop of one's own: each replica's loss is its part of the mean over the whole batch."""

    def of_replica(x: Any, y: Any) -> None:
        with tf.GradientTape() as tape:
            each = tf.reduce_mean((model(x, training=True) - y) ** 2, axis=-1)
            loss = tf.nn.compute_average_loss(each, global_batch_size=SAMPLES)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    run = wrap(lambda x, y: strategy.run(of_replica, args=(x, y)))
    x, y = (np.concatenate(arrays) for arrays in zip(*batches(), strict=True))
    dataset = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((x, y)).batch(SAMPLES))
    for step, batch in enumerate(dataset):
        run(*batch)
        after(step)


@pytest.mark.parametrize(
    ("options", "in_scope"),
    [
        pytest.param({}, False, id="default", marks=pytest.mark.framework_case(FRAMEWORK, "fit, MirroredStrategy")),
        pytest.param({}, True, id="in the scope"),
        pytest.param(
            {"run_eagerly": True},
            False,
            id="eager",
            marks=pytest.mark.framework_case(FRAMEWORK, "fit, MirroredStrategy, run_eagerly=True"),
        ),
    ],
)
def test_fit(strategy: Any, tmp_path: Path, options: dict[str, Any], in_scope: bool) -> None:
    with strategy.scope():
        model = network()
        model.compile(keras.optimizers.SGD(RATE), "mse", **options)
    x, y = (np.concatenate(arrays) for arrays in zip(*batches(), strict=True))
    callback = capture_keras.KerasCallback(tmp_path / "logs", every=EVERY, samples=None)
    with strategy.scope() if in_scope else contextlib.nullcontext():
        model.fit(x, y, batch_size=SAMPLES, shuffle=False, verbose=0, callbacks=[callback])
    check(read(tmp_path / "logs"))


@pytest.mark.framework_case(FRAMEWORK, "a loop of one's own, MirroredStrategy")
@pytest.mark.parametrize("wrap", [lambda run: run, tf.function], ids=["eager", "function"])
def test_a_loop_of_ones_own(strategy: Any, wrap: Callable[[Any], Any]) -> None:
    with strategy.scope():
        model, optimizer = network(), keras.optimizers.SGD(RATE)
    written: Written = []
    with capture_keras.attach(model, every=EVERY, samples=None, optimizer=optimizer) as taps:

        def collect(step: int) -> None:
            if records := taps.collect(step):
                written.append((step, records))

        train(strategy, model, optimizer, collect, wrap)
    check(written)


def test_gradients_are_those_before_clipping(strategy: Any) -> None:
    """Keras clips what each replica has, before it sums them."""
    with strategy.scope():
        model, optimizer = network(), keras.optimizers.SGD(RATE, clipnorm=1e-3)
    first: list[LayerRecord] = []
    with capture_keras.attach(model, every=STEPS, samples=None, optimizer=optimizer) as taps:
        train(strategy, model, optimizer, lambda step: first.extend(taps.collect(step)))
    Expected(network(), *batches()[0]).check(first)


@pytest.mark.framework_case(FRAMEWORK, "fit, MirroredStrategy, mixed_float16")
def test_the_loss_scale_is_taken_out(strategy: Any) -> None:
    x, y = batches()[0]
    copy = network()
    expected = Expected(copy, x, y)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        with strategy.scope():
            model = network()
            model.set_weights(copy.get_weights())
            optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.0), initial_scale=8)
            model.compile(optimizer, "mse")
    finally:
        keras.config.set_dtype_policy("float32")
    with capture_keras.attach(model, every=1, samples=None) as taps:
        model.fit(x, y, batch_size=SAMPLES, shuffle=False, verbose=0)
        records = taps.take()
    for index, made in enumerate(records):
        for quantity, values in expected.sequences[index].items():
            np.testing.assert_allclose(made.sequences[quantity], values, rtol=1e-2, atol=1e-3)
        for number, matrix in enumerate(("kernel", "recurrent_kernel", "bias")):
            gradient = made.weight_gradients["forward"][matrix]
            np.testing.assert_allclose(gradient, expected.gradients[3 * index + number], rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("in_scope", [False, True])
def test_a_pass_of_its_own(strategy: Any, tmp_path: Path, in_scope: bool) -> None:
    """Of one batch that no replica shares: its loss is not divided by their number."""
    with strategy.scope():
        model = network()
        model.compile(keras.optimizers.SGD(RATE), "mse", metrics=["mae"])
    x, y = (np.concatenate(arrays) for arrays in zip(*batches(), strict=True))
    callback = capture_keras.KerasCallback(tmp_path / "logs", every=EVERY, samples=None, probe=batches()[0])
    expected = Expected(network(), *batches()[0])
    with strategy.scope() if in_scope else contextlib.nullcontext():
        expected.check(capture_keras.capture(model, *batches()[0]))
        history = model.fit(x, y, batch_size=SAMPLES, shuffle=False, verbose=0, callbacks=[callback])
    (step, first), _ = read(tmp_path / "logs")
    assert step == 0
    expected.check(first)
    with strategy.scope():
        model = network()
        model.compile(keras.optimizers.SGD(RATE), "mse", metrics=["mae"])
    assert model.fit(x, y, batch_size=SAMPLES, shuffle=False, verbose=0).history == history.history


def test_training_is_bitwise_the_same(strategy: Any, tmp_path: Path) -> None:
    x, y = (np.concatenate(arrays) for arrays in zip(*batches(), strict=True))
    weights, histories = [], []
    for callbacks in ([], [capture_keras.KerasCallback(tmp_path / "logs", every=1)]):
        with strategy.scope():
            model = network()
            model.compile(keras.optimizers.Adam(0.01), "mse")
        histories.append(model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=callbacks).history)
        weights.append(model.get_weights())
    assert histories[0] == histories[1]
    for without, with_taps in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, with_taps)


def test_parts_of_different_lengths_are_padded_at_their_ends() -> None:
    generator = np.random.default_rng(0)
    long, short = generator.normal(size=(2, 5, 3)), generator.normal(size=(1, 3, 3))
    state = generator.normal(size=(3, 4))
    made = keras_tensorflow_replicas.joined(
        [
            {"lstm": {"activation": long, "input": long, "initial_state/0": state[:2]}},
            {"lstm": {"activation": short, "input": short, "initial_state/0": state[2:]}},
        ]
    )["lstm"]
    assert made["activation"].shape == (3, 5, 3)
    np.testing.assert_array_equal(made["activation"][:2], long)
    np.testing.assert_array_equal(made["activation"][2, :3], short[0])
    assert not made["activation"][2, 3:].any()
    np.testing.assert_array_equal(made["mask"], [[True] * 5, [True] * 5, [True] * 3 + [False] * 2])
    np.testing.assert_array_equal(made["initial_state/0"], state)


def test_a_strategy_that_runs_elsewhere_is_refused() -> None:
    central = tf.distribute.experimental.CentralStorageStrategy()
    with central.scope():
        model = network()
    with pytest.raises(ValueError, match=r"model: .*CentralStorageStrategy.*train with MirroredStrategy"):
        capture_keras.attach(model, every=1, samples=4, optimizer=keras.optimizers.SGD())


def test_replicas_of_tf_keras_are_refused(strategy: Any) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    with strategy.scope():
        model = tf_keras.Sequential([tf_keras.layers.GRU(4, input_shape=(5, 3)), tf_keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"model: .* 2 replicas of a tf_keras model; train on one"):
        rnn_summary.attach(model, every=1, optimizer=tf_keras.optimizers.SGD())


def worker(index: int, ports: list[int], directory: str) -> None:
    """One of the workers; what it raises fails the test."""
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    train_as_worker(strategy, Path(directory) / f"all_write_{index}")
    keras_tensorflow_workers.PATIENCE = dt.timedelta(seconds=0.5)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        train_as_worker(strategy, Path(directory) / f"chief_writes_{index}", writes=index == 0)
    assert sum("write in every worker" in str(each.message) for each in said) == (1 if index == 0 else 0)


def train_as_worker(strategy: Any, logs: Path, *, writes: bool = True) -> None:
    with strategy.scope():
        model, optimizer = network(), keras.optimizers.SGD(RATE)
    with capture_keras.attach(model, every=EVERY, samples=None, optimizer=optimizer) as taps:
        train(
            strategy,
            model,
            optimizer,
            lambda step: writes and rnn_summary.write(taps, step=step, writer=logs),
        )
    rnn_summary.close()
    assert logs.exists() == (strategy.cluster_resolver.task_id == 0)


@pytest.fixture(scope="module")
def written_by_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two workers wrote."""
    directory = tmp_path_factory.mktemp("workers")
    with socket.socket() as first, socket.socket() as second:
        for free in (first, second):
            free.bind(("localhost", 0))
        ports = [free.getsockname()[1] for free in (first, second)]
    spawning = multiprocessing.get_context("spawn")
    workers = [spawning.Process(target=worker, args=(index, ports, str(directory))) for index in range(2)]
    for process in workers:
        process.start()
    for process in workers:
        process.join(timeout=200)
    assert [process.exitcode for process in workers] == [0, 0]
    return directory


@pytest.mark.framework_case(FRAMEWORK, "a loop of one's own, MultiWorkerMirroredStrategy, 2 workers")
def test_workers(written_by_workers: Path) -> None:
    check(read(written_by_workers / "all_write_0"))


def test_a_worker_that_never_writes_holds_nobody_up(written_by_workers: Path) -> None:
    written = read(written_by_workers / "chief_writes_0")
    assert [step for step, _ in written] == [0, 2]
    for step, records in written:
        for made, sequences in zip(records, each_expected()[step].sequences, strict=True):
            for quantity, values in sequences.items():
                close(made.sequences[quantity], values[: SAMPLES // 2], quantity)
            assert made.weights
            assert not made.weight_gradients  # a sum over all workers
