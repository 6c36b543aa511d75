"""Callbacks for fit: one keeps what KerasCallback would write, one notes what it should be."""

from collections.abc import Sequence
from typing import Any

import keras

from tb_rnn_plugin.capture.keras import entry as capture_keras
from tb_rnn_plugin.record import LayerRecord
from tests.capture.keras_backends.by_hand import Array
from tests.capture.keras_backends.network import Expected


class Kept(capture_keras.KerasCallback):
    """Keeps what it would write."""

    def __init__(self, **options: Any) -> None:
        super().__init__("nowhere", **({"every": 1, "samples": None} | options))
        self.written: dict[int, list[LayerRecord]] = {}

    def _write(self, records: list[LayerRecord], step: int) -> None:
        self.written[step] = records


class Before(keras.callbacks.Callback):
    """What each step has to give, by the weights that it begins with."""

    def __init__(self, batches: Sequence[tuple[Array, Array]]) -> None:
        super().__init__()
        self._batches = batches
        self.expected: dict[int, Expected] = {}

    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:  # noqa: ARG002
        synchronise(self.model)
        self.expected[batch] = Expected(self.model, *self._batches[batch])


def batches(x: Array, y: Array, size: int) -> list[tuple[Array, Array]]:
    return [(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]


def synchronise(model: Any) -> None:
    """Brings what `fit` has trained so far into the model's variables."""
    if keras.config.backend() == "jax":
        model.jax_state_sync()
