"""Runs as they come back from what was written of them, without files."""

from collections.abc import Iterable, Sequence

import numpy as np

from tb_rnn_plugin import cells, metadata
from tb_rnn_plugin.diagnostics.finding import Finding
from tb_rnn_plugin.diagnostics.histories import LayerHistory, quantity_history
from tb_rnn_plugin.diagnostics.judge import judge
from tb_rnn_plugin.diagnostics.measuring import Measuring
from tb_rnn_plugin.diagnostics.thresholds import DEFAULT, Thresholds
from tb_rnn_plugin.encoding import decode_summary, encode
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tb_rnn_plugin.rnn_data_pb2 import QuantitySummary

RNG = np.random.default_rng(11)
UNITS = 8
TIMESTEPS = 20


def histories(
    steps: Iterable[tuple[int, Sequence[LayerRecord]]], thresholds: Thresholds = DEFAULT
) -> list[LayerHistory]:
    """Everything that is known of the layers after these steps."""
    measuring = Measuring()
    stored: dict[str, dict[str, list[tuple[int, QuantitySummary]]]] = {}
    layers = {}
    for step, records in steps:
        for position, record in enumerate(records):
            layers[record.name] = metadata.layer_message(record, position)

            def measured(quantity: str, record: LayerRecord = record, step: int = step) -> list[object]:
                return list(measuring.measures(record, quantity, step, None, thresholds))

            for encoded in encode(record, samples=None, dtype="float32", measured=measured):  # type: ignore[arg-type]
                summary = decode_summary(encoded.summary)
                assert summary is not None
                stored.setdefault(record.name, {}).setdefault(encoded.quantity, []).append((step, summary))
    return [
        LayerHistory(
            layer,
            {
                quantity: quantity_history(
                    layer, quantity, [step for step, _ in series], [one for _, one in series], thresholds
                )
                for quantity, series in stored[name].items()
            },
        )
        for name, layer in layers.items()
    ]


def found(steps: Iterable[tuple[int, Sequence[LayerRecord]]], thresholds: Thresholds = DEFAULT) -> list[Finding]:
    """What is found in a run of these steps."""
    return judge(histories(steps, thresholds), thresholds)


def normal(*shape: int, scale: float = 1.0) -> FloatArray:
    return RNG.normal(0, scale, shape).astype(np.float32)


def healthy(name: str = "lstm", *, cell: str = "lstm", directions: Sequence[str] = (cells.FORWARD,)) -> LayerRecord:
    """One step of a layer without a fault: new numbers at each call."""
    gates = cells.KERAS_GATES[cell]
    width = UNITS * len(directions)
    in_time = np.full((3, TIMESTEPS, width), 1, np.float32)
    sequences = {
        "activation": np.tanh(normal(3, TIMESTEPS, width)),
        "bptt_gradient": normal(3, TIMESTEPS, width, scale=1e-3) * in_time,
        **{f"gate/{gate}": 1 / (1 + np.exp(-normal(3, TIMESTEPS, width))) for gate in gates},
    }
    blocks = max(len(gates), 1)
    # Of fixed numbers, so that an update is small; but for the bias, which may move by any factor.
    base = np.random.default_rng(1)
    matrices = {
        direction: {
            "kernel": base.normal(0, 0.3, (3, blocks * UNITS)) + normal(3, blocks * UNITS, scale=1e-4),
            "recurrent_kernel": base.normal(0, 0.3, (UNITS, blocks * UNITS))
            + normal(UNITS, blocks * UNITS, scale=1e-4),
            "bias": base.normal(0, 0.1, blocks * UNITS) + normal(blocks * UNITS, scale=0.1),
        }
        for direction in directions
    }
    gradients = {
        direction: {
            "kernel": normal(3, blocks * UNITS, scale=0.1),
            "recurrent_kernel": normal(UNITS, blocks * UNITS, scale=0.1),
        }
        for direction in directions
    }
    return LayerRecord(
        name,
        cell=cell,
        units=UNITS,
        directions=directions,
        sequences=sequences,
        weights=matrices,
        weight_gradients=gradients,
    )


def changed(record: LayerRecord, **sequences: FloatArray) -> LayerRecord:
    """A record with other sequences; "__" stands for a slash."""
    renamed = {name.replace("__", "/"): array for name, array in sequences.items()}
    return LayerRecord(
        record.name,
        cell=record.cell,
        units=record.units,
        directions=record.directions,
        gates=record.gates,
        sequences={**record.sequences, **renamed},
        weights=record.weights,
        weight_gradients=record.weight_gradients,
    )
