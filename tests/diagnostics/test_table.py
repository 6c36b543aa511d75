"""Rows of the overview's table: their words, their verdicts, and which of several is shown."""

import dataclasses

import numpy as np
import pytest

from tb_rnn_plugin import cells
from tb_rnn_plugin.diagnostics.absences import absence
from tb_rnn_plugin.diagnostics.catalogue import COLUMNS, KINDS
from tb_rnn_plugin.diagnostics.judge import judge
from tb_rnn_plugin.diagnostics.table import Row, row, rows, worst_severity
from tb_rnn_plugin.diagnostics.thresholds import DEFAULT
from tb_rnn_plugin.record import LayerRecord
from tests.written_runs import TIMESTEPS, UNITS, changed, healthy, histories, normal

BOTH = (cells.FORWARD, cells.BACKWARD)


def table(*records: LayerRecord) -> list[Row]:
    (history,) = histories([(10 * step, [record]) for step, record in enumerate(records)])
    return rows(history, judge([history], DEFAULT))


def shown(column: str, *records: LayerRecord) -> Row:
    measures = table(*records)
    place = row(column, measures)
    assert place is not None
    return measures[place]


def test_words_of_a_healthy_layer() -> None:
    records = [healthy() for _ in range(8)]
    texts = {column: shown(column, *records).text for column in COLUMNS}
    assert texts.pop("update_ratio").endswith("e-5")  # for a step, of which ten lie between two writes
    assert texts == {
        "gradient_horizon": "19 of 19",
        "vanished_timesteps": "0%",
        "gradient_half_life": "not exponential",
        "nonfinite": "0",
        "dead_units": "0 of 8",
        "saturated": "0%",
    }


def test_a_rank_is_shown_with_the_number_of_observations() -> None:
    (one,) = [one for one in table(healthy()) if one.key.measure == "effective_rank"]
    assert one.text.endswith(f" of {UNITS} (N = {3 * TIMESTEPS})")
    assert one.severity == ""


def test_the_worst_direction_is_shown() -> None:
    activation = np.tanh(normal(3, TIMESTEPS, 2 * UNITS))
    activation[:, :, UNITS : UNITS + 3] = 0
    records = [changed(healthy(directions=BOTH), activation=activation) for _ in range(6)]
    one = shown("dead_units", *records)
    assert (one.key.direction, one.text, one.severity, one.finding) == ("backward", "3 of 8", "warning", 0)


def test_of_directions_without_a_fault_the_shorter_horizon_is_shown() -> None:
    gradient = np.zeros((2, TIMESTEPS, 2 * UNITS), np.float32)
    gradient[:, 3:, :UNITS] = 1
    gradient[:, :, UNITS:] = 1
    one = shown("gradient_horizon", *[changed(healthy(directions=BOTH), bptt_gradient=gradient) for _ in range(6)])
    assert (one.key.direction, one.text, one.severity) == ("forward", "16 of 19", "ok")


@pytest.mark.parametrize(("direct", "severity"), [(slice(None), ""), (slice(-1, None), "ok")])
def test_a_long_horizon_says_nothing_where_every_timestep_has_a_gradient_of_its_own(
    direct: slice, severity: str
) -> None:
    output = np.zeros((3, TIMESTEPS, UNITS), np.float32)
    output[:, direct] = 1
    records = [changed(healthy(), output_gradient=output) for _ in range(6)]
    assert shown("gradient_horizon", *records).severity == severity


def test_a_loss_at_the_last_of_many_timesteps_is_direct_at_one() -> None:
    """A profile of more than 256 timesteps is thinned: its points stand for several."""
    gradient = np.ones((1, 300, UNITS), np.float32)
    output = np.zeros_like(gradient)
    output[:, -1] = 1
    sequences = {"bptt_gradient": gradient, "output_gradient": output}
    records = [LayerRecord("l", cell="rnn", units=UNITS, sequences=sequences) for _ in range(6)]
    assert shown("gradient_horizon", *records).severity == "ok"


def test_a_saturated_gate_marks_its_column() -> None:
    shut = np.full((3, TIMESTEPS, UNITS), 0.02, np.float32)
    one = shown("saturated", *[changed(healthy(), gate__output=shut) for _ in range(6)])
    assert (one.key.gate, one.text, one.severity) == ("output", "100%", "warning")


def test_the_severity_of_a_layer_is_its_worst() -> None:
    (history,) = histories([(step, [healthy()]) for step in range(6)])
    assert worst_severity(judge([history], DEFAULT), "", "lstm") == "ok"
    shut = np.full((3, TIMESTEPS, UNITS), 0.02, np.float32)
    (history,) = histories([(step, [changed(healthy(), gate__output=shut)]) for step in range(6)])
    assert worst_severity(judge([history], DEFAULT), "", "lstm") == "warning"


@pytest.mark.parametrize(
    ("column", "record", "reason"),
    [
        ("gradient_horizon", LayerRecord("l", cell="rnn", units=2, sequences={"output_gradient": np.ones((1, 9, 2))}),
         "the gradient through time was not recorded"),
        ("gradient_horizon", LayerRecord("l", cell="rnn", units=2, sequences={"bptt_gradient": np.ones((1, 1, 2))}),
         "there is one timestep only."),
        ("gradient_horizon", LayerRecord("l", cell="rnn", units=2, sequences={"bptt_gradient": np.zeros((1, 5, 2))}),
         "the gradient is zero at every timestep, or not finite at some."),
        ("saturated", healthy(cell="rnn"), "a plain RNN has no gates."),
        ("saturated", LayerRecord("l", cell="gru", units=2, sequences={"activation": np.ones((1, 9, 2))}),
         "the gates were not recorded"),
        ("update_ratio", healthy(), "it needs two writes."),
        ("update_ratio", LayerRecord("l", cell="gru", units=2, sequences={"activation": np.ones((1, 9, 2))}),
         "the weights were not recorded."),
        ("dead_units", LayerRecord("l", cell="rnn", units=2, sequences={"output_gradient": np.ones((1, 9, 2))}),
         "the activation was not recorded."),
        ("dead_units", LayerRecord("l", sequences={"activation": np.ones((1, 9, 2))}),
         "only recurrent layers are measured so."),
    ],
)  # fmt: skip
def test_what_is_absent_has_a_reason(column: str, record: LayerRecord, reason: str) -> None:
    (history,) = histories([(0, [record])])
    assert row(column, rows(history, [])) is None
    assert absence(column, history).startswith(reason)


WIDE = LayerRecord(
    "l",
    cell="rnn",
    units=1025,
    sequences={"activation": np.ones((1, 2, 1025), np.float32)},
    weights={"forward": {"recurrent_kernel": np.eye(1025, dtype=np.float32)}},
)


@pytest.mark.parametrize(
    ("measure", "record", "reason"),
    [
        ("first_over_last", healthy(), None),
        ("first_over_last", LayerRecord("l", cell="rnn", units=2, sequences={"bptt_gradient": np.zeros((1, 5, 2))}),
         "the gradient is zero at every timestep, or not finite at some."),
        ("gradient_growth", healthy(), "it needs the output gradient too, which was not recorded."),
        ("gradient_growth", LayerRecord("l", sequences={"activation": np.ones((1, 9, 2))}),
         "only recurrent layers have a gradient through time."),
        ("gradient_norm", LayerRecord("l", sequences={"activation": np.ones((1, 9, 2))}),
         "the gradients of the weights were not recorded."),
        ("gradient_jump", healthy(), "it needs more steps."),
        ("weight_norm", LayerRecord("l", sequences={"activation": np.ones((1, 9, 2))}),
         "the weights were not recorded."),
        ("cell_path", healthy(cell="rnn"), "a plain RNN has no gates."),
        ("timescale", LayerRecord("l", cell="gru", units=2, sequences={"activation": np.ones((1, 9, 2))}),
         "the gates were not recorded"),
        ("timescale", LayerRecord("l", cell="lstm", units=2, sequences={"gate/input": np.full((1, 9, 2), 0.5)}),
         "gate/forget was not recorded"),
        ("timescale", LayerRecord("l", cell="lstm", units=2, sequences={"gate/forget": np.ones((1, 9, 2))}),
         "it was not finite, or can't be had of such a layer."),
        ("spectral_radius", LayerRecord("l", cell="rnn", units=2, sequences={"activation": np.ones((1, 9, 2))}),
         "the weights were not recorded."),
        ("spectral_radius", WIDE, "of more than 512 units it takes too long."),
        ("effective_rank", WIDE, "of more than 1024 units it takes too long."),
        ("correlation", healthy(), None),
        ("correlation", LayerRecord("l", cell="rnn", units=2, sequences={"output_gradient": np.ones((1, 9, 2))}),
         "the activation was not recorded."),
        ("spectral_radius", LayerRecord("l", sequences={"activation": np.ones((1, 9, 2))}),
         "only recurrent layers are measured so."),
    ],
)  # fmt: skip
def test_what_is_no_column_is_there_or_has_a_reason(measure: str, record: LayerRecord, reason: str | None) -> None:
    (history,) = histories([(0, [record])])
    found = [one for one in rows(history, []) if one.key.measure == measure and np.isfinite(one.series.values).any()]
    assert (reason is None) == bool(found)
    assert reason is None or absence(measure, history).startswith(reason)


def test_of_logs_of_an_earlier_version_all_else_is_still_shown() -> None:
    (history,) = histories([(0, [healthy()])])
    without = {
        name: dataclasses.replace(
            one, series={key: series for key, series in one.series.items() if key.measure in _FROM_STATISTICS}
        )
        for name, one in history.quantities.items()
    }
    earlier = dataclasses.replace(history, quantities=without)
    assert row("nonfinite", rows(earlier, [])) is not None
    assert row("dead_units", rows(earlier, [])) is None
    assert absence("dead_units", earlier) == "these logs hold no measures; an earlier version wrote them."


_FROM_STATISTICS = {"nonfinite", "gradient_norm", "weight_norm", "gradient_horizon"}


def test_every_column_is_a_known_measure() -> None:
    assert {measure for measures in COLUMNS.values() for measure in measures} <= set(KINDS)
