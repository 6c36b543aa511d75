"""A record as the writer's thread would complete it."""

import pytest

from tb_rnn_plugin.derivation import completed
from tb_rnn_plugin.record import LayerRecord


def done(record: LayerRecord) -> LayerRecord:
    """With what follows from its recurrence."""

    def fail(layer: str, reason: str) -> None:
        pytest.fail(f"{layer}: {reason}")

    made = completed(record, fail)
    assert made is not None
    return made
