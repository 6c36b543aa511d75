"""What is written comes back through TensorBoard bit for bit, whichever writer wrote it, whichever loader reads it."""

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin.encoding import quantities
from tb_rnn_plugin.record import MATRIX_QUANTITIES
from tests import logs
from tests.serving import Answer, TensorBoard, decoded, wait_for

WRITERS = [
    pytest.param("directory"),
    *(
        pytest.param(
            name,
            marks=[getattr(pytest.mark, name), pytest.mark.skipif(not importlib.util.find_spec(name), reason=name)],
        )
        for name in ("tensorflow", "torch")
    ),
]


@pytest.mark.parametrize("writer", WRITERS)
def test_the_index_has_everything(board: TensorBoard, writer: str) -> None:
    layers = board.index()[writer]["layers"]
    assert [layer["layer"] for layer in layers] == [record.name for record in logs.records(0)]
    for layer, record in zip(layers, logs.records(0), strict=True):
        assert {name: layer[name] for name in ("cell", "units", "framework")} == {
            "cell": record.cell,
            "units": record.units,
            "framework": record.framework,
        }
        assert (layer["directions"], layer["gates"]) == (list(record.directions), list(record.gates))
        found = [(one["quantity"], one["kind"], one["last_step"]) for one in layer["quantities"]]
        kinds = [(name, "matrices" if name in MATRIX_QUANTITIES else "sequence", 100) for name in quantities(record)]
        assert found == kinds


@pytest.mark.parametrize("writer", WRITERS)
def test_the_series_have_every_step(board: TensorBoard, writer: str) -> None:
    for layer, record in enumerate(logs.records(0)):
        for quantity in quantities(record):
            series = board.series(writer, record.name, quantity)
            assert series["steps"] == series["array_steps"] == list(logs.STEPS)
            assert series["wall_times"] == sorted(series["wall_times"])
            if quantity in MATRIX_QUANTITIES:
                assert (series["shapes"], series["samples_kept"]) == (None, None)
                continue
            arrays = [logs.records(step)[layer].sequences[quantity] for step in logs.STEPS]
            assert series["shapes"] == [list(array.shape) for array in arrays]
            assert series["samples_kept"] == [len(array) for array in arrays]
            assert series["nan"] == [int(np.isnan(array).sum()) for array in arrays]
            assert series["inf"] == [int(np.isinf(array).sum()) for array in arrays]
            largest = [float(np.abs(array[np.isfinite(array)]).max()) for array in arrays]
            assert series["largest"] == pytest.approx(largest, rel=1e-7)
            assert "-0.0" not in json.dumps(series["largest"])


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("step", logs.STEPS)
def test_the_arrays_are_equal_bit_for_bit(board: TensorBoard, writer: str, step: int) -> None:
    for record in logs.records(step):
        for quantity, array in record.sequences.items():
            found = board.arrays(run=writer, layer=record.name, quantity=quantity, step=step)
            assert [one.info["sample"] for one in found] == list(range(len(array)))
            assert b"".join(one.data for one in found) == array.tobytes()
        if record.weights:
            found = board.arrays(run=writer, layer=record.name, quantity="weights", step=step)
            matrices = {f"{d}/{name}": a for d, by_name in record.weights.items() for name, a in by_name.items()}
            assert {one.info["matrix"]: one.data for one in found} == {k: a.tobytes() for k, a in matrices.items()}


@pytest.mark.parametrize("writer", WRITERS[1:])
def test_the_users_scalars_in_the_same_file_are_served(board: TensorBoard, writer: str) -> None:
    points = board.get("/data/plugin/scalars/scalars", run=writer, tag="loss").json
    assert [point[1:] for point in points] == [[step, step / 4] for step in logs.STEPS]


def test_a_restarted_job_replaces_what_it_overtakes(board: TensorBoard) -> None:
    series = board.series("restarted", "a/b", "activation")
    assert series["steps"] == series["array_steps"] == [0, 10, 20]
    assert board.last_step("restarted") == 20
    for step, shift in ((0, 1), (10, 1000), (20, 1000)):
        (array,) = board.arrays(run="restarted", layer="a/b", quantity="activation", step=step)
        expected = logs.small(step, shift).sequences["activation"][0]
        assert np.array_equal(array.values, expected), step
    overtaken = board.get("arrays", run="restarted", layer="a/b", quantity="activation", step=30)
    assert overtaken.status == 404


def test_nothing_is_left_of_what_a_job_overtook_that_tensorboard_was_not_told_of(board: TensorBoard) -> None:
    run = "restarted beside scalars"
    wait_for(run, lambda: board.series(run, "a/b", "activation")["steps"] == [0, 10, 15])
    series = board.series(run, "a/b", "activation")
    # Of a step that was written twice the Python loader gives the arrays of the first time only.
    assert series["array_steps"] == ([0, 10, 15] if board.loader == "rust" else [0, 15])
    for step, shift in ((0, 1), (15, 1000)):
        (array,) = board.arrays(run=run, layer="a/b", quantity="activation", step=step)
        assert np.array_equal(array.values, logs.small(step, shift).sequences["activation"][0]), step


@pytest.mark.parametrize("name", logs.ODD_NAMES)
def test_arrays_of_any_layer_are_served(board: TensorBoard, name: str) -> None:
    wanted: dict[str, Any] = {"run": "odd names", "layer": name, "quantity": 'the "y"'}
    wait_for(name, lambda: board.get("series", **wanted).status == 200)
    (array,) = board.arrays(**wanted, step=logs.LARGEST_STEP)
    assert np.array_equal(array.values, logs.floats(len(name), 1, 2, 3)[0])


def test_a_step_that_is_written_again_while_tensorboard_runs(board: TensorBoard, logdir: Path) -> None:
    run = f"written again, {board.loader}"
    logs.write_small(logdir / run, range(3))
    wait_for(run, lambda: board.last_step(run) == 2)
    wanted: dict[str, Any] = {"run": run, "layer": "a/b", "quantity": "activation", "step": 2}
    before = wait_for("arrays", lambda: (found := board.get("arrays", **wanted)).status == 200 and found)
    assert board.get("arrays", **wanted, etag=before.headers["etag"]).status == 304

    logs.write_small(logdir / run, range(2, 3), shift=100.0)
    # For up to a second new numbers may still come under the old ETag: what a series has is asked for once a second.

    def rewritten() -> Answer | None:
        answer = board.get("arrays", **wanted)
        return answer if answer.headers["etag"] != before.headers["etag"] else None

    after = wait_for("the new ones", rewritten)
    ((array,), _) = decoded(after)
    assert np.array_equal(array.values, logs.small(2, 100.0).sequences["activation"][0])
    assert board.get("arrays", **wanted, etag=before.headers["etag"]).status == 200


def test_a_run_that_is_deleted_and_written_anew_while_tensorboard_runs(board: TensorBoard, logdir: Path) -> None:
    if board.loader == "python" and not importlib.util.find_spec("tensorflow"):
        pytest.skip("without TensorFlow TensorBoard's Python loader never leaves a file that was deleted")
    run = f"written anew, {board.loader}"
    logs.write_small(logdir / run, range(3))
    wait_for(run, lambda: board.last_step(run) == 2)
    wanted: dict[str, Any] = {"run": run, "layer": "a/b", "quantity": "activation", "step": 1}
    before = wait_for("arrays", lambda: (found := board.get("arrays", **wanted)).status == 200 and found)

    shutil.rmtree(logdir / run)
    logs.write_small(logdir / run, range(2), shift=100.0)
    wait_for("the new steps alone", lambda: board.last_step(run) == 1)
    series = board.series(run, "a/b", "activation")
    assert series["steps"] == series["array_steps"] == [0, 1]
    after = board.get("arrays", **wanted, etag=before.headers["etag"])
    ((array,), _) = decoded(after)
    assert np.array_equal(array.values, logs.small(1, 100.0).sequences["activation"][0])


def test_the_default_caps(board: TensorBoard) -> None:
    small = board.series("small", "a/b", "activation")
    assert small["steps"] == list(range(12))
    assert len(small["array_steps"]) == 4
    assert small["array_steps"][-1] == 11
    many = board.series("many", "a/b", "activation")
    assert len(many["steps"]) == 1000
    assert many["steps"][-1] == many["array_steps"][-1] == 1099


def test_the_users_own_caps_win(flagged_board: TensorBoard) -> None:
    answer = flagged_board.get("/static/data/data/plugin/rnn/series", run=".", layer="a/b", quantity="activation")
    (series,) = answer.json["series"]
    assert len(series["steps"]) == 5
    assert series["array_steps"] == list(range(12))
