"""Numbers and shares as sentences have them."""

import pytest

from tb_rnn_plugin.diagnostics.finding import number, percent


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1"),
        (0.01, "0.01"),
        (0.00999, "1.0e-2"),
        (25.84, "25.8"),
        (999.4, "999"),
        (999.6, "1.0e3"),
        (1234, "1.2e3"),
        (9999, "1.0e4"),
        (7.5e7, "7.5e7"),
        (-2e-7, "-2.0e-7"),
    ],
)
def test_a_number_has_two_or_three_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0%"),
        (1 / 262_144, "<0.01%"),
        (3 / 10_000, "0.03%"),
        (0.0456, "5%"),
        (0.9951, "99.51%"),
        (0.99999, "99.99%"),
        (1, "100%"),
        (28.46, "2846%"),
    ],
)
def test_a_share_is_neither_none_nor_all_where_it_is_only_nearly_so(share: float, text: str) -> None:
    assert percent(share) == text
