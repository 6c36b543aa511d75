"""see-rnn's numbers all the way: a Keras model, fit, an event file, TensorBoard's data provider, HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tests import serving
from tests.capture import reference
from tests.serving import TensorBoard, wait_for

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time"),
]
pytest.importorskip("tensorflow")

import keras  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("for Keras on TensorFlow", allow_module_level=True)

from tests.capture.keras_reference_model import build  # noqa: E402

CASES = [
    f"{kind}/{mode}" for kind in ("lstm", "gru_ra1", "gru_ra0", "rnn", "bilstm", "bigru") for mode in ("seq", "last")
]


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run for each case, written by the callback in a step of training."""
    directory = tmp_path_factory.mktemp("reference") / "logs"
    for case in CASES:
        callback = rnn_summary.KerasCallback(directory / case, every=1, samples=None)
        x, y = reference.array(case, "x"), reference.array(case, "y")
        build(case).fit(x, y, batch_size=len(x), shuffle=False, verbose=0, callbacks=[callback])
    rnn_summary.close()
    return directory


@pytest.fixture(scope="module")
def reference_board(logdir: Path, loader: str) -> Iterator[TensorBoard]:
    with serving.tensorboard(logdir, loader) as board:
        wait_for("the runs", lambda: set(board.index()) == set(CASES))
        yield board


def test_http_answers_with_the_numbers_of_see_rnn(reference_board: TensorBoard) -> None:
    index = reference_board.index()
    for case in CASES:
        reference.check(case, [_served(reference_board, case, layer) for layer in index[case]["layers"]])


def _served(board: TensorBoard, run: str, layer: dict[str, Any]) -> LayerRecord:
    """A record of what HTTP says of a layer at step 0."""
    sequences: dict[str, FloatArray] = {}
    matrices: dict[str, dict[str, dict[str, FloatArray]]] = {"weights": {}, "weight_gradients": {}}
    for quantity in (listed["quantity"] for listed in layer["quantities"]):
        arrays = board.arrays(run=run, layer=layer["layer"], quantity=quantity, step=0)
        if quantity not in matrices:
            sequences[quantity] = np.stack([array.values for array in arrays])
            continue
        for array in arrays:
            direction, matrix = array.info["matrix"].split("/")
            # A vector is served as a matrix of one row.
            values = array.values[0] if matrix == "bias" and len(array.values) == 1 else array.values
            matrices[quantity].setdefault(direction, {})[matrix] = values
    return LayerRecord(
        layer["layer"],
        cell=layer["cell"],
        units=layer["units"],
        directions=layer["directions"],
        gates=layer["gates"],
        sequences=sequences,
        weights=matrices["weights"],
        weight_gradients=matrices["weight_gradients"],
    )
