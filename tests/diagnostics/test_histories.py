"""Series of measures out of stored summaries, against the arrays that were written."""

import dataclasses

import numpy as np
import pytest

from tb_rnn_plugin import cells
from tb_rnn_plugin.diagnostics.catalogue import MeasureKey
from tb_rnn_plugin.diagnostics.histories import LayerHistory, Series
from tb_rnn_plugin.record import LayerRecord
from tests.written_runs import TIMESTEPS, UNITS, changed, healthy, histories, normal

BOTH = (cells.FORWARD, cells.BACKWARD)


def series(history: LayerHistory, measure: str, quantity: str, **place: str) -> Series:
    return history.quantities[quantity].series[MeasureKey(measure, quantity, **place)]


def test_a_profile_is_in_the_order_of_its_direction() -> None:
    gradient = np.zeros((2, TIMESTEPS, 2 * UNITS), np.float32)
    gradient[:, -4:, :UNITS] = 1
    gradient[:, :7, UNITS:] = 1
    (history,) = histories([(0, [changed(healthy(directions=BOTH), bptt_gradient=gradient)])])
    forward = series(history, "gradient_horizon", "bptt_gradient", direction=cells.FORWARD)
    backward = series(history, "gradient_horizon", "bptt_gradient", direction=cells.BACKWARD)
    assert (forward.values.tolist(), backward.values.tolist()) == ([3], [6])
    assert forward.of.tolist() == [TIMESTEPS - 1]


def test_the_profile_is_of_the_mean_over_samples() -> None:
    record = healthy()
    gradient = record.sequences["bptt_gradient"].astype(np.float64)
    profile = np.sqrt(np.square(gradient).sum(axis=2)).mean(axis=0)
    (history,) = histories([(0, [record])])
    ratio = series(history, "first_over_last", "bptt_gradient", direction=cells.FORWARD)
    assert ratio.values[0] == pytest.approx(profile[0] / profile[-1], rel=1e-5)


def test_a_long_profile_is_thinned_and_its_lags_are_in_timesteps() -> None:
    timesteps = 1000  # points of four timesteps each
    gradient = np.zeros((1, timesteps, 2), np.float32)
    gradient[:, 400:] = 1
    record = LayerRecord("l", cell="rnn", units=2, sequences={"bptt_gradient": gradient})
    (history,) = histories([(0, [record])])
    horizon = series(history, "gradient_horizon", "bptt_gradient", direction=cells.FORWARD)
    assert horizon.values[0] == pytest.approx(timesteps - 1 - 400, abs=4)
    assert horizon.of[0] == timesteps - 1


def test_what_no_gradient_reaches_is_padding_in_both_directions() -> None:
    """The kept samples of a packed batch may all be shorter than its longest one: behind their end all is 0."""
    gradient = np.zeros((2, TIMESTEPS, 2 * UNITS), np.float32)
    gradient[0, :6] = gradient[1, :9] = 1e-3
    (history,) = histories([(0, [changed(healthy(directions=BOTH), bptt_gradient=gradient)])])
    for direction in BOTH:
        horizon = series(history, "gradient_horizon", "bptt_gradient", direction=direction)
        assert (horizon.values.tolist(), horizon.of.tolist()) == ([8], [8])
        assert series(history, "vanished_timesteps", "bptt_gradient", direction=direction).values.tolist() == [0]
        assert series(history, "first_over_last", "bptt_gradient", direction=direction).values[0] > 0


def test_a_lone_backward_direction_may_have_vanished_to_zero() -> None:
    gradient = np.zeros((2, TIMESTEPS, UNITS), np.float32)
    gradient[:, :3] = 1e-3
    (history,) = histories([(0, [changed(healthy(directions=[cells.BACKWARD]), bptt_gradient=gradient)])])
    horizon = series(history, "gradient_horizon", "bptt_gradient", direction=cells.BACKWARD)
    assert (horizon.values.tolist(), horizon.of.tolist()) == ([2], [TIMESTEPS - 1])


def test_lengths_that_change_from_step_to_step() -> None:
    records = [
        LayerRecord("l", cell="rnn", units=2, sequences={"bptt_gradient": normal(2, length, 2)})
        for length in (10, 30, 10, 20)
    ]
    (history,) = histories([(step, [record]) for step, record in enumerate(records)])
    horizon = series(history, "gradient_horizon", "bptt_gradient", direction=cells.FORWARD)
    assert horizon.of.tolist() == [9, 29, 9, 19]
    assert np.isfinite(horizon.values).all()


def test_norms_of_weights_and_their_gradients() -> None:
    record = healthy()
    (history,) = histories([(0, [record])])
    weights = record.weights[cells.FORWARD]
    norm = series(history, "weight_norm", "weights", direction=cells.FORWARD, matrix="kernel")
    assert norm.values[0] == pytest.approx(float(np.linalg.norm(weights["kernel"])), rel=1e-5)
    gradients = np.concatenate([one.ravel() for one in record.weight_gradients[cells.FORWARD].values()])
    norm = series(history, "gradient_norm", "weight_gradients", direction=cells.FORWARD)
    assert norm.values[0] == pytest.approx(float(np.linalg.norm(gradients)), rel=1e-5)


def test_the_largest_norm_of_a_channel_is_of_all_gates() -> None:
    record = healthy()
    broken = record.weights[cells.FORWARD]["kernel"].copy()
    broken[0, 0] = np.nan  # of the first gate only
    matrices = {cells.FORWARD: {**record.weights[cells.FORWARD], "kernel": broken}}
    spoiled = dataclasses.replace(record, weights=matrices)
    (history,) = histories([(0, [record]), (1, [spoiled])])
    for matrix, after in (("kernel", float("nan")), ("recurrent_kernel", None)):
        norms = np.linalg.norm(record.weights[cells.FORWARD][matrix].astype(np.float64), axis=0)
        found = series(history, "largest_channel_norm", "weights", direction=cells.FORWARD, matrix=matrix)
        expected = [norms.max(), norms.max() if after is None else after]
        assert found.values == pytest.approx(expected, rel=1e-6, nan_ok=True)
    assert not any(
        (key.measure, key.matrix) == ("largest_channel_norm", "bias") for key in history.quantities["weights"].series
    )


def test_an_update_is_of_a_step() -> None:
    first, second = healthy(), healthy()
    (history,) = histories([(0, [first]), (5, [second])])
    update = series(history, "update_ratio", "weights", direction=cells.FORWARD, matrix="kernel")
    before, after = (one.weights[cells.FORWARD]["kernel"] for one in (first, second))
    expected = float(np.linalg.norm(after - before) / np.linalg.norm(before)) / 5
    assert np.isnan(update.values[0])
    assert update.values[1] == pytest.approx(expected, rel=1e-5)


def test_nan_and_inf_are_counted_and_the_first_step_is_known() -> None:
    spoilt = healthy(directions=BOTH)
    activation = spoilt.sequences["activation"].copy()
    activation[0, 3:9, UNITS + 1] = np.nan
    activation[1, 5, UNITS + 2] = np.inf
    steps = [(0, [healthy(directions=BOTH)]), (10, [changed(spoilt, activation=activation)])]
    (history,) = histories(steps)
    assert series(history, "nonfinite", "activation").values.tolist() == [0, 7]
    found = history.quantities["activation"].nonfinite
    assert found is not None
    index, (block,) = found
    assert (index, block.direction, block.nan, block.inf) == (1, cells.BACKWARD, 6, 1)
    assert (block.first, block.last) == (3, 8)
