"""The timescales route, over HTTP and under both loaders, against decays that were built in."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tests import serving
from tests.serving import TensorBoard, wait_for

LAYER = "encoder"
T = 16
KEEP = {"forward": (0.2, 0.5, 0.9), "backward": (0.4, 0.8, 1.0)}
TAU = {"forward": (1.5, 6.0, 40.0), "backward": (0.8, 3.0, np.inf)}
STEPS = (0, 10, 20)


def _decay(direction: str, step: int) -> FloatArray:
    """(2, T, 3): it fades in the direction's own time, by other timescales at each step; Inf stays as it is."""
    lags = np.arange(T)[::-1] if direction == "forward" else np.arange(T)
    tau = np.array(TAU[direction]) * (1 + step)
    return np.stack([size * np.exp(-lags[:, None] / tau) for size in (1e-4, -3e-2)]).astype(np.float32)


def _sequences(cell: str, step: int, directions: tuple[str, ...]) -> dict[str, FloatArray]:
    gate, gradient = {"lstm": ("forget", "cell_state_gradient"), "gru": ("update", "bptt_gradient")}[cell]
    keep = np.concatenate([np.full((2, T, 3), KEEP[one], np.float32) for one in directions], axis=-1)
    # The median is asked for: a few timesteps do not count.
    keep[:, :3] = 0.01
    return {f"gate/{gate}": keep, gradient: np.concatenate([_decay(one, step) for one in directions], axis=-1)}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory, loader: str) -> Iterator[TensorBoard]:
    directory = tmp_path_factory.mktemp(f"timescales-{loader}") / "logs"
    both = ("forward", "backward")
    for step in STEPS:
        records: Mapping[str, LayerRecord] = {
            "lstm": LayerRecord(LAYER, cell="lstm", units=3, directions=both, sequences=_sequences("lstm", step, both)),
            "gru": LayerRecord(LAYER, cell="gru", units=3, sequences=_sequences("gru", step, ("forward",))),
            "rnn": LayerRecord(LAYER, cell="rnn", units=3, sequences={"activation": np.ones((1, T, 3))}),
            "dense": LayerRecord(LAYER, sequences={"activation": np.ones((1, T, 3))}),
            "bare": LayerRecord(LAYER, cell="lstm", units=3, sequences={"activation": np.ones((1, T, 3))}),
            "usual": LayerRecord(LAYER, cell="lstm", units=3, sequences={"gate/forget": np.ones((1, T, 3))}),
        }
        for run, record in records.items():
            rnn_summary.write(record, step, directory / run)
    rnn_summary.close()
    with serving.tensorboard(directory, loader) as served:
        wait_for("all runs", lambda: [served.last_step(run) for run in records] == [STEPS[-1]] * len(records))
        yield served


def timescales(board: TensorBoard, **parameters: Any) -> Any:
    answer = board.get("timescales", **parameters)
    assert answer.status == 200, answer
    return answer.json


def expected_gate(direction: str) -> list[object]:
    return [None if keep == 1 else pytest.approx(1 / (1 - keep), rel=1e-4) for keep in KEEP[direction]]


@pytest.mark.parametrize("step", STEPS)
def test_of_every_direction_at_a_step(board: TensorBoard, step: int) -> None:
    content = timescales(board, run="lstm", layer=LAYER, step=step)
    assert content["missing"] == []
    assert [one["direction"] for one in content["timescales"]] == ["forward", "backward"]
    for one in content["timescales"]:
        tau = TAU[one["direction"]]
        assert (one["run"], one["layer"], one["step"]) == ("lstm", LAYER, step)
        assert (one["gate"], one["quantity"]) == ("forget", "cell_state_gradient")
        assert (one["samples"], one["timesteps"]) == (2, T)
        assert one["gate_timescales"] == expected_gate(one["direction"])
        assert one["gradient_timescales"] == [
            None if np.isinf(value) else pytest.approx(value * (1 + step), rel=1e-3) for value in tau
        ]
        assert [fit for fit in one["fits"] if fit is not None] == pytest.approx([1] * int(np.isfinite(tau).sum()))


def test_of_a_gru_it_is_the_update_gate_and_the_hidden_state(board: TensorBoard) -> None:
    (one,) = timescales(board, run="gru", layer=LAYER, step=0)["timescales"]
    assert (one["gate"], one["quantity"], one["direction"]) == ("update", "bptt_gradient", "forward")
    assert one["gate_timescales"] == expected_gate("forward")
    assert one["gradient_timescales"] == pytest.approx(TAU["forward"], rel=1e-3)


@pytest.mark.parametrize(("asked", "answered"), [({}, 20), ({"step": 13}, 10), ({"step": 15}, 10), ({"step": 999}, 20)])
def test_the_nearest_step_is_answered(board: TensorBoard, asked: dict[str, int], answered: int) -> None:
    found = timescales(board, run=["lstm", "gru"], layer=LAYER, **asked)["timescales"]
    assert [(one["run"], one["step"]) for one in found] == [("lstm", answered)] * 2 + [("gru", answered)]


def test_what_is_absent_says_why(board: TensorBoard) -> None:
    content = timescales(board, run=["rnn", "dense", "bare", "usual", "none"], layer=LAYER)
    assert content["timescales"] == []
    reasons = {one["run"]: one["reason"] for one in content["missing"]}
    assert reasons["rnn"] == "a plain RNN has no gate that keeps its state."
    assert reasons["dense"] == "only recurrent layers keep a state."
    assert reasons["bare"].startswith("gate/forget was not recorded: it comes with bptt=True")
    assert reasons["usual"] == (
        'dL/dc was not recorded: it is on request alone, as "cell_state_gradient" in quantities=.'
    )
    assert reasons["none"] == "there is no run 'none' with a layer 'encoder'."


def test_an_unchanged_answer_is_a_304(board: TensorBoard) -> None:
    first = board.get("timescales", run="gru", layer=LAYER)
    assert board.get("timescales", run="gru", layer=LAYER, etag=first.headers["etag"]).status == 304
    assert board.get("timescales", run="gru", layer=LAYER, step=0, etag=first.headers["etag"]).status == 200


@pytest.mark.parametrize(
    ("parameters", "status", "message"),
    [
        ({}, 400, "run: expected at least one, got none."),
        ({"run": "lstm"}, 400, "layer: expected at least one, got none."),
        ({"run": ["a", "b"], "layer": ["c", "d", "e"]}, 400, "layer: expected one, or one for each of the 2 runs"),
        ({"run": [str(i) for i in range(9)], "layer": LAYER}, 400, "run: expected at most 8, got 9."),
        ({"run": "lstm", "layer": LAYER, "step": "-1"}, 400, "step: expected a whole number, got '-1'."),
        ({"run": "lstm", "layer": "other"}, 404, "there is no run 'lstm' with a layer 'other'."),
    ],
)
def test_errors(board: TensorBoard, parameters: dict[str, Any], status: int, message: str) -> None:
    answer = board.get("timescales", **parameters)
    assert answer.status == status
    assert answer.json["error"].startswith(message)
