"""Histograms in as many bins as asked for, against np.histogram of what was logged, under both loaders."""

from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin.serving.binned_histograms import histogram
from tests import logs
from tests.serving import TensorBoard

WANTED: dict[str, Any] = {"run": "directory", "layer": logs.LAYER, "quantity": "weights", "step": 50, "field": "count"}
GATES = ("input", "forget", "cell", "output")


def binned(board: TensorBoard, **parameters: Any) -> dict[tuple[str, str, str], Any]:
    (found,) = board.get("statistics", **{**WANTED, **parameters}).json["statistics"]
    return {(block["direction"], block["matrix"], block["gate"]): block["binned"] for block in found["blocks"]}


@pytest.mark.parametrize("bins", [10, 37, 512])
def test_gates_of_matrices(board: TensorBoard, bins: int) -> None:
    found = binned(board, bins=bins)
    weights = logs.records(50)[0].weights
    assert len(found) == 4 * sum(len(matrices) for matrices in weights.values())
    for (direction, matrix, gate), (counted,) in found.items():
        values = np.split(weights[direction][matrix], 4, axis=-1)[GATES.index(gate)].astype(float)
        counts, edges = np.histogram(values, bins)
        assert counted["counts"] == counts.tolist()
        assert (counted["low"], counted["high"]) == (edges[0], edges[-1])


def test_directions_of_a_sequence_without_what_is_not_finite(board: TensorBoard) -> None:
    found = binned(board, quantity="output_gradient", bins=20)
    gradient = logs.records(50)[0].sequences["output_gradient"]
    assert not np.isfinite(gradient).all()
    for i, direction in enumerate(("forward", "backward")):
        values = gradient[:, :, 256 * i : 256 * (i + 1)].astype(float)
        values = values[np.isfinite(values)]
        (counted,) = found[direction, "", ""]
        assert counted["counts"] == np.histogram(values, 20)[0].tolist()
        assert (counted["low"], counted["high"]) == (values.min(), values.max())


def test_steps_whose_arrays_were_sampled_away_have_none(board: TensorBoard) -> None:
    wanted = {"run": "many", "layer": "a/b", "quantity": "activation"}
    (series,) = board.get("series", **wanted).json["series"]
    away = next(step for step in series["steps"] if step not in series["array_steps"])
    there = series["array_steps"][-1]
    (found,) = binned(board, **wanted, step=[away, there], bins=10).values()
    counts, edges = np.histogram(logs.small(there).sequences["activation"].astype(float), 10)
    assert found == [None, {"low": edges[0], "high": edges[-1], "counts": counts.tolist()}]


@pytest.mark.parametrize("value", [0.0, -3.25, 1e30])
def test_all_values_equal(value: float) -> None:
    counted = histogram(np.full((2, 3), value, np.float32), 10)
    assert sum(counted["counts"]) == 6
    assert counted["low"] < value < counted["high"]
    if abs(value) < 1e6:
        counts, edges = np.histogram([value] * 6, 10)
        assert counted == {"low": edges[0], "high": edges[-1], "counts": counts.tolist()}


def test_nothing_finite() -> None:
    assert histogram(np.array([np.nan, np.inf, -np.inf], np.float32), 10)["counts"] == []


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"bins": 9}, "bins: expected 10 to 512, got 9."),
        ({"bins": 513}, "bins: expected 10 to 512, got 513."),
        ({"bins": "many"}, "bins: expected a whole number, got 'many'."),
        ({"bins": 10, "step": []}, "bins: expected 1 to 64 steps with it, got 0."),
        ({"bins": 10, "step": list(range(65))}, "bins: expected 1 to 64 steps with it, got 65."),
    ],
)
def test_bad_bins_are_told(board: TensorBoard, parameters: dict[str, Any], complaint: str) -> None:
    answer = board.get("statistics", **{**WANTED, **parameters})
    assert (answer.status, answer.json["error"]) == (400, complaint)
