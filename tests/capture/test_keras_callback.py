"""KerasCallback: when it writes, and that training goes on whatever happens."""

import gc
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tb_rnn_plugin.diagnostics.thresholds import DEFAULT
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


class Writer:
    """Stands in for rnn_summary."""

    def __init__(self) -> None:
        self.written: dict[int, list[LayerRecord]] = {}
        self.options: dict[str, object] = {}
        self.flushed = 0
        self.error: Exception | None = None

    def write(self, records: list[LayerRecord], *, step: int, **options: object) -> None:
        if self.error is not None:
            raise self.error
        assert step not in self.written
        self.written[step] = records
        self.options = options

    def flush(self, writer: object) -> None:
        assert writer == "logs"
        self.flushed += 1


@pytest.fixture(autouse=True)
def writer(monkeypatch: pytest.MonkeyPatch) -> Writer:
    stub = types.ModuleType("tb_rnn_plugin.rnn_summary")
    writer = Writer()
    stub.write = writer.write  # type: ignore[attr-defined]
    stub.flush = writer.flush  # type: ignore[attr-defined]
    monkeypatch.setattr("tb_rnn_plugin.rnn_summary", stub, raising=False)
    monkeypatch.setitem(sys.modules, "tb_rnn_plugin.rnn_summary", stub)
    return writer


def build(**options: object) -> Any:
    keras.utils.set_random_seed(5)
    model = keras.Sequential([keras.Input((4, 3)), layers.GRU(3, name="rnn"), layers.Dropout(0.3), layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"], **({"run_eagerly": True} | options))
    return model


def data(samples: int) -> tuple[Array, Array]:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(samples, 4, 3)), generator.normal(size=(samples, 2))
    return x.astype(np.float32), y.astype(np.float32)


def fit(model: Any, *callbacks: Any, samples: int = 10, **options: Any) -> Any:
    return model.fit(*data(samples), callbacks=list(callbacks), **({"batch_size": 2, "verbose": 0} | options))


def is_tapped(model: Any) -> bool:
    return any("call" in vars(layer) for layer in model._flatten_layers()) or "apply" in vars(model.optimizer)


def test_steps_go_on_over_epochs_and_fits(writer: Writer) -> None:
    model = build()
    callback = capture_keras.KerasCallback("logs", every=4, samples=2, dtype="bfloat16")
    fit(model, callback, epochs=2)
    assert list(writer.written) == [0, 4, 8]
    given = {"writer": "logs", "samples": 2, "dtype": "bfloat16"}
    assert writer.options == {**given, "thresholds": DEFAULT, "scalars": True}
    assert writer.flushed == 1
    fit(model, callback)
    assert list(writer.written) == [0, 4, 8, 12]
    assert all(record.weight_gradients for records in writer.written.values() for record in records)
    fit(model, capture_keras.KerasCallback("logs", every=4, probe=data(3)), epochs=2)
    assert list(writer.written) == [0, 4, 8, 12, 16, 20, 24]


def test_several_steps_per_execution(writer: Writer) -> None:
    model = build(run_eagerly=False, steps_per_execution=2)
    fit(model, capture_keras.KerasCallback("logs", every=4), epochs=2)  # executions end after 1, 3, 4; 6, 8, 9
    assert list(writer.written) == [1, 4, 8]


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # Keras's own, at the end of such an epoch
@pytest.mark.parametrize("run_eagerly", [True, False], ids=["eager", "compiled"])
def test_of_data_of_unknown_length_every_epoch_is_written(writer: Writer, run_eagerly: bool) -> None:
    batches = tf.data.Dataset.from_tensor_slices(data(10)).batch(2).filter(lambda *_: True)
    model = build(run_eagerly=run_eagerly)
    model.fit(batches, epochs=3, callbacks=[capture_keras.KerasCallback("logs", every=4)], verbose=0, shuffle=False)
    assert list(writer.written) == [0, 4, 8, 12]
    assert not is_tapped(model)


@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "with a loss scale"])
def test_steps_are_batches_where_gradients_are_accumulated(writer: Writer, scaled: bool) -> None:
    model, optimizer = build(), keras.optimizers.SGD(0.01, gradient_accumulation_steps=2)
    model.compile(keras.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer, "mse")
    for _ in range(2):
        fit(model, capture_keras.KerasCallback("logs", every=1))
    assert list(writer.written) == list(range(10))


class Interrupts(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        if epoch == 1:
            raise RuntimeError("on purpose")


@pytest.mark.parametrize("probe", [None, data(3)], ids=["taps", "probe"])
def test_steps_go_on_where_a_restored_training_stopped(writer: Writer, tmp_path: Path, probe: Any) -> None:
    with pytest.raises(RuntimeError, match="on purpose"):
        fit(build(), keras.callbacks.BackupAndRestore(tmp_path), Interrupts(), epochs=2)
    callback = capture_keras.KerasCallback("logs", every=4, probe=probe)
    fit(build(), callback, keras.callbacks.BackupAndRestore(tmp_path), epochs=2)
    assert list(writer.written) == [8]  # of 5 to 9


@pytest.mark.framework_case("Keras 3 on TensorFlow", "KerasCallback with a probe")
def test_the_probe_sees_the_weights_of_its_step(writer: Writer) -> None:
    model, probe = build(run_eagerly=False), data(3)
    expected = {}

    class Expect(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: object = None) -> None:  # noqa: ARG002
            expected[batch] = capture_keras.capture(model, *probe)

    fit(model, Expect(), capture_keras.KerasCallback("logs", every=2, probe=probe))
    assert list(writer.written) == [0, 2, 4]
    for step, (record,) in writer.written.items():
        for quantity, array in expected[step][0].sequences.items():
            np.testing.assert_allclose(record.sequences[quantity], array, rtol=1e-5, atol=1e-7)
        for matrix, array in expected[step][0].weight_gradients["forward"].items():
            np.testing.assert_allclose(record.weight_gradients["forward"][matrix], array, rtol=1e-4, atol=1e-7)


class OwnStep(keras.Sequential):
    """A model with a training step of its own."""

    def train_step(self, data: Any) -> Any:
        return super().train_step(data)


@pytest.mark.framework_case(
    "Keras 3 on TensorFlow", "KerasCallback in fit: weights of the recorded pass, before its update"
)
@pytest.mark.parametrize("kind", [keras.Sequential, OwnStep], ids=["Keras's step", "own step"])
@pytest.mark.parametrize("run_eagerly", [True, False], ids=["eager", "compiled"])
def test_weights_in_fit_are_those_that_the_pass_began_with(writer: Writer, kind: Any, run_eagerly: bool) -> None:
    keras.utils.set_random_seed(5)
    model = kind([keras.Input((4, 3)), layers.GRU(3, name="rnn"), layers.Dense(2)])
    model.compile(keras.optimizers.SGD(0.5), "mse", run_eagerly=run_eagerly)
    before: dict[int, list[Array]] = {}

    class Look(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: object = None) -> None:  # noqa: ARG002
            before[batch] = [weight.copy() for weight in model.get_layer("rnn").get_weights()]

    fit(model, capture_keras.KerasCallback("logs", every=2), Look())
    assert list(writer.written) == [0, 2, 4]
    for step, (record,) in writer.written.items():
        matrices = dict(zip(("kernel", "recurrent_kernel", "bias"), before[step], strict=True))
        for matrix, array in matrices.items():
            np.testing.assert_array_equal(record.weights["forward"][matrix], array)
            if step < 4:  # and the gradients are those of this very pass
                moved = array - 0.5 * record.weight_gradients["forward"][matrix]
                after = dict(zip(matrices, before[step + 1], strict=True))[matrix]
                np.testing.assert_allclose(after, moved, rtol=1e-5, atol=1e-7)


@pytest.mark.framework_case("Keras 3 on TensorFlow", "fit and validation with KerasCallback, bitwise the same")
@pytest.mark.parametrize("probe", [None, data(3)], ids=["taps", "probe"])
@pytest.mark.parametrize("run_eagerly", [True, False], ids=["eager", "compiled"])
def test_training_and_validation_are_bitwise_the_same(probe: Any, run_eagerly: bool) -> None:
    histories, variables = [], []
    for callbacks in ([], [capture_keras.KerasCallback("logs", every=2, probe=probe)]):
        model = build(run_eagerly=run_eagerly)
        histories.append(fit(model, *callbacks, epochs=2, validation_data=data(4)).history)
        variables.append([v.numpy() for v in model.variables + model.optimizer.variables + model.metrics_variables])
        assert not is_tapped(model)
    assert histories[0] == histories[1]
    for without, with_callback in zip(*variables, strict=True):
        np.testing.assert_array_equal(without, with_callback)


def test_a_failing_writer_never_ends_training(writer: Writer) -> None:
    model = build()
    writer.error = OSError("disk full")
    with pytest.warns(UserWarning, match="nothing more is written of this training.*disk full") as said:
        history = fit(model, capture_keras.KerasCallback("logs", every=1))
    assert len(said) == 1
    assert len(history.history["loss"]) == 1
    assert not is_tapped(model)


def test_a_failing_tap_never_ends_training(monkeypatch: pytest.MonkeyPatch) -> None:
    from tb_rnn_plugin.capture.keras.tensorflow import recorder as keras_tensorflow_recorder  # noqa: PLC0415

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no such thing")

    for name in ("_tap", "_keep"):
        monkeypatch.setattr(keras_tensorflow_recorder.Recorder, name, fail)
        with pytest.warns(UserWarning, match="rnn_summary") as said:
            fit(build(), capture_keras.KerasCallback("logs", every=1))
        assert ["can't be tapped: RuntimeError('no such thing')" in str(s.message) for s in said] == [True, False]


class Fails(keras.callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: object = None) -> None:  # noqa: ARG002
        if batch == 1:
            raise RuntimeError("on purpose")


def test_taps_come_off_when_fit_raises(writer: Writer) -> None:
    model = build()

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> Any:
            return data(2) if index == 0 else (np.zeros((2, 4, 99), np.float32), np.zeros((2, 2), np.float32))

    callback = capture_keras.KerasCallback("logs", every=1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="99"):
        model.fit(Batches(), callbacks=[callback], verbose=0, shuffle=False)
    assert not is_tapped(model)  # an error in the step itself: at once

    with pytest.raises(RuntimeError, match="on purpose"):
        fit(model, Fails(), callback)
    assert is_tapped(model)
    writer.written.clear()
    fit(model, callback)  # used again
    assert not is_tapped(model)
    assert len(writer.written) == 5

    with pytest.raises(RuntimeError, match="on purpose"):
        fit(model, Fails(), callback)
    assert is_tapped(model)
    del callback
    gc.collect()
    assert not is_tapped(model)  # gone


def test_what_is_wrong_before_the_first_batch_raises() -> None:
    callback: Any = capture_keras.KerasCallback
    x, y = data(3)
    wrong: list[tuple[type[Exception], str, Callable[[], object]]] = [
        (ValueError, "every: expected at least 1", lambda: callback("logs", every=0)),
        (TypeError, "samples: expected an int or None, got str", lambda: callback("logs", samples="4")),
        (TypeError, "layers: .* got 1.5", lambda: callback("logs", layers=[1.5])),
        (ValueError, "dtype: .* got 'float16'", lambda: callback("logs", dtype="float16")),
        (TypeError, "probe: expected a tuple .* got ndarray", lambda: callback("logs", probe=x)),
        (ValueError, "probe: expected .* got 1 items", lambda: callback("logs", probe=(1,))),
        (TypeError, "probe: expected arrays .* got float among them", lambda: callback("logs", probe=(x, y, 1.0))),
        (ValueError, r"probe: .* as many samples .* \[2, 3\]", lambda: callback("logs", probe=(x[:2], y))),
        (ValueError, "layers: 'lstm' is none of .* 'rnn'", lambda: fit(build(), callback("logs", layers="lstm"))),
        (ValueError, "no recurrent layer", lambda: fit(dense(), callback("logs"))),
    ]
    for error, match, make in wrong:
        with pytest.raises(error, match=match):
            make()


def dense() -> Any:
    model = keras.Sequential([keras.Input((4, 3)), layers.Flatten(), layers.Dense(2)])
    model.compile("sgd", "mse")
    return model
