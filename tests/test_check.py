"""`python -m tb_rnn_plugin check`: its table, its JSON, its exit status."""

import json
from pathlib import Path
from typing import Any

import pytest

from tb_rnn_plugin.__main__ import main
from tests import sick_logs

LAYER = "encoder/lstm"


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("check") / "logs"
    sick_logs.write(directory)
    return directory


def checked(logdir: Path, *arguments: str) -> int:
    return main(["check", str(logdir), *arguments])


def test_a_healthy_run_passes(logdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(logdir, "--run", "healthy") == 0
    header, row, _, verdict = capsys.readouterr().out.splitlines()
    assert header.split("  ")[0] == "run / layer"
    assert row.startswith(f"healthy / {LAYER}  ")
    assert verdict == "Nothing found."


def test_a_sick_run_fails_and_says_why(logdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(logdir) == 1
    text = capsys.readouterr().out
    assert f"error: sick / {LAYER}: in the backward direction, the gradient reaches 1 of 19 steps back" in text
    assert "NaN since step 150, first in the forget gate, forward direction, timestep 7." in text
    assert "– gradient horizon: only recurrent layers have a gradient through time." in text
    assert [line.split("  ")[0] for line in text.splitlines()[1:4]] == [
        f"healthy / {LAYER}",
        "other / dense",
        f"sick / {LAYER}",
    ]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--run", "healthy", "--severity", "note"], 0),
        (["--run", "sick", "--severity", "error"], 1),
        (["--run", "sick", "--severity", "never"], 0),
        (["--run", "healthy", "--threshold", "short_horizon=2"], 1),
        (["--run", "healthy", "--run", "sick"], 1),
    ],
)
def test_what_fails_can_be_chosen(logdir: Path, arguments: list[str], status: int) -> None:
    assert checked(logdir, *arguments) == status


def test_json(logdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(logdir, "--run", "sick", "--json") == 1
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    (layer,) = content["layers"]
    assert (layer["run"], layer["layer"], layer["severity"]) == ("sick", LAYER, "error")
    dead = next(one for one in layer["measures"] if one["measure"] == "dead_units" and one["direction"] == "forward")
    assert (dead["value"], dead["of"], dead["text"], dead["step"]) == (0, 8, "0 of 8", sick_logs.STEPS[-1])
    assert [(one["fault"], one["since"]) for one in content["findings"]] == [("vanishing", 0), ("nan", 150)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run", "none"], "check: --run: expected some of healthy, healthy/train, other, sick; got none."),
        (["--run", "healthy/train"], "check: --run: healthy/train holds no RNN data."),
        (["--threshold", "short_horizon"], "check: --threshold: expected NAME=VALUE, got 'short_horizon'."),
        (["--threshold", "gate_low=1"], "check: gate_low: this threshold was applied when the numbers were written"),
    ],
)
def test_errors(logdir: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert checked(logdir, *arguments) == 2
    assert capsys.readouterr().err.startswith(message)


def test_there_has_to_be_something(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(tmp_path) == 2
    assert "holds no RNN data" in capsys.readouterr().err
    assert checked(tmp_path / "none") == 2
    assert "is not a directory" in capsys.readouterr().err
