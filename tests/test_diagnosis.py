"""Findings and scalars in the training loop: what `rnn_summary.write` hands over, when, and where."""

import dataclasses
import itertools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import diagnosis, rnn_summary
from tb_rnn_plugin.event_file import read_events
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.rnn_summary import Finding, Thresholds, TrainingStopped
from tests import logs
from tests.serving import TensorBoard
from tests.written_runs import changed, healthy

NAN_STEP = 6


def record(step: int) -> LayerRecord:
    one = healthy()
    if step < NAN_STEP:
        return one
    return changed(one, activation=np.full_like(one.sequences["activation"], np.nan))


def train(directory: Path, steps: int, on_finding: Callable[[Finding], object], **options: Any) -> None:
    for step in range(steps):
        rnn_summary.write(record(step), step, directory, on_finding=on_finding, **options)
        rnn_summary.flush()  # so that what was found does not depend on how fast the thread is


def test_a_finding_comes_once_with_the_next_call(tmp_path: Path) -> None:
    found: list[Finding] = []
    came: list[int] = []
    for step in range(12):
        before = len(found)
        rnn_summary.write(record(step), step, tmp_path, on_finding=found.append)
        rnn_summary.flush()
        came += [step] * (len(found) - before)
    (finding,) = found
    assert came == [NAN_STEP + 1]
    assert (finding.fault, finding.quantity, finding.since, finding.clean_until) == ("nan", "activation", 6, 5)
    assert str(finding) == "lstm: NaN since step 6, first in the activation, timestep 0."


def test_flush_hands_over_what_the_last_write_found(tmp_path: Path) -> None:
    found: list[Finding] = []
    train(tmp_path, NAN_STEP + 1, found.append)
    assert found == []
    rnn_summary.flush(tmp_path, on_finding=found.append)
    assert [one.fault for one in found] == ["nan"]
    rnn_summary.flush(tmp_path, on_finding=found.append)
    assert len(found) == 1


def test_findings_are_handed_over_on_the_thread_of_the_caller(tmp_path: Path) -> None:
    threads: list[int] = []
    train(tmp_path, 9, lambda _: threads.append(threading.get_ident()))
    assert threads == [threading.get_ident()]


def test_nothing_is_found_in_a_healthy_run(tmp_path: Path) -> None:
    found: list[Finding] = []
    for step in range(30):
        rnn_summary.write(healthy(), step, tmp_path, on_finding=found.append)
    rnn_summary.flush(tmp_path, on_finding=found.append)
    assert found == []


def test_stop_on_raises_with_the_reason(tmp_path: Path) -> None:
    found: list[Finding] = []
    with pytest.raises(TrainingStopped, match="lstm: NaN since step 6, first in the activation") as stopped:
        train(tmp_path, 20, found.append, stop_on={"nan", "exploding"})
    assert found == [stopped.value.finding]
    # The step at which it was raised is written too.
    assert [step for step, _ in rnn_summary.read(tmp_path)] == list(range(NAN_STEP + 2))


def test_a_fault_that_is_not_in_stop_on_stops_nothing(tmp_path: Path) -> None:
    found: list[Finding] = []
    train(tmp_path, 10, found.append, stop_on={"exploding"})
    assert [one.fault for one in found] == ["nan"]


def test_what_on_finding_raises_comes_out_of_write(tmp_path: Path) -> None:
    def complain(finding: Finding) -> None:
        raise KeyError(finding.fault)

    with pytest.raises(KeyError, match="nan"):
        train(tmp_path, 10, complain)


def test_a_finding_that_comes_back_comes_again(tmp_path: Path) -> None:
    found: list[Finding] = []
    came: list[int] = []
    gone = np.full((3, 20, 8), 0.3, np.float32)
    for step in range(60):
        sick = 10 <= step < 20 or step >= 40
        one = changed(healthy(), activation=gone) if sick else healthy()
        before = len(found)
        rnn_summary.write(one, step, tmp_path, on_finding=found.append)
        rnn_summary.flush()
        came += [step] * (len(found) - before)
    # A fault has to last for five steps, and one step in ten may fail to hold.
    first, second = came
    assert 14 < first <= 20
    assert second > 44


def test_a_finding_that_fails_to_hold_at_one_step_is_not_new_at_the_next(tmp_path: Path) -> None:
    found: list[Finding] = []
    gone = np.full((3, 20, 8), 0.3, np.float32)
    for step in range(50):
        one = healthy() if step in {30, 41} else changed(healthy(), activation=gone)
        rnn_summary.write(one, step, tmp_path, on_finding=found.append)
        rnn_summary.flush(tmp_path, on_finding=found.append)
    assert [(one.fault, one.since) for one in found] == [("dead_units", 0)]


def test_a_run_that_starts_over_forgets(tmp_path: Path) -> None:
    found: list[Finding] = []
    for _ in range(2):
        train(tmp_path, 9, found.append)
    assert [one.since for one in found] == [6, 6]


def test_many_steps_are_thinned_and_the_first_nan_is_not(tmp_path: Path) -> None:
    found: list[Finding] = []
    for step in range(450):
        one = healthy()
        if step == 3:
            one = changed(one, activation=np.full_like(one.sequences["activation"], np.nan))
        rnn_summary.write(one, step, tmp_path, on_finding=found.append)
    rnn_summary.flush(tmp_path, on_finding=found.append)
    assert [(one.fault, one.since, one.clean_until) for one in found] == [("nan", 3, 2)]


def test_thresholds_hold_in_the_loop(tmp_path: Path) -> None:
    found: list[Finding] = []
    for step in range(8):
        rnn_summary.write(healthy(), step, tmp_path, on_finding=found.append, thresholds=Thresholds(short_horizon=2))
    rnn_summary.flush(tmp_path, on_finding=found.append)
    assert [one.fault for one in found] == ["vanishing"]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"on_finding": 3}, TypeError, "on_finding: expected a function of a Finding, got int"),
        ({"stop_on": "nan"}, TypeError, "stop_on: expected a set of faults, got str"),
        ({"stop_on": {"bad luck"}}, ValueError, "stop_on: expected some of nan, exploding, .* got 'bad luck'"),
        ({"thresholds": 0.1}, TypeError, "thresholds: expected Thresholds, got float"),
    ],
)
def test_wrong_arguments(tmp_path: Path, given: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        rnn_summary.write(healthy(), 0, tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


def test_flush_needs_to_know_whose_findings() -> None:
    with pytest.raises(ValueError, match="on_finding: expected a writer with it"):
        rnn_summary.flush(on_finding=print)


def scalars(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag to steps and values, as TensorBoard's own scalars are stored."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(directory.iterdir()):
        for event in read_events(path):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    assert value.metadata.data_class == 1
                    assert not value.tensor.tensor_shape.dim
                    (number,) = np.frombuffer(value.tensor.tensor_content, "<f4").tolist()
                    found.setdefault(value.tag, []).append((event.step, number))
    return found


def test_chief_measures_are_scalars_too(tmp_path: Path) -> None:
    written = [dataclasses.replace(healthy(), name="a/lstm") for _ in range(3)]
    for step, one in enumerate(written):
        rnn_summary.write(one, 10 * step, tmp_path)
    rnn_summary.close()
    found = scalars(tmp_path)
    assert set(found) == {
        f"rnn/a/lstm/{measure}"
        for measure in (
            "gradient_horizon",
            "vanished_timesteps",
            "nonfinite",
            "dead_units",
            "saturated",
            "update_ratio",
        )
    }
    assert found["rnn/a/lstm/nonfinite"] == [(0, 0), (10, 0), (20, 0)]
    ratios = [
        max(
            float(np.linalg.norm(new - old) / np.linalg.norm(old)) / 10
            for new, old in (
                (after.weights["forward"][matrix], before.weights["forward"][matrix])
                for matrix in ("kernel", "recurrent_kernel")
            )
        )
        for before, after in itertools.pairwise(written)
    ]
    steps, values = zip(*found["rnn/a/lstm/update_ratio"], strict=True)
    assert steps == (10, 20)
    assert list(values) == pytest.approx(ratios, rel=1e-4)


def test_scalars_can_be_turned_off(tmp_path: Path) -> None:
    rnn_summary.write(healthy(), 0, tmp_path, scalars=False)
    rnn_summary.close()
    assert scalars(tmp_path) == {}


def test_a_writer_of_the_users_own_is_diagnosed_as_one_run() -> None:
    class Writer:
        pass

    first, second = Writer(), Writer()
    assert diagnosis.of_writer(first) is diagnosis.of_writer(first)
    assert diagnosis.of_writer(first) is not diagnosis.of_writer(second)


@pytest.mark.parametrize("run", ["directory", "tensorflow", "torch"])
def test_scalars_are_in_time_series_whoever_wrote_them(board: TensorBoard, logdir: Path, run: str) -> None:
    if not (logdir / run).exists():
        pytest.skip(f"{run} is not installed")
    tag = f"rnn/{logs.LAYER}/nonfinite"
    data = board.get("/data/plugin/scalars/scalars", run=run, tag=tag).json
    # A NaN and an Inf at every step; see tests/logs.py.
    assert [(step, value) for _, step, value in data] == [(step, 2) for step in logs.STEPS]
