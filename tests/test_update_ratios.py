"""The update ratio on the statistics route, against the weights that were logged, under both loaders."""

from typing import Any

import numpy as np
import pytest

from tests import logs
from tests.serving import TensorBoard

WANTED: dict[str, Any] = {"run": "directory", "layer": logs.LAYER, "field": "update_ratio"}


def matrices(board: TensorBoard, **parameters: Any) -> dict[tuple[str, str], Any]:
    (found,) = board.get("statistics", **{**WANTED, "quantity": "weights", **parameters}).json["statistics"]
    return {(one["direction"], one["matrix"]): one["update_ratio"] for one in found["matrices"]}


def a_step(direction: str, matrix: str, before: int, after: int) -> float:
    old, new = (logs.records(step)[0].weights[direction][matrix].astype(float) for step in (before, after))
    return float(np.sqrt(((new - old) ** 2).sum()) / np.sqrt((old**2).sum())) / (after - before)


def test_ratio_of_every_matrix_is_of_one_step(board: TensorBoard) -> None:
    found = matrices(board)
    # The forward bias is zero at every step: there is no share of nothing.
    assert sorted(found) == [("backward", "bias"), ("forward", "kernel"), ("forward", "recurrent_kernel")]
    for place, (first, *others) in found.items():
        assert first is None
        assert others == pytest.approx([a_step(*place, 0, 50), a_step(*place, 50, 100)], rel=1e-5)


def test_ratio_of_a_step_alone(board: TensorBoard) -> None:
    assert matrices(board, step=100)["forward", "kernel"] == pytest.approx([a_step("forward", "kernel", 50, 100)])


def test_sequences_have_none(board: TensorBoard) -> None:
    assert matrices(board, quantity="activation") == {}


def test_matrices_are_there_only_when_asked_for(board: TensorBoard) -> None:
    (found,) = board.get("statistics", **{**WANTED, "quantity": "weights", "field": "count"}).json["statistics"]
    assert "matrices" not in found
