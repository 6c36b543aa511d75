"""The statistics route, against numbers computed from what was logged, under both loaders."""

import itertools
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin.rnn_data_pb2 import QuantitySummary, Statistics
from tb_rnn_plugin.serving.block_statistics import block_statistics
from tb_rnn_plugin.serving.query import SummaryStep
from tests import logs
from tests.serving import TensorBoard

WANTED: dict[str, Any] = {"run": "directory", "layer": logs.LAYER, "quantity": "weights"}
GATES = ("input", "forget", "cell", "output")


def blocks(board: TensorBoard, **parameters: Any) -> dict[tuple[str, str, str], Any]:
    (found,) = board.get("statistics", **{**WANTED, **parameters}).json["statistics"]
    return {(block["direction"], block["matrix"], block["gate"]): block for block in found["blocks"]}


def logged(step: int, direction: str, matrix: str, gate: str) -> Any:
    weights = logs.records(step)[0].weights[direction][matrix]
    return np.split(weights, 4, axis=-1)[GATES.index(gate)].astype(float)


def test_every_gate_of_every_matrix_at_every_step(board: TensorBoard) -> None:
    found = blocks(board)
    matrices = [("forward", matrix) for matrix in ("kernel", "recurrent_kernel", "bias")] + [("backward", "bias")]
    assert sorted(found) == sorted((*matrix, gate) for matrix in matrices for gate in GATES)
    for key, block in found.items():
        assert "linear" not in block
        for i, step in enumerate(logs.STEPS):
            values = logged(step, *key)
            assert block["count"][i] == values.size
            assert block["nan"][i] == block["inf"][i] == 0
            for name, expected in (
                ("minimum", values.min()),
                ("maximum", values.max()),
                ("mean", values.mean()),
                ("standard_deviation", values.std()),
                ("l1_norm", np.abs(values).sum()),
                ("l2_norm", np.sqrt((values**2).sum())),
            ):
                assert block[name][i] == pytest.approx(expected, rel=1e-5, abs=1e-7), (key, step, name)


def test_norms_of_channels_at_every_step(board: TensorBoard) -> None:
    for key, block in blocks(board, field="channel_norms").items():
        assert set(block) == {"direction", "matrix", "gate", "channel_norms"}
        for i, step in enumerate(logs.STEPS):
            norms = np.sqrt((np.atleast_2d(logged(step, *key)) ** 2).sum(axis=0))
            assert block["channel_norms"][i] == pytest.approx(np.quantile(norms, (0, 0.1, 0.5, 0.9, 1)), rel=1e-5)


def test_there_are_no_norms_of_channels_of_a_sequence_nor_in_older_logs(board: TensorBoard) -> None:
    found = blocks(board, quantity="activation", field="channel_norms")
    assert [block["channel_norms"] for block in found.values()] == [[None] * 3] * 2
    older = QuantitySummary(statistics=[Statistics(direction="forward", matrix="kernel", count=6, l2_norm=1)])
    (block,) = block_statistics([SummaryStep(0, 0.0, older)], ["channel_norms", "l2_norm"])
    assert (block["channel_norms"], block["l2_norm"]) == ([None], [1])


def test_histograms_hold_every_value_in_its_bin(board: TensorBoard) -> None:
    found = blocks(board, step=50, field=["linear", "magnitude"])
    for key, block in found.items():
        assert set(block) == {"direction", "matrix", "gate", "linear", "magnitude"}
        values = logged(50, *key).ravel()
        (linear,), (magnitude,) = block["linear"], block["magnitude"]
        edges = (linear["first_bin"] + np.arange(len(linear["counts"]) + 1)) * 2.0 ** linear["exponent"]
        expected = [int(((values >= low) & (values < high)).sum()) for low, high in itertools.pairwise(edges)]
        assert linear["counts"] == expected
        assert sum(expected) == values.size
        assert magnitude["zero"] == (values == 0).sum()
        for i, (negative, positive) in enumerate(zip(magnitude["negative"], magnitude["positive"], strict=True)):
            low = 2.0 ** (magnitude["first_exponent"] + i)
            assert positive == ((values >= low) & (values < 2 * low)).sum()
            assert negative == ((values >= -2 * low) & (values < -low)).sum()


def test_numbers_that_are_not_finite_are_counted_beside_the_rest(board: TensorBoard) -> None:
    found = blocks(board, quantity="output_gradient", field=["nan", "inf", "count", "maximum"])
    gradient = logs.records(50)[0].sequences["output_gradient"]
    for i, direction in enumerate(("forward", "backward")):
        channels = gradient[:, :, 256 * i : 256 * (i + 1)].astype(float)
        block = found[direction, "", ""]
        at = logs.STEPS.index(50)
        assert (block["nan"][at], block["inf"][at]) == (np.isnan(channels).sum(), np.isinf(channels).sum())
        assert block["count"][at] == channels.size
        assert block["maximum"][at] == pytest.approx(channels[np.isfinite(channels)].max(), rel=1e-6)


def test_each_run_answers_the_steps_that_it_has(board: TensorBoard) -> None:
    wanted: dict[str, Any] = {
        "run": ["small", "many", "directory"],
        "layer": "a/b",
        "quantity": "activation",
        "step": [3, 1099],
    }
    answer = board.get("statistics", **wanted, field="count").json
    assert [one["run"] for one in answer["statistics"]] == ["small", "many"]
    assert answer["statistics"][0]["steps"] == [3]
    # The loader may have sampled the third of 1100 steps away; the last is always kept.
    assert set(answer["statistics"][1]["steps"]) in ({3, 1099}, {1099})
    assert answer["statistics"][0]["blocks"] == [{"direction": "forward", "matrix": "", "gate": "", "count": [6]}]
    assert [one["run"] for one in answer["missing"]] == ["directory"]


def test_unknown_field_is_named(board: TensorBoard) -> None:
    answer = board.get("statistics", **WANTED, field="median")
    assert answer.status == 400
    assert answer.json["error"].startswith("field: expected some of count, nan, inf, ")
    assert answer.json["error"].endswith("got 'median'.")


def test_unchanged_statistics_are_a_304(board: TensorBoard) -> None:
    first = board.get("statistics", **WANTED)
    assert board.get("statistics", **WANTED, etag=first.headers["etag"]).status == 304
