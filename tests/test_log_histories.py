"""Histories read from event files: what restarts and several writers leave in them."""

from pathlib import Path

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.diagnostics.thresholds import DEFAULT
from tb_rnn_plugin.log_histories import layer_histories, run_directories
from tests.written_runs import healthy


def test_runs_are_named_as_tensorboard_names_them(tmp_path: Path) -> None:
    for run in ("a", "b/c"):
        rnn_summary.write(healthy(), 0, tmp_path / run)
    rnn_summary.close()
    (tmp_path / "empty").mkdir()
    assert run_directories(tmp_path) == {"a": tmp_path / "a", "b/c": tmp_path / "b/c"}
    assert run_directories(tmp_path / "a") == {".": tmp_path / "a"}


def test_a_run_below_may_be_named_as_event_files_are(tmp_path: Path) -> None:
    for run in (tmp_path, tmp_path / "tfevents"):
        rnn_summary.write(healthy(), 0, run)
    rnn_summary.close()
    for run in run_directories(tmp_path).values():
        assert len(layer_histories(run, DEFAULT)) == len(list(rnn_summary.read(run))) == 1


def test_layers_come_in_model_order(tmp_path: Path) -> None:
    rnn_summary.write([healthy("second"), healthy("first")], 0, tmp_path)
    rnn_summary.close()
    assert [one.layer.name for one in layer_histories(tmp_path, DEFAULT)] == ["second", "first"]


def test_a_restarted_job_overtakes_what_it_wrote_before(tmp_path: Path) -> None:
    for steps in (range(0, 60, 10), range(30, 50, 10)):
        for step in steps:
            rnn_summary.write(healthy(), step, tmp_path)
        rnn_summary.close()
    (history,) = layer_histories(tmp_path, DEFAULT)
    assert history.quantities["weights"].steps.tolist() == [0, 10, 20, 30, 40]
