"""Fewer steps: the first and the last stay, the others lie evenly between them."""

import pytest

from tb_rnn_plugin.serving.thinning import thinned


@pytest.mark.parametrize(
    ("length", "most", "places"),
    [
        (0, 5, []),
        (1, 2, [0]),
        (5, 5, [0, 1, 2, 3, 4]),
        (9, 5, [0, 2, 4, 6, 8]),
        (10, 2, [0, 9]),
        (1000, 3, [0, 500, 999]),
    ],
)
def test_thinned(length: int, most: int, places: list[int]) -> None:
    assert thinned(length, most) == places
