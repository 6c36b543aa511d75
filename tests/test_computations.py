"""Quantities that are computed from a record's recurrence when it is written: in time, too late, or not at all."""

import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.recurrence.layer import CannotDerive, Recurrence
from tests.event_files import record


class _Slow(Recurrence):
    """A recurrence whose quantities can be computed when it is let go, or not at all."""

    def __init__(self, value: float, gate: threading.Event, reason: str = "") -> None:
        super().__init__(halves={}, quantities=frozenset({"bptt_gradient"}))
        object.__setattr__(self, "result", (value, gate, reason))

    def only(self, _: frozenset[str]) -> Recurrence:
        return self

    def done(self) -> Recurrence:
        return self

    def sequences(self) -> dict[str, Any]:
        value, gate, reason = vars(self)["result"]
        gate.wait()
        if reason:
            raise CannotDerive(reason)
        return {"bptt_gradient": np.full((1, 1, 4), value, np.float32)}


def with_recurrence(recurrence: Recurrence, **quantities: Any) -> LayerRecord:
    return LayerRecord("lstm", sequences=quantities, recurrence=recurrence)


ACTIVATION = {"activation": np.zeros((1, 1, 4), np.float32)}


def test_what_can_not_be_computed_in_time_is_left_out_and_counted(tmp_path: Path) -> None:
    gate = threading.Event()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for step in range(8):
            rnn_summary.write(with_recurrence(_Slow(step, gate), **ACTIVATION), step, tmp_path)
        gate.set()
        rnn_summary.flush()
        rnn_summary.flush()
    found = {step: record.sequences for step, record in rnn_summary.read(tmp_path)}
    assert list(found) == list(range(8))
    assert all("activation" in sequences for sequences in found.values())
    computed = [step for step, sequences in found.items() if "bptt_gradient" in sequences]
    assert computed[-4:] == [4, 5, 6, 7]  # the newest
    left_out = 8 - len(computed)
    assert left_out in {3, 4}  # the first may have been in work
    counts = [str(each.message).partition(" write")[0].rpartition(" ")[2] for each in said]
    assert counts[-1] == str(left_out)
    assert len(counts) <= 3  # not at each write
    assert all("faster than these can be computed" in str(each.message) for each in said)


def test_a_reason_is_said_once_and_all_else_is_written(tmp_path: Path) -> None:
    gate = threading.Event()
    gate.set()
    for step in range(2):
        rnn_summary.write(with_recurrence(_Slow(0, gate, "it is Tuesday"), **ACTIVATION), step, tmp_path)
        if step:
            rnn_summary.flush()
        else:
            with pytest.warns(UserWarning, match="computed of 'lstm' are left out: it is Tuesday"):
                rnn_summary.flush()
    assert [set(record.sequences) for _, record in rnn_summary.read(tmp_path)] == [{"activation"}] * 2


def test_a_record_of_which_nothing_is_left_is_not_written(tmp_path: Path) -> None:
    gate = threading.Event()
    gate.set()
    rnn_summary.write([with_recurrence(_Slow(0, gate, "of something")), record(name="other")], 0, tmp_path)
    with pytest.warns(UserWarning, match="of something"):
        rnn_summary.flush()
    assert [each.name for _, each in rnn_summary.read(tmp_path)] == ["other"]


def test_the_users_own_writers_get_it_at_once(tmp_path: Path) -> None:
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    gate = threading.Event()
    gate.set()
    with tensorboard.SummaryWriter(tmp_path) as writer:
        rnn_summary.write(with_recurrence(_Slow(3, gate), **ACTIVATION), 0, writer)
        with pytest.warns(UserWarning, match="of something"):
            rnn_summary.write(with_recurrence(_Slow(0, gate, "of something"), **ACTIVATION), 1, writer)
    first, second = [each.sequences for _, each in rnn_summary.read(tmp_path)]
    assert (first["bptt_gradient"] == 3).all()
    assert set(second) == {"activation"}
