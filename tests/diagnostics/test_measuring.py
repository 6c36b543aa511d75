"""What is measured when a record is written: which measures, of what, how often."""

import dataclasses

import numpy as np
import pytest

from tb_rnn_plugin import cells
from tb_rnn_plugin.diagnostics.measuring import Measuring
from tb_rnn_plugin.diagnostics.thresholds import DEFAULT, Thresholds
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.recurrence.layer import Recurrence
from tb_rnn_plugin.rnn_data_pb2 import Measure
from tests.recurrence.test_half import NETS
from tests.written_runs import TIMESTEPS, UNITS, changed, healthy

BOTH = (cells.FORWARD, cells.BACKWARD)


class Clock:
    """Goes on by a second whenever it is asked, and as the test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def measured(
    record: LayerRecord, quantity: str, measuring: Measuring | None = None, step: int = 0, samples: int | None = None
) -> dict[tuple[str, str, str, str], Measure]:
    found = (measuring or Measuring()).measures(record, quantity, step, samples)
    by_place = {(one.name, one.direction, one.matrix, one.gate): one for one in found}
    assert len(by_place) == len(found)
    return by_place


def test_of_each_direction_of_an_activation() -> None:
    record = healthy(directions=BOTH)
    activation = record.sequences["activation"].copy()
    activation[:, :, UNITS : UNITS + 3] = 0
    found = measured(changed(record, activation=activation), "activation")
    for direction, dead in ((cells.FORWARD, 0), (cells.BACKWARD, 3)):
        one = found["dead_units", direction, "", ""]
        assert (one.value, one.count) == (dead, UNITS)
        assert found["dormant_units", direction, "", ""].value == dead
    forward = record.sequences["activation"][:, :, :UNITS].reshape(-1, UNITS)
    correlations = np.abs(np.corrcoef(forward.T.astype(np.float64)))
    expected = (correlations.sum() - UNITS) / (UNITS * (UNITS - 1))
    assert found["correlation", cells.FORWARD, "", ""].value == pytest.approx(expected, rel=1e-5)
    assert found["effective_rank", cells.FORWARD, "", ""].count == 3 * TIMESTEPS


def test_only_the_samples_that_are_kept_are_gone_through() -> None:
    record = healthy()
    activation = record.sequences["activation"].copy()
    activation[0, :, 2] = 0
    record = changed(record, activation=activation)
    assert measured(record, "activation", samples=1)["dead_units", cells.FORWARD, "", ""].value == 1
    assert measured(record, "activation")["dead_units", cells.FORWARD, "", ""].value == 0


def test_of_each_gate_but_the_candidates() -> None:
    record = healthy(directions=BOTH)
    assert not measured(record, "gate/cell")
    shut = record.sequences["gate/forget"].copy()
    shut[:, :, :UNITS] = 0.05
    found = measured(changed(record, gate__forget=shut), "gate/forget")
    assert found["saturated_low", cells.FORWARD, "", "forget"].value == 1
    assert found["saturated_low", cells.BACKWARD, "", "forget"].value == 0
    assert found["timescale", cells.FORWARD, "", "forget"].value == pytest.approx(1 / 0.95)
    assert "timescale" not in {name for name, *_ in measured(record, "gate/input")}


def test_a_cell_path_goes_through_time_with_its_direction() -> None:
    """The gate is shut at the first timesteps: in the backward direction these are the last ones."""
    record = healthy(directions=BOTH)
    keep = np.full((1, TIMESTEPS, 2 * UNITS), 0.99, np.float32)
    keep[:, :5] = 1e-4
    record = LayerRecord("l", cell="lstm", units=UNITS, directions=BOTH, sequences={"gate/forget": keep})
    clock = Clock()
    measuring = Measuring(clock)
    found = measured(record, "gate/forget", measuring)
    clock.now += 1e6  # dear measures take turns
    found |= measured(record, "gate/forget", measuring)
    paths = [found["cell_path", direction, "", "forget"].value for direction in BOTH]
    assert paths == [TIMESTEPS - 5, 0]


def test_updates_are_of_the_write_before() -> None:
    measuring = Measuring()
    first, second = healthy(), healthy()
    assert "update_ratio" not in {name for name, *_ in measured(first, "weights", measuring, 10)}
    found = measured(second, "weights", measuring, 14)
    before, after = (one.weights[cells.FORWARD]["kernel"].astype(np.float64) for one in (first, second))
    one = found["update_ratio", cells.FORWARD, "kernel", ""]
    assert one.value == pytest.approx(np.linalg.norm(after - before) / np.linalg.norm(before), rel=1e-5)
    assert one.count == 4


def test_there_is_no_update_where_a_run_starts_over() -> None:
    measuring = Measuring()
    measured(healthy(), "weights", measuring, 10)
    assert "update_ratio" not in {name for name, *_ in measured(healthy(), "weights", measuring, 10)}
    assert "update_ratio" not in {name for name, *_ in measured(healthy(), "weights", measuring, 3)}
    assert "update_ratio" in {name for name, *_ in measured(healthy(), "weights", measuring, 4)}


def test_spectral_radius_of_each_gate_at_once_and_then_in_turn() -> None:
    clock = Clock()
    measuring = Measuring(clock)
    record = healthy()
    blocks = np.split(record.weights[cells.FORWARD]["recurrent_kernel"].astype(np.float64), 4, axis=1)
    expected = [np.abs(np.linalg.eigvals(block)).max() for block in blocks]

    def radii() -> dict[str, float]:
        found = measured(record, "weights", measuring)
        return {gate: one.value for (name, _, _, gate), one in found.items() if name == "spectral_radius"}

    first = radii()
    assert list(first) == ["input", "forget", "cell", "output"]
    assert list(first.values()) == pytest.approx(expected, rel=1e-5)
    assert not radii()  # too soon
    turns = []
    for _ in range(4):
        clock.now += 550  # a turn took a second: the pause is five hundred of them
        turns += list(radii())
        assert not radii()
    assert turns == ["input", "forget", "cell", "output"]
    clock.now += 550
    assert not radii()  # another measure's turn, if there were one
    assert list(radii()) == ["input"]


def test_what_is_dear_takes_a_five_hundredth_of_the_time() -> None:
    clock = Clock()
    measuring = Measuring(clock)
    record = healthy(cell="rnn")
    times = []
    for _ in range(3000):
        found = measured(record, "activation", measuring)
        clock.now += 3
        if any(name == "effective_rank" for name, *_ in found):
            times.append(clock.now)
    assert len(times) > 10
    assert float(np.diff(times).min()) >= 500


def test_a_layer_that_is_too_wide_is_left_out_of_what_is_dear() -> None:
    wide = np.random.default_rng(0).normal(size=(1, 2, 1100))
    record = LayerRecord("wide", cell="rnn", units=1100, sequences={"activation": wide})
    assert {name for name, *_ in measured(record, "activation")} == {"dead_units", "dormant_units"}


def test_a_signalling_nan_warns_of_nothing() -> None:
    """A warning would come out of the thread that writes, and be an error where warnings are."""
    record = healthy()
    signalling = np.full((3, TIMESTEPS, UNITS), 0x7FA00000, np.uint32).view(np.float32)
    spoilt = changed(record, activation=signalling, gate__forget=signalling, gate__input=signalling)
    for quantity in ("activation", "gate/forget", "gate/input"):
        assert measured(spoilt, quantity)


def test_what_can_not_be_had_is_left_out() -> None:
    record = healthy()
    spoilt = changed(record, activation=record.sequences["activation"] * np.float32(np.nan))
    assert {name for name, *_ in measured(spoilt, "activation")} == {"dead_units", "dormant_units"}


def test_growth_where_the_last_cell_state_is_used() -> None:
    """As an encoder's is: dL/dh_t has a part that has not come by the output."""
    half = NETS["lstm"]().half()
    arriving = 1e3 * half.state_gradients[1]
    half = dataclasses.replace(half, state_gradients=[half.state_gradients[0], arriving])
    assert half.output_gradient is not None
    sequences = {"bptt_gradient": half.hidden_gradient(), "output_gradient": half.output_gradient}
    recurrence = Recurrence(halves={cells.FORWARD: half}, quantities=frozenset())
    record = LayerRecord("l", cell="lstm", units=3, sequences=sequences, recurrence=recurrence)
    (one,) = measured(record, "bptt_gradient").values()
    total, direct = (np.linalg.norm(sequences[name], axis=-1) for name in ("bptt_gradient", "output_gradient"))
    expected = total.max(axis=1).mean() / (direct.sum(axis=1) + np.linalg.norm(arriving, axis=-1)).mean()
    assert one.value == pytest.approx(expected, rel=1e-5)


def test_thresholds_that_count_are_stored() -> None:
    record = healthy()
    found = Measuring().measures(record, "gate/input", 0, None, Thresholds(gate_low=0.5, gate_time=0.2))
    low = next(one for one in found if one.name == "saturated_low")
    expected = np.mean((record.sequences["gate/input"] < 0.5).mean(axis=(0, 1)) >= 0.2)
    assert low.value == pytest.approx(expected)
    assert low.value > 0
    assert low.threshold == 0.5


def test_nothing_is_measured_of_other_layers_and_quantities() -> None:
    record = LayerRecord("dense", sequences={"activation": np.ones((2, 3, 4))})
    assert not measured(record, "activation")
    assert not Measuring().measures(healthy(), "bptt_gradient", 0, None, DEFAULT)
