"""A NaN or Inf is named where it first appeared, and nothing else is."""

import dataclasses

import numpy as np
import pytest

from tb_rnn_plugin import cells
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tests.planted_faults import BOTH, PLANTED, STEPS, alarms, decaying, reweighted, run, scaled_gradients
from tests.written_runs import UNITS, changed, found, healthy


@pytest.mark.parametrize(("direction", "timestep"), [(cells.FORWARD, 6), (cells.BACKWARD, 13)])
def test_at_one_gate_of_one_direction(direction: str, timestep: int) -> None:
    """What comes later in the direction's time, and in the step, is NaN as well."""

    def spoil(record: LayerRecord) -> LayerRecord:
        later = slice(timestep, None) if direction == cells.FORWARD else slice(0, timestep + 1)
        after = slice(timestep + 1, None) if direction == cells.FORWARD else slice(0, timestep)
        sequences = {name: array.copy() for name, array in record.sequences.items()}
        channels = record.channels(direction, "activation")
        sequences["gate/forget"][1, timestep, channels.start + 2] = np.nan
        for gate in ("input", "forget", "cell", "output"):
            sequences[f"gate/{gate}"][1, after, channels] = np.nan
        sequences["activation"][1, later, channels] = np.nan
        sequences["bptt_gradient"][:] = np.nan
        spoilt = dataclasses.replace(record, sequences=sequences)
        return scaled_gradients(spoilt, np.nan)

    findings = run(spoil, directions=BOTH)
    first = findings[0]
    assert (first.severity, first.fault, first.quantity) == ("error", "nan", "gate/forget")
    assert (first.gate, first.direction, first.timestep) == ("forget", direction, timestep)
    assert (first.since, first.clean_until) == (PLANTED, PLANTED - 10)
    assert first.sentence == (
        f"NaN since step 70, first in the forget gate, {direction} direction, timestep {timestep}."
    )
    assert [other.follows for other in alarms(findings[1:])] == [0] * len(alarms(findings[1:]))


def test_in_the_weights_of_a_gate() -> None:
    def plant(array: FloatArray) -> FloatArray:
        array = array.copy()
        array[2, 2 * UNITS + 3] = np.nan
        return array

    def spoil(record: LayerRecord) -> LayerRecord:
        spoilt = reweighted(record, "recurrent_kernel", plant)
        return changed(spoilt, activation=record.sequences["activation"] * np.float32(np.nan))

    first = run(spoil)[0]
    assert (first.quantity, first.matrix, first.gate) == ("weights", "recurrent_kernel", "cell")
    assert first.timestep is None


def test_in_the_gradient_of_the_last_layer() -> None:
    """The backward pass comes to the last layer, and to its last timestep, first."""

    def spoil(record: LayerRecord, timesteps: int) -> LayerRecord:
        gradient = record.sequences["bptt_gradient"].copy()
        gradient[:, :timesteps] = np.inf
        return scaled_gradients(changed(record, bptt_gradient=gradient), np.nan)

    layers = [healthy("first"), healthy("second")]
    steps = [(step, layers if step < PLANTED else [spoil(layers[0], 20), spoil(layers[1], 12)]) for step in STEPS]
    first = found(steps)[0]
    assert (first.layer, first.quantity, first.timestep) == ("second", "bptt_gradient", 11)
    assert first.sentence.startswith("Inf since step 70, first in the bptt gradient")


@pytest.mark.parametrize(("direction", "timestep"), [(cells.FORWARD, 14), (cells.BACKWARD, 3)])
def test_a_gradient_goes_through_time_from_its_end(direction: str, timestep: int) -> None:
    """The state's gradient is NaN at a timestep later in the pass: it comes from the output's."""

    def spoil(record: LayerRecord) -> LayerRecord:
        channels = record.channels(direction, "bptt_gradient")
        output = np.zeros_like(record.sequences["bptt_gradient"])
        output[0, timestep, channels.start] = np.nan
        total = record.sequences["bptt_gradient"].copy()
        total[:, slice(0, timestep) if direction == cells.FORWARD else slice(timestep + 1, None), channels] = np.nan
        return changed(record, bptt_gradient=total, output_gradient=output)

    first = run(spoil, directions=BOTH)[0]
    assert (first.quantity, first.direction, first.timestep) == ("output_gradient", direction, timestep)


def test_reach_and_inputs_come_after_what_they_follow_from() -> None:
    def spoil(record: LayerRecord) -> LayerRecord:
        spoilt = {"bptt_gradient": record.sequences["bptt_gradient"].copy()}
        spoilt["bptt_gradient"][:, 9] = np.nan
        for quantity in ("input_gradient", "reach", "reach/9"):
            spoilt[quantity] = np.full_like(spoilt["bptt_gradient"][..., :1], np.inf)
            spoilt[quantity][:, 10:] = 0
        return changed(record, **spoilt)

    first = run(spoil)[0]
    assert (first.quantity, first.timestep) == ("bptt_gradient", 9)


def test_what_exploded_before_is_its_cause() -> None:
    def made(step: int) -> LayerRecord:
        record = healthy()
        return record if step < PLANTED else scaled_gradients(record, 1000 if step < 150 else np.nan)

    first, second = found([(step, [made(step)]) for step in STEPS])
    assert (first.fault, first.since, first.follows) == ("exploding", PLANTED, None)
    assert (second.fault, second.since, second.follows) == ("nan", 150, 0)


@pytest.mark.parametrize(
    ("steps", "severity", "words", "until"),
    [
        ([0], "note", "Inf at step 0", 0),
        ([0, 30, 40], "note", "Inf from step 0 to step 40", 40),
        ([180], "error", "Inf at step 180", 180),
        ([0, 190], "error", "Inf since step 0", 190),
    ],
)
def test_once_over_it_is_a_note(steps: list[int], severity: str, words: str, until: int) -> None:
    """Of a loss scale that is looked for, the gradients overflow now and then, and these steps are left out."""

    def made(step: int) -> LayerRecord:
        record = healthy()
        if step not in steps:
            return record
        gradients = {"kernel": np.full_like(record.weight_gradients[cells.FORWARD]["kernel"], np.inf)}
        return dataclasses.replace(record, weight_gradients={cells.FORWARD: gradients})

    (finding,) = found([(step, [made(step)]) for step in STEPS])
    assert (finding.fault, finding.severity, finding.until) == ("nan", severity, until)
    assert finding.sentence == f"{words}, first in the kernel gradient, the input gate."


def test_what_is_over_explains_nothing() -> None:
    def made(step: int) -> LayerRecord:
        record = decaying(healthy(), 0.05 if step >= PLANTED else 0.9)
        return scaled_gradients(record, np.nan) if step == 0 else record

    findings = found([(step, [made(step)]) for step in STEPS])
    assert [(one.fault, one.follows) for one in findings] == [("vanishing", None), ("nan", None)]


def test_how_many_places_are_not_finite_now() -> None:
    """The activation is NaN at one step, the gradients from there on."""

    def made(step: int) -> LayerRecord:
        record = healthy() if step < PLANTED else scaled_gradients(healthy(), np.nan)
        if step != PLANTED:
            return record
        return changed(record, activation=np.full_like(record.sequences["activation"], np.nan))

    first = found([(step, [made(step)]) for step in STEPS])[0]
    assert (first.quantity, first.until) == ("activation", STEPS[-1])
    assert first.explanation == "100% of it then; step 60 was clean; now in 1 other place."
