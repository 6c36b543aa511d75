"""Findings in Keras's `fit`: handed over between batches, and a reason to stop."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary

pytestmark = pytest.mark.tensorflow
pytest.importorskip("tensorflow")

import keras  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("for Keras on TensorFlow", allow_module_level=True)

NAN_BATCH = 5
BATCHES = 40


class Plant(keras.callbacks.Callback):
    """Puts a NaN into the recurrent kernel's forget gate."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        if batch == NAN_BATCH:
            layer = self.model.get_layer("lstm")
            kernel, recurrent, bias = layer.get_weights()
            recurrent[1, 4] = np.nan
            layer.set_weights([kernel, recurrent, bias])


class Count(keras.callbacks.Callback):
    """Counts the batches."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        rnn_summary.flush()  # so that what is found does not depend on how fast the thread is
        self.batches += 1


def fit(callback: Any) -> int:
    """Trains, and gives the number of batches."""
    count = Count()
    model = keras.Sequential([keras.Input((6, 2)), keras.layers.LSTM(3, name="lstm"), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(4 * BATCHES, 6, 2)).astype(np.float32)
    model.fit(x, x[:, 0, :1], batch_size=4, shuffle=False, verbose=0, callbacks=[Plant(), callback, count])
    return count.batches


def test_training_is_stopped_with_the_reason(tmp_path: Path) -> None:
    found: list[rnn_summary.Finding] = []
    callback = rnn_summary.KerasCallback(tmp_path, every=1, on_finding=found.append, stop_on={"nan"})
    with pytest.warns(UserWarning, match="rnn_summary: training is stopped. lstm: NaN since step 5, first in the rec"):
        batches = fit(callback)
    assert NAN_BATCH < batches <= NAN_BATCH + 3
    assert [one.fault for one in found] == ["nan"]
    (finding,) = found
    assert callback.stopped_by is finding
    assert (finding.layer, finding.matrix, finding.gate) == ("lstm", "recurrent_kernel", "forget")
    assert (finding.since, finding.clean_until) == (NAN_BATCH, NAN_BATCH - 1)


def test_other_faults_let_it_go_on(tmp_path: Path) -> None:
    found: list[rnn_summary.Finding] = []
    callback = rnn_summary.KerasCallback(tmp_path, every=1, on_finding=found.append, stop_on={"exploding"})
    assert fit(callback) == BATCHES
    assert [one.fault for one in found] == ["nan"]
    assert callback.stopped_by is None


def test_what_on_finding_raises_comes_out_of_fit(tmp_path: Path) -> None:
    def complain(finding: rnn_summary.Finding) -> None:
        raise KeyError(finding.fault)

    with pytest.raises(KeyError, match="nan"):
        fit(rnn_summary.KerasCallback(tmp_path, every=1, on_finding=complain))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"on_finding": "print"}, TypeError, "on_finding: expected a function of a Finding, got str"),
        ({"stop_on": {"boredom"}}, ValueError, "stop_on: expected some of nan, .* got 'boredom'"),
        ({"thresholds": {}}, TypeError, "thresholds: expected Thresholds, got dict"),
    ],
)
def test_wrong_arguments(given: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        rnn_summary.KerasCallback("logs", **given)
