"""The routes of the overview, over HTTP and under both loaders."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tb_rnn_plugin.diagnostics.thresholds import ADJUSTABLE
from tb_rnn_plugin.record import LayerRecord
from tests import serving, sick_logs
from tests.serving import Answer, TensorBoard, wait_for
from tests.written_runs import TIMESTEPS, UNITS

LAYER = "encoder/lstm"
LAST = sick_logs.STEPS[-1]
Written = dict[str, dict[int, LayerRecord]]


@pytest.fixture(scope="module")
def sick_logdir(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Written]:
    directory = tmp_path_factory.mktemp("sick") / "logs"
    return directory, sick_logs.write(directory)


@pytest.fixture(scope="module")
def written(sick_logdir: tuple[Path, Written]) -> Written:
    return sick_logdir[1]


@pytest.fixture(scope="module")
def sick_board(sick_logdir: tuple[Path, Written], loader: str) -> Iterator[TensorBoard]:
    with serving.tensorboard(sick_logdir[0], loader) as board:
        wait_for("all runs", lambda: all(board.last_step(run) == LAST for run in ("healthy", "sick")))
        yield board


def health(board: TensorBoard, **parameters: Any) -> Any:
    answer = board.get("health", **parameters)
    assert answer.status == 200, answer
    return answer.json


def layer_of(content: Any, run: str) -> Any:
    return next(one for one in content["runs"] if one["run"] == run)["layers"][0]


def measure(layer: Any, name: str, **place: str) -> Any:
    (found,) = [
        one for one in layer["measures"] if one["measure"] == name and all(one[k] == v for k, v in place.items())
    ]
    return found


class TestHealth:
    def test_a_healthy_run_has_no_alarm(self, sick_board: TensorBoard) -> None:
        content = health(sick_board, run="healthy")
        assert content["findings"] == []
        layer = layer_of(content, "healthy")
        assert (layer["layer"], layer["cell"], layer["units"]) == (LAYER, "lstm", UNITS)
        assert (layer["severity"], layer["timesteps"], layer["last_step"]) == ("ok", TIMESTEPS, LAST)
        cells = {name: layer["measures"][place] for name, place in layer["cells"].items()}
        assert set(cells) == {column["measure"] for column in content["columns"]}
        assert [one["measure"] for one in layer["absent"]] == ["gradient_growth"]
        assert cells["dead_units"]["text"] == "0 of 8"
        assert cells["nonfinite"]["text"] == "0"
        assert cells["gradient_horizon"]["of"] == TIMESTEPS - 1

    def test_a_sick_run_says_what_where_and_since_when(self, sick_board: TensorBoard) -> None:
        content = health(sick_board, run="sick")
        vanishing, nan = content["findings"]
        assert (vanishing["fault"], vanishing["direction"], vanishing["since"]) == ("vanishing", "backward", 0)
        assert (vanishing["run"], vanishing["layer"], vanishing["until"]) == ("sick", LAYER, LAST)
        assert (nan["fault"], nan["gate"], nan["direction"], nan["timestep"]) == ("nan", "forget", "forward", 7)
        assert (nan["since"], nan["clean_until"]) == (sick_logs.NAN_STEP, sick_logs.NAN_STEP - 1)
        assert nan["link"] == {
            "view": "heatmap",
            "run": "sick",
            "layer": LAYER,
            "quantity": "gate/forget",
            "step": sick_logs.NAN_STEP,
        }
        layer = layer_of(content, "sick")
        assert layer["severity"] == "error"
        shown = layer["measures"][layer["cells"]["gradient_horizon"]]
        assert (shown["direction"], shown["text"], shown["severity"]) == ("backward", "1 of 19", "error")
        assert content["findings"][shown["finding"]] == vanishing
        shown = layer["measures"][layer["cells"]["nonfinite"]]
        # One of 3 x 20 x 16 numbers.
        assert (shown["quantity"], shown["text"], shown["severity"]) == ("gate/forget", "1 of 960", "error")

    def test_a_series_is_thinned_and_its_numbers_are_those_written(
        self, sick_board: TensorBoard, written: Written
    ) -> None:
        layer = layer_of(health(sick_board, run="healthy"), "healthy")
        norms = measure(layer, "weight_norm", matrix="kernel", direction="backward")
        assert len(norms["steps"]) == 200
        assert (norms["steps"][0], norms["steps"][-1]) == (0, LAST)
        for step, value in zip(norms["steps"], norms["values"], strict=True):
            kernel = written["healthy"][step].weights["backward"]["kernel"]
            assert value == pytest.approx(float(np.linalg.norm(kernel)), rel=1e-5)
        updates = measure(layer, "update_ratio", matrix="kernel", direction="forward")
        kernels = [written["healthy"][step].weights["forward"]["kernel"] for step in (LAST - 1, LAST)]
        expected = float(np.linalg.norm(kernels[1] - kernels[0]) / np.linalg.norm(kernels[0]))
        assert updates["latest"] == pytest.approx(expected, rel=1e-4)
        assert updates["values"][0] is None

    def test_runs_are_judged_together(self, sick_board: TensorBoard) -> None:
        content = health(sick_board, run=["healthy", "sick", "none"])
        assert [one["run"] for one in content["runs"]] == ["healthy", "sick"]
        assert {one["run"] for one in content["findings"]} == {"sick"}
        assert [one["run"] for one in content["missing"]] == ["none"]

    def test_a_loss_is_found_in_the_run_or_in_train_below_it(self, sick_board: TensorBoard) -> None:
        runs = {one["run"]: one for one in health(sick_board, run=["healthy", "sick"])["runs"]}
        assert runs["sick"]["loss"] is None
        loss = runs["healthy"]["loss"]
        assert (loss["run"], loss["tag"], loss["steps"]) == ("healthy/train", "epoch_loss", [0, 10])
        assert loss["values"] == pytest.approx([1, 1 / 11])

    def test_what_is_absent_says_why(self, sick_board: TensorBoard) -> None:
        content = health(sick_board, run="other")
        (layer,) = content["runs"][0]["layers"]
        assert set(layer["cells"]) == {"nonfinite"}
        absent = {one["measure"]: one["reason"] for one in layer["absent"]}
        assert absent["gradient_horizon"] == "only recurrent layers have a gradient through time."
        assert absent["dead_units"] == "only recurrent layers are measured so."

    def test_every_measure_is_there_or_says_why(self, sick_board: TensorBoard) -> None:
        content = health(sick_board, run=["healthy", "sick", "other"])
        kinds = {one["measure"]: one for one in content["kinds"]}
        assert {column["measure"] for column in content["columns"]} < set(kinds)
        assert all(one["title"] and one["unit"] and one["meaning"] and one["misleads"] for one in kinds.values())
        for run in content["runs"]:
            for layer in run["layers"]:
                there = {one["measure"] for one in layer["measures"]}
                absent = {one["measure"]: one["reason"] for one in layer["absent"]}
                assert there | set(absent) == set(kinds)
                assert all(absent.values())

    def test_thresholds_can_be_set(self, sick_board: TensorBoard) -> None:
        content = health(sick_board, run="sick", short_horizon="0.001", limited_horizon="0.001", vanished_timesteps="1")
        assert [one["fault"] for one in content["findings"]] == ["nan"]
        values = {one["name"]: one for one in content["thresholds"]}
        assert (values["short_horizon"]["value"], values["short_horizon"]["default"]) == (0.001, 0.1)
        assert {name for name, one in values.items() if one["adjustable"]} == set(ADJUSTABLE)
        assert all(one["meaning"] and one["source"] for one in values.values())

    def test_only_some_layers(self, sick_board: TensorBoard) -> None:
        assert len(health(sick_board, run="sick", layer=LAYER)["runs"][0]["layers"]) == 1
        answer = sick_board.get("health", run="sick", layer="none")
        assert answer.status == 404
        assert "no such layer" in answer.json["error"]

    def test_an_unchanged_answer_is_a_304(self, sick_board: TensorBoard) -> None:
        first = sick_board.get("health", run="sick")
        again = sick_board.get("health", run="sick", etag=first.headers["etag"])
        assert (again.status, again.body) == (304, b"")
        assert sick_board.get("health", run="sick", fast_update=3, etag=first.headers["etag"]).status == 200

    @pytest.mark.parametrize(
        ("parameters", "status", "message"),
        [
            ({}, 400, "run: expected at least one, got none."),
            ({"run": "none"}, 404, "there is no run 'none' with RNN data."),
            ({"run": "sick", "short_horizon": "much"}, 400, "short_horizon: expected a number, got 'much'."),
            ({"run": "sick", "short_horizon": "-1"}, 400, "short_horizon: expected a finite number above 0, got -1.0."),
            ({"run": "sick", "short_horizon": "nan"}, 400, "short_horizon: expected a finite number above 0, got nan."),
            ({"run": "sick", "gate_low": "0.2"}, 400, "gate_low: this threshold was applied when"),
            ({"run": "sick", "unknown": "1"}, 400, "unknown: there is no such threshold"),
            ({"run": [str(i) for i in range(65)]}, 400, "run: expected at most 64, got 65."),
        ],
    )
    def test_errors(self, sick_board: TensorBoard, parameters: dict[str, Any], status: int, message: str) -> None:
        answer = sick_board.get("health", **parameters)
        assert answer.status == status
        assert answer.json["error"].startswith(message)


PROFILES: dict[str, Any] = {"run": "healthy", "layer": LAYER, "quantity": "bptt_gradient"}


def profiles(answer: Answer) -> tuple[list[tuple[dict[str, Any], npt.NDArray[np.float32]]], list[dict[str, Any]]]:
    """What http_api.md says of the bytes, taken apart without the plugin's code."""
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "application/octet-stream"
    start = 4 + int.from_bytes(answer.body[:4], "little")
    assert start % 8 == 0
    head = json.loads(answer.body[4:start])
    found = []
    for one in head["profiles"]:
        assert one["offset"] % 8 == 0
        first = start + one["offset"]
        array = np.frombuffer(answer.body[first : first + one["bytes"]], "<f4")
        found.append((one, array.reshape(one["shape"])))
    return found, head["missing"]


def norms(record: LayerRecord, direction: str) -> npt.NDArray[np.float64]:
    """(samples, timesteps), in float64."""
    channels = record.sequences["bptt_gradient"][:, :, record.channels(direction, "bptt_gradient")]
    return np.asarray(np.sqrt(np.square(channels.astype(np.float64)).sum(axis=2)))


class TestProfiles:
    def test_of_every_step_and_direction(self, sick_board: TensorBoard, written: Written) -> None:
        found, missing = profiles(sick_board.get("profiles", **PROFILES))
        assert missing == []
        assert [one["direction"] for one, _ in found] == ["forward", "backward"]
        for one, array in found:
            assert one["steps"] == list(sick_logs.STEPS)
            assert one["timesteps"] == [TIMESTEPS] * len(sick_logs.STEPS)
            assert (one["shape"], set(one["blocks"])) == ([len(sick_logs.STEPS), TIMESTEPS], {1})
            for step, row in zip(one["steps"], array, strict=True):
                expected = norms(written["healthy"][step], one["direction"]).mean(axis=0)
                assert row == pytest.approx(expected, rel=1e-5)
            assert (one["least"], one["largest"]) == (array.min(), array.max())

    def test_of_a_quantile_a_direction_and_few_steps(self, sick_board: TensorBoard, written: Written) -> None:
        answer = sick_board.get("profiles", **PROFILES, direction="backward", statistic="0.9", max_steps=7)
        ((one, array),) = profiles(answer)[0]
        assert (len(one["steps"]), one["steps"][0], one["steps"][-1]) == (7, 0, LAST)
        for step, row in zip(one["steps"], array, strict=True):
            expected = np.quantile(norms(written["healthy"][step], "backward"), 0.9, axis=0)
            assert row == pytest.approx(expected, rel=1e-5)

    def test_of_several_runs(self, sick_board: TensorBoard) -> None:
        found, missing = profiles(sick_board.get("profiles", **{**PROFILES, "run": ["healthy", "none", "sick"]}))
        assert [one["run"] for one, _ in found] == ["healthy", "healthy", "sick", "sick"]
        assert [one["run"] for one in missing] == ["none"]

    def test_an_unchanged_answer_is_a_304(self, sick_board: TensorBoard) -> None:
        first = sick_board.get("profiles", **PROFILES)
        assert sick_board.get("profiles", **PROFILES, etag=first.headers["etag"]).status == 304
        assert sick_board.get("profiles", **PROFILES, max_steps=9, etag=first.headers["etag"]).status == 200

    @pytest.mark.parametrize(
        ("parameters", "status", "message"),
        [
            ({"quantity": "weights"}, 404, "run 'healthy', layer 'encoder/lstm', quantity 'weights' has no timesteps"),
            ({"direction": "sideways"}, 404, "direction: run 'healthy', "),
            ({"statistic": "0.3"}, 400, "statistic: expected one of mean, 0.1, 0.5, 0.9, got '0.3'."),
            ({"max_steps": "1"}, 400, "max_steps: expected 2 to 1000, got 1."),
            ({"layer": "none"}, 404, "there is no run 'healthy', layer 'none'"),
        ],
    )
    def test_errors(self, sick_board: TensorBoard, parameters: dict[str, Any], status: int, message: str) -> None:
        answer = sick_board.get("profiles", **{**PROFILES, **parameters})
        assert answer.status == status
        assert answer.json["error"].startswith(message)
