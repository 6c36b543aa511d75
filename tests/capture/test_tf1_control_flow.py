"""tf_keras where all of TensorFlow 2's behaviour is off: loops are made of TensorFlow 1's own control flow then.

A process can't leave that mode again, so these tests have one of their own.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tb_rnn_plugin import rnn_summary
from tests.capture import reference

pytestmark = [pytest.mark.tensorflow, pytest.mark.own_process, pytest.mark.slow]
tf_keras = pytest.importorskip("tf_keras")

import tensorflow as tf  # noqa: E402

from tests.capture.keras_reference_model import build  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def _tensorflow_1() -> None:
    tf.compat.v1.disable_v2_behavior()


@pytest.fixture(autouse=True)
def _graph() -> Iterator[None]:
    tf_keras.backend.clear_session()
    yield
    tf_keras.backend.clear_session()


@pytest.mark.framework_case("TensorFlow 1 graph mode", "disable_v2_behavior: LSTM, GRU and SimpleRNN, bidirectional")
@pytest.mark.parametrize("case", ["lstm/last/masked", "gru_ra0/seq", "bigru/last", "rnn/last"])
def test_see_rnns_numbers(case: str, tmp_path: Path) -> None:
    model = build(case, tf_keras, tf_keras.optimizers.legacy)
    x, y = reference.array(case, "x"), reference.array(case, "y")
    reference.check(case, rnn_summary.capture(model, x, y))
    callback = rnn_summary.KerasCallback(tmp_path, every=1, samples=None)
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0, callbacks=[callback])
    reference.check(case, [record for _, record in rnn_summary.read(tmp_path)])
