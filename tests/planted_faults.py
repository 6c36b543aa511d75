"""Runs in which one thing is wrong from a step on, and what is found in them."""

import dataclasses
from collections.abc import Callable

import numpy as np

from tb_rnn_plugin import cells
from tb_rnn_plugin.diagnostics.finding import Finding
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tests.written_runs import TIMESTEPS, changed, found, healthy

BOTH = (cells.FORWARD, cells.BACKWARD)
STEPS = range(0, 200, 10)
PLANTED = 70
LAG = np.arange(TIMESTEPS - 1, -1, -1)


def run(spoil: Callable[[LayerRecord], LayerRecord], since: int = PLANTED, **options: object) -> list[Finding]:
    """What is found when a record is spoilt from a step on."""
    made = ((step, healthy(**options)) for step in STEPS)  # type: ignore[arg-type]
    return found([(step, [spoil(record) if step >= since else record]) for step, record in made])


def alarms(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity != "note"]


def decaying(record: LayerRecord, factor: float, direction: str = cells.FORWARD) -> LayerRecord:
    """Its gradient through time, of one direction, falls by a factor a timestep back."""
    gradient = record.sequences["bptt_gradient"].copy()
    lag = LAG if direction == cells.FORWARD else LAG[::-1]
    channels = record.channels(direction, "bptt_gradient")
    gradient[:, :, channels] = factor ** lag[:, None]
    arrived = gradient[:, -1:] if direction == cells.FORWARD else gradient[:, :1]
    return changed(record, bptt_gradient=gradient, output_gradient=arrived)


def scaled_gradients(record: LayerRecord, factor: float) -> LayerRecord:
    gradients = {
        direction: {matrix: array * np.float32(factor) for matrix, array in matrices.items()}
        for direction, matrices in record.weight_gradients.items()
    }
    return dataclasses.replace(record, weight_gradients=gradients)


def reweighted(record: LayerRecord, matrix: str, change: Callable[[FloatArray], FloatArray]) -> LayerRecord:
    weights = {
        direction: {name: change(array) if name == matrix else array for name, array in matrices.items()}
        for direction, matrices in record.weights.items()
    }
    return dataclasses.replace(record, weights=weights)
