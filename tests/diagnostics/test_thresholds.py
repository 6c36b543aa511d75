"""Thresholds: what may be set, and how."""

import dataclasses
from typing import Any

import pytest

from tb_rnn_plugin.diagnostics.thresholds import ADJUSTABLE, DEFAULT, Thresholds


def test_every_threshold_says_what_it_means_and_where_it_comes_from() -> None:
    for field in dataclasses.fields(Thresholds):
        assert field.metadata["meaning"].endswith("."), field.name
        assert field.metadata["source"]
        assert (field.name in ADJUSTABLE) == field.metadata["adjustable"]


def test_adjusted() -> None:
    adjusted = DEFAULT.adjusted({"short_horizon": "2e-1", "persistence": "3"})
    assert adjusted == Thresholds(short_horizon=0.2, persistence=3)
    assert DEFAULT.adjusted({}) == DEFAULT


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"horizon": "1"}, "horizon: there is no such threshold; there are horizon_share, "),
        ({"dead_weight": "1"}, "dead_weight: this threshold was applied when the numbers were written"),
        ({"dead_units": "half"}, "dead_units: expected a number, got 'half'"),
        ({"dead_units": "inf"}, "dead_units: expected a finite number above 0, got inf"),
        ({"dead_units": "0"}, "dead_units: expected a finite number above 0, got 0.0"),
        ({"horizon_share": "5"}, r"horizon_share: expected at most 1 \(1% is 0.01\), got 5.0"),
    ],
)
def test_what_can_not_be_set(values: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DEFAULT.adjusted(values)


@pytest.mark.parametrize("value", ["0.1", None, True])
def test_a_threshold_is_a_number(value: Any) -> None:
    with pytest.raises(TypeError, match="short_horizon: expected a number, got"):
        Thresholds(short_horizon=value)
