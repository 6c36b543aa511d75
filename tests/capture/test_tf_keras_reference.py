"""tf_keras captures against the numbers that see-rnn itself returned."""

from pathlib import Path

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import LayerRecord
from tests.capture import reference

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.framework_case(
        "tf_keras", "see-rnn's own numbers: LSTM, GRU, SimpleRNN, bidirectional, masked, sample weights"
    ),
]
pytest.importorskip("tf_keras")

import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402

from tests.capture.keras_reference_model import build  # noqa: E402

# Tracing takes seconds: few of them for `make unit`.
FAST = {"lstm/last/masked", "lstm/seq/sw"}
CASES = [pytest.param(case, marks=[] if case in FAST else pytest.mark.slow) for case in reference.cases()]
OF_EACH_KIND = ("lstm/last/masked", "gru_ra1/last", "gru_ra0/last", "rnn/last", "bilstm/seq/masked", "lstm/seq/sw")
FITTED = [pytest.param(case, marks=[] if case in FAST else pytest.mark.slow) for case in OF_EACH_KIND]


def sample_weight(case: str) -> object:
    """As see-rnn was given them: one a sample, which tf_keras takes for targets with timesteps too."""
    return reference.array(case, "sample_weight") if case.endswith("/sw") else None


def read(directory: Path) -> list[LayerRecord]:
    return [record for _, record in rnn_summary.read(directory)]


@pytest.mark.parametrize("case", CASES)
def test_one_batch(case: str) -> None:
    x, y = reference.array(case, "x"), reference.array(case, "y")
    reference.check(case, rnn_summary.capture(build(case, tf_keras), x, y, sample_weight=sample_weight(case)))


@pytest.mark.parametrize("case", reference.cases())
def test_loop_of_ones_own(case: str) -> None:
    model = build(case, tf_keras)
    y, weight = (
        part if part is None else tf.constant(part) for part in (reference.array(case, "y"), sample_weight(case))
    )
    with rnn_summary.attach(model, every=1) as taps:
        with tf.GradientTape() as tape:
            prediction = model(reference.array(case, "x"), training=True)
            loss = model.compute_loss(y=y, y_pred=prediction, sample_weight=weight)
        model.optimizer.minimize(loss, model.trainable_variables, tape=tape)
        reference.check(case, taps.collect(0))
    np.testing.assert_allclose(prediction, reference.array(case, "pred"), atol=reference.TOLERANCE)


@pytest.mark.parametrize("case", FITTED)
def test_fit(case: str, tmp_path: Path) -> None:
    x, y = reference.array(case, "x"), reference.array(case, "y")
    build(case, tf_keras).fit(
        x,
        y,
        sample_weight=sample_weight(case),
        batch_size=4,
        shuffle=False,
        verbose=0,
        callbacks=[
            rnn_summary.KerasCallback(tmp_path / "taps", samples=None),
            rnn_summary.KerasCallback(tmp_path / "probe", samples=None, probe=(x, y, sample_weight(case))),
        ],
    )
    reference.check(case, read(tmp_path / "taps"))
    reference.check(case, read(tmp_path / "probe"))
