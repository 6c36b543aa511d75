"""Keras captures against the numbers that see-rnn itself returned."""

import sys
import types

import numpy as np
import pytest

from tb_rnn_plugin.record import LayerRecord
from tests.capture import reference

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.framework_case(
        "Keras 3 on TensorFlow", "see-rnn's own numbers: LSTM, GRU, SimpleRNN, bidirectional, masked, sample weights"
    ),
]
pytest.importorskip("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("for Keras on TensorFlow", allow_module_level=True)

from tb_rnn_plugin.capture.keras import entry as capture_keras  # noqa: E402
from tests.capture.keras_reference_model import build  # noqa: E402


@pytest.fixture(params=reference.cases())
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[LayerRecord]]:
    """What the callbacks wrote, by writer."""
    by_writer: dict[str, list[LayerRecord]] = {}
    stub = types.ModuleType("tb_rnn_plugin.rnn_summary")

    def write(records: list[LayerRecord], *, writer: str, **_: object) -> None:
        by_writer.setdefault(writer, []).extend(records)

    stub.write = write  # type: ignore[attr-defined]
    stub.flush = lambda _: None  # type: ignore[attr-defined]
    monkeypatch.setattr("tb_rnn_plugin.rnn_summary", stub, raising=False)
    monkeypatch.setitem(sys.modules, "tb_rnn_plugin.rnn_summary", stub)
    return by_writer


def test_one_batch(case: str) -> None:
    model = build(case)
    x, y, sample_weight = reference.array(case, "x"), reference.array(case, "y"), reference.sample_weight(case)
    reference.check(case, capture_keras.capture(model, x, y, sample_weight=sample_weight))


def test_loop_of_ones_own(case: str) -> None:
    model = build(case)
    with capture_keras.attach(model, every=1, samples=4) as taps:
        with tf.GradientTape() as tape:
            prediction = model(reference.array(case, "x"), training=True)
            loss = model.compute_loss(
                y=reference.array(case, "y"), y_pred=prediction, sample_weight=reference.sample_weight(case)
            )
        model.optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        reference.check(case, taps.collect(0))
    np.testing.assert_allclose(prediction, reference.array(case, "pred"), atol=reference.TOLERANCE)


def test_fit(case: str, written: dict[str, list[LayerRecord]]) -> None:
    model = build(case)
    x, y, sample_weight = reference.array(case, "x"), reference.array(case, "y"), reference.sample_weight(case)
    model.fit(
        x,
        y,
        sample_weight=sample_weight,
        batch_size=4,
        shuffle=False,
        verbose=0,
        callbacks=[
            capture_keras.KerasCallback("taps"),
            capture_keras.KerasCallback("probe", probe=(x, y, sample_weight)),
        ],
    )
    reference.check(case, written["taps"])
    reference.check(case, written["probe"])
