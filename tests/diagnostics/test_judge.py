"""What is found in runs with one planted fault, and in runs without one: first, at the right place and step."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from tb_rnn_plugin import cells
from tb_rnn_plugin.diagnostics.judge import in_order
from tb_rnn_plugin.diagnostics.thresholds import Thresholds
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tests.planted_faults import BOTH, PLANTED, STEPS, decaying, reweighted, run, scaled_gradients
from tests.written_runs import TIMESTEPS, UNITS, changed, found, healthy


@pytest.mark.parametrize("cell", cells.CELLS)
@pytest.mark.parametrize("directions", [(cells.FORWARD,), BOTH], ids=["one direction", "both"])
def test_nothing_is_found_in_a_healthy_run(cell: str, directions: tuple[str, ...]) -> None:
    assert run(lambda record: record, cell=cell, directions=directions) == []


@pytest.mark.parametrize("direction", BOTH)
def test_vanishing(direction: str) -> None:
    (finding,) = run(lambda record: decaying(record, 0.05, direction), directions=BOTH)
    assert (finding.severity, finding.fault, finding.direction) == ("error", "vanishing", direction)
    assert (finding.since, finding.clean_until, finding.until) == (PLANTED, PLANTED - 10, STEPS[-1])
    assert (finding.value, finding.of) == (1, TIMESTEPS - 1)
    assert finding.sentence == (
        f"in the {direction} direction, the gradient reaches 1 of {TIMESTEPS - 1} steps back, and has since step 70."
    )


def test_a_horizon_that_is_limited_is_a_warning() -> None:
    (finding,) = run(lambda record: decaying(record, 0.2))
    assert (finding.severity, finding.fault, finding.value) == ("warning", "vanishing", 2)
    assert (finding.threshold_name, finding.threshold) == ("limited_horizon", 0.2)
    assert finding.advice.startswith("A fault only if the loss stalls; else another layer remembers")


def test_a_gradient_that_reaches_far_enough_is_not_vanishing() -> None:
    assert run(lambda record: decaying(record, 0.5)) == []


def test_the_share_that_counts_can_be_set() -> None:
    steps = [(step, [decaying(healthy(), 0.5)]) for step in STEPS]
    assert found(steps) == []
    (finding,) = found(steps, Thresholds(horizon_share=0.3))
    assert (finding.fault, finding.value) == ("vanishing", 1)


def test_what_is_vanished_by_its_size_alone_is_a_note() -> None:
    (finding,) = run(lambda record: changed(record, bptt_gradient=record.sequences["bptt_gradient"] * np.float32(1e-9)))
    assert (finding.severity, finding.fault, finding.measure) == ("note", "vanishing", "vanished_timesteps")
    assert finding.value == 1


def test_exploding_through_time() -> None:
    (finding,) = run(lambda record: decaying(record, 1.5), cell="rnn")
    assert (finding.severity, finding.fault, finding.since) == ("error", "exploding", PLANTED)
    assert finding.value == pytest.approx(1.5 ** (TIMESTEPS - 1), rel=1e-5)


@pytest.mark.parametrize(("factor", "severity"), [(30, "note"), (300, "warning"), (3000, "error")])
def test_a_jump_of_the_gradient(factor: float, severity: str) -> None:
    (finding,) = run(lambda record: scaled_gradients(record, factor))
    assert (finding.severity, finding.fault, finding.measure) == (severity, "exploding", "gradient_jump")
    assert finding.since == PLANTED
    assert finding.value == pytest.approx(factor, rel=0.2)


@pytest.mark.parametrize("threshold", [0.5, 1])
def test_a_jump_over_a_threshold_that_has_no_orders_of_magnitude(threshold: float) -> None:
    steps = [(step, [scaled_gradients(healthy(), 30 if step >= PLANTED else 1)]) for step in STEPS]
    (finding,) = found(steps, Thresholds(exploding_factor=threshold))
    assert (finding.severity, finding.threshold) == ("error", threshold)


def test_a_jump_that_stays_small_is_none() -> None:
    """A net that begins to learn has a gradient many times what it was."""
    steps = [(step, [scaled_gradients(healthy(), 1e-4 if step < PLANTED else 1e-2)]) for step in STEPS]
    assert found(steps) == []


@pytest.mark.parametrize(
    ("gate", "value", "severity", "words"),
    [
        ("forget", 0.01, "warning", "the forget gate of 100% of the units stays below 0.1, and has since step 70."),
        ("forget", 0.99, "note", "the forget gate of 100% of the units stays above 0.9, and has since step 70."),
        ("output", 0.99, "warning", "the output gate of 100% of the units stays above 0.9, and has since step 70."),
    ],
)
def test_saturated_gates(gate: str, value: float, severity: str, words: str) -> None:
    full = np.full((3, TIMESTEPS, UNITS), value, np.float32)
    (finding,) = run(lambda record: changed(record, **{f"gate__{gate}": full}))
    assert (finding.severity, finding.fault, finding.gate) == (severity, "saturated_gate", gate)
    assert finding.quantity == f"gate/{gate}"
    assert finding.sentence == words


def test_a_gate_that_jumps_between_both_ends() -> None:
    jumping = np.where(np.arange(TIMESTEPS)[:, None] % 2, np.float32(0.01), np.float32(0.99))
    full = np.broadcast_to(jumping, (3, TIMESTEPS, UNITS)).astype(np.float32)
    (finding,) = run(lambda record: changed(record, gate__input=full))
    assert (finding.measure, finding.value) == ("saturated", 1)


def test_an_open_gate_of_a_padded_batch_is_not_shut_where_the_padding_is() -> None:
    full = np.full((3, TIMESTEPS, UNITS), 0.99, np.float32)
    full[0, 5:] = full[1, :4] = 0
    (finding,) = run(lambda record: changed(record, gate__forget=full))
    assert (finding.severity, finding.measure, finding.value) == ("note", "saturated_high", 1)


def test_a_shut_forget_gate_explains_a_gradient_that_vanishes() -> None:
    shut = np.full((3, TIMESTEPS, UNITS), 0.01, np.float32)
    first, second = run(lambda record: decaying(changed(record, gate__forget=shut), 0.01))
    assert (first.fault, first.severity, first.follows) == ("saturated_gate", "warning", None)
    assert (second.fault, second.severity, second.follows) == ("vanishing", "error", 0)


def test_the_same_fault_in_several_gates_is_one_finding() -> None:
    shut = np.full((3, TIMESTEPS, UNITS), 0.01, np.float32)
    (finding,) = run(lambda record: changed(record, gate__forget=shut, gate__input=shut))
    assert "Likewise: forget gate forward." in finding.explanation or "input gate forward" in finding.explanation
    assert {finding.gate, *(key.gate for key in finding.also)} == {"input", "forget"}


@pytest.mark.parametrize(("dead", "severity"), [(1, "warning"), (4, "error")])
def test_dead_units(dead: int, severity: str) -> None:
    def spoil(record: LayerRecord) -> LayerRecord:
        activation = record.sequences["activation"].copy()
        activation[:, :, :dead] = 0.25
        return changed(record, activation=activation)

    (finding,) = run(spoil, cell="rnn")
    assert (finding.severity, finding.fault, finding.value, finding.of) == (severity, "dead_units", dead, UNITS)
    assert finding.since == PLANTED
    verb, been = ("is", "has been") if dead == 1 else ("are", "have been")
    assert finding.sentence == f"{dead} of 8 units {verb} dead, and {been} since step 70."


def test_dormant_units() -> None:
    def spoil(record: LayerRecord) -> LayerRecord:
        activation = record.sequences["activation"].copy()
        activation[:, :, :5] *= 1e-3
        return changed(record, activation=activation)

    (finding,) = run(spoil, cell="rnn")
    assert (finding.severity, finding.fault, finding.value) == ("warning", "dormant_units", 5)
    assert finding.sentence == "5 of 8 units are dormant, and have been since step 70."


def test_one_dormant_unit() -> None:
    def made() -> LayerRecord:
        record = healthy(cell="rnn")
        activation = record.sequences["activation"].copy()
        activation[:, :, 0] *= 1e-3
        return changed(record, activation=activation)

    (finding,) = found([(step, [made()]) for step in STEPS], Thresholds(dormant_units=0.1))
    assert finding.sentence == "1 of 8 units is dormant, and has been since step 0."
    assert finding.explanation.startswith("Its mean magnitude")


def test_dead_and_large_weights() -> None:
    def mostly(value: float) -> Callable[[FloatArray], FloatArray]:
        def change(array: FloatArray) -> FloatArray:
            array = array.copy()
            array[: len(array) // 2] = value
            return array

        return change

    steps = [(step, [reweighted(healthy(), "recurrent_kernel", mostly(0))]) for step in STEPS]
    (dead,) = found(steps)
    assert (dead.severity, dead.fault, dead.matrix, dead.value) == ("warning", "dead_weights", "recurrent_kernel", 128)
    steps = [(step, [reweighted(healthy(), "recurrent_kernel", mostly(5))]) for step in STEPS]
    (large,) = found(steps)
    assert (large.severity, large.fault, large.since) == ("warning", "large_weights", 0)
    assert large.sentence == "50% of the recurrent kernel is above 3 in magnitude, and has been since step 0."


def test_steps_that_are_too_large() -> None:
    rng = np.random.default_rng(0)
    findings = run(
        lambda record: reweighted(record, "kernel", lambda one: rng.normal(0, 40, one.shape).astype(np.float32))
    )
    first, *others = findings
    assert (first.severity, first.fault, first.matrix, first.since) == ("error", "learning_rate", "kernel", PLANTED)
    # Between two writes lie ten steps.
    assert first.value == pytest.approx(40 / 0.3 / 10, rel=0.3)
    assert [(other.fault, other.follows) for other in others] == [("large_weights", 0)]


def test_a_layer_that_stands_still_is_a_note() -> None:
    record = healthy()
    (finding,) = found([(step, [dataclasses.replace(healthy(), weights=record.weights)]) for step in STEPS])
    assert (finding.severity, finding.fault, finding.value) == ("note", "stalled", 0)


def test_of_a_few_steps_there_are_notes_only() -> None:
    steps = [(step, [decaying(healthy(), 0.05)]) for step in range(3)]
    (finding,) = found(steps)
    assert (finding.severity, finding.sentence) == ("note", "the gradient reaches 1 of 19 steps back, at step 2.")


def test_what_is_over_is_not_found() -> None:
    steps = [(step, [decaying(healthy(), 0.05 if step < 100 else 0.9)]) for step in STEPS]
    assert found(steps) == []


def test_one_step_in_ten_may_fail_to_hold() -> None:
    steps = [(step, [decaying(healthy(), 0.9 if step == 120 else 0.05)]) for step in STEPS]
    (finding,) = found(steps)
    assert finding.since == 0


def test_findings_of_several_runs_explain_each_other_in_their_own_only() -> None:
    shut = np.full((3, TIMESTEPS, UNITS), 0.01, np.float32)
    cause = run(lambda record: changed(record, gate__forget=shut))
    consequence = run(lambda record: decaying(record, 0.01))
    mixed = in_order(
        [dataclasses.replace(one, run="a") for one in cause]
        + [dataclasses.replace(one, run="b") for one in (*cause, *consequence)]
    )
    assert [(one.run, one.fault, one.follows) for one in mixed] == [
        ("b", "saturated_gate", None),
        ("b", "vanishing", 0),
        ("a", "saturated_gate", None),
    ]


def test_reach_is_not_judged_by_the_output_gradient() -> None:
    def made() -> LayerRecord:
        record = decaying(healthy(), 0.01)
        sequences = dict(record.sequences)
        sequences["output_gradient"] = sequences.pop("bptt_gradient")
        return dataclasses.replace(record, sequences=sequences)

    assert found([(step, [made()]) for step in STEPS]) == []
