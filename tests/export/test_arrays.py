"""The arrays of a step as an .npz, against what was logged."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.export.arrays import write_arrays
from tb_rnn_plugin.record import LayerRecord
from tests.logs import floats


def record(step: int, name: str = "encoder/gru") -> LayerRecord:
    kernel = floats(step + 1, 3, 12)
    return LayerRecord(
        name,
        cell="gru",
        units=4,
        sequences={"activation": floats(step, 3, 5, 4)},
        weights={"forward": {"kernel": kernel, "recurrent_kernel": floats(step, 4, 12), "bias": floats(step, 2, 12)}},
        framework="torch",
    )


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for step in (0, 10, 20):
        rnn_summary.write([record(step), record(step + 1, "decoder")], step, tmp_path / "sweep" / "lr=0.1, n")
    rnn_summary.write(record(7), 7, tmp_path / "other")
    rnn_summary.close()
    (tmp_path / "scalars").mkdir()
    (tmp_path / "scalars" / "events.out.tfevents.1.host").touch()
    return tmp_path


def test_every_array_has_its_name_and_is_what_was_logged(logs: Path, tmp_path: Path) -> None:
    output = tmp_path / "all.npz"
    assert write_arrays(logs, output) == {"other": 7, "sweep/lr=0.1, n": 20}
    with np.load(output) as found:
        names = {name for name in found if name.startswith("sweep/lr=0.1, n/encoder/gru/")}
        assert names == {
            f"sweep/lr=0.1, n/encoder/gru/{name}"
            for name in (
                "activation",
                "weights/forward/kernel",
                "weights/forward/recurrent_kernel",
                "weights/forward/bias",
            )
        }
        for run, step in (("sweep/lr=0.1, n", 20), ("other", 7)):
            wanted = record(step)
            assert (found[f"{run}/encoder/gru/activation"] == wanted.sequences["activation"]).all()
            for name, matrix in wanted.weights["forward"].items():
                assert (found[f"{run}/encoder/gru/weights/forward/{name}"] == matrix).all()
        facts = json.loads(str(found["metadata"]))
    assert set(facts) == set(np.load(output)) - {"metadata"}
    assert facts["other/encoder/gru/weights/forward/bias"] == {
        "run": "other",
        "layer": "encoder/gru",
        "step": 7,
        "quantity": "weights",
        "direction": "forward",
        "matrix": "bias",
        "cell": "gru",
        "units": 4,
        "directions": ["forward"],
        "gates": ["update", "reset", "candidate"],
        "framework": "torch",
    }


@pytest.mark.parametrize(("asked", "got"), [(0, 0), (4, 0), (5, 0), (6, 10), (99, 20)])
def test_the_nearest_step_is_taken_the_earlier_of_two(logs: Path, tmp_path: Path, asked: int, got: int) -> None:
    run = "sweep/lr=0.1, n"
    output = tmp_path / "one.npz"
    asked_for = {"layer": "decoder", "quantity": "activation"}
    assert write_arrays(logs, output, runs=[run], step=asked, samples=(2, 0), **asked_for) == {run: got}
    with np.load(tmp_path / "one.npz") as found:
        assert set(found) == {"metadata", f"{run}/decoder/activation"}
        assert (found[f"{run}/decoder/activation"] == record(got + 1).sequences["activation"][[2, 0]]).all()


def test_step_that_was_written_again_is_the_later_one(tmp_path: Path) -> None:
    for shift in (0, 100):
        rnn_summary.write(record(shift), 5, tmp_path)
    rnn_summary.close()
    write_arrays(tmp_path, tmp_path / "again.npz", step=5)
    with np.load(tmp_path / "again.npz") as found:
        # The directory itself is the run: names begin with the layer.
        assert (found["encoder/gru/activation"] == record(100).sequences["activation"]).all()


@pytest.mark.parametrize(("asked", "got"), [(None, 15), (0, 0), (6, 5), (8, 10), (20, 15), (40, 15)])
def test_what_a_restarted_job_overtook_is_left_out(tmp_path: Path, asked: int | None, got: int) -> None:
    for steps in ((0, 10, 20, 30), (5, 10, 15)):
        for step in steps:
            rnn_summary.write(record(step), step, tmp_path / "run")
        rnn_summary.close()
    assert write_arrays(tmp_path, tmp_path / "left.npz", step=asked) == {"run": got}


def test_samples_are_those_of_the_quantity(tmp_path: Path) -> None:
    sequences = {"activation": floats(0, 4, 5, 3), "bptt_gradient": floats(1, 2, 5, 3)}
    rnn_summary.write(LayerRecord("lstm", cell="lstm", units=3, sequences=sequences), 0, tmp_path / "run")
    rnn_summary.close()
    write_arrays(tmp_path, tmp_path / "one.npz", quantity="activation", samples=[3])
    with np.load(tmp_path / "one.npz") as found:
        assert (found["run/lstm/activation"] == sequences["activation"][[3]]).all()
    with pytest.raises(ValueError, match="the bptt_gradient of lstm has 2 kept samples; got 3"):
        write_arrays(tmp_path, tmp_path / "two.npz", samples=[3])


def test_no_array_takes_the_place_of_another(tmp_path: Path) -> None:
    for run, layer in (("a", "b/c"), ("a/b", "c")):
        rnn_summary.write(record(0, layer), 0, tmp_path / run)
    rnn_summary.close()
    with pytest.raises(ValueError, match="two arrays would be named 'a/b/c/activation'"):
        write_arrays(tmp_path, tmp_path / "both.npz")
    assert write_arrays(tmp_path, tmp_path / "one.npz", runs=["a"]) == {"a": 0}


def test_the_file_has_the_name_that_was_given(logs: Path, tmp_path: Path) -> None:
    write_arrays(logs, tmp_path / "ALL.NPZ")
    with np.load(tmp_path / "ALL.NPZ") as found:
        assert "metadata" in found


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"runs": ("nobody",)}, "has other, scalars, sweep/lr=0.1, n; got 'nobody'"),
        ({"runs": ("scalars",)}, "holds no RNN data"),
        ({"layer": "attic"}, "got 'attic'"),
        ({"quantity": "cell_state"}, "quantity: none of the runs has 'cell_state' there."),
        ({"samples": (3,)}, "has 3 kept samples; got 3"),
        ({"samples": (-1,)}, "has 3 kept samples; got -1"),
    ],
)
def test_what_there_is_not_is_refused(logs: Path, tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        write_arrays(logs, tmp_path / "none.npz", **changes)
    assert not (tmp_path / "none.npz").exists()
