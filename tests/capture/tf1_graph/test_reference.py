"""see-rnn's own numbers in TensorFlow 1's graph mode."""

from pathlib import Path

import pytest

from tb_rnn_plugin import rnn_summary
from tests.capture import reference

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.own_process,
    pytest.mark.filterwarnings("ignore:`Model.state_updates` will be removed"),  # tf_keras's own, in predict
]
tf_keras = pytest.importorskip("tf_keras")

import tensorflow as tf  # noqa: E402

from tests.capture.keras_reference_model import build  # noqa: E402
from tests.capture.tf1_graph.network import Array, case, read  # noqa: E402

# Making a graph takes seconds: few of them for `make unit`.
FAST = {"lstm/last/masked", "lstm/seq/sw"}
CASES = [pytest.param(case, marks=[] if case in FAST else pytest.mark.slow) for case in reference.cases()]
OF_EACH_KIND = ("lstm/last/masked", "gru_ra1/last", "gru_ra0/last", "rnn/last", "bilstm/seq/masked", "lstm/seq/sw")
TRAINED = [pytest.param(case, marks=[] if case in FAST else pytest.mark.slow) for case in OF_EACH_KIND]
SEE_RNN = case("see-rnn's own numbers: LSTM, GRU, SimpleRNN, bidirectional, masked, sample weights")


def reference_batch(case: str) -> tuple[Array, Array, Array | None]:
    weight = reference.array(case, "sample_weight") if case.endswith("/sw") else None
    return reference.array(case, "x"), reference.array(case, "y"), weight


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
