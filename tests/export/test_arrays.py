"""The arrays of a step as an .npz, against what was logged."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.export.arrays import find_runs, write_arrays
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
    assert find_runs(tmp_path) == ["."]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"runs": ("nobody",)}, "has other, scalars, sweep/lr=0.1, n; got 'nobody'"),
        ({"runs": ("scalars",)}, "holds no RNN data"),
        ({"layer": "attic"}, "got 'attic'"),
        ({"quantity": "cell_state"}, "quantity: none of the runs has 'cell_state' there."),
        ({"samples": (3,)}, "has 3 kept samples; got 3"),
    ],
)
def test_what_there_is_not_is_refused(logs: Path, tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        write_arrays(logs, tmp_path / "none.npz", **changes)
    assert not (tmp_path / "none.npz").exists()
