"""A norm against its running median, against a plain loop."""

import math
import statistics

import numpy as np
import pytest

from tb_rnn_plugin.diagnostics.exploding import over_running_median

NORMS = np.exp(np.random.default_rng(3).normal(0, 1, 40))


@pytest.mark.parametrize("window", [5, 12, 100])
def test_against_a_loop(window: int) -> None:
    found = over_running_median(NORMS, window)
    for step, ratio in enumerate(found.tolist()):
        before = NORMS[max(0, step - window) : step].tolist()
        if len(before) < 5:
            assert math.isnan(ratio)
        else:
            assert ratio == pytest.approx(NORMS[step] / statistics.median(before))


def test_what_is_not_finite_or_zero_is_left_out_of_the_median() -> None:
    norms = np.array([1.0, 2, np.nan, 3, 0, 4, np.inf, 5, 60, np.nan])
    found = over_running_median(norms, 50)
    assert np.isnan(found[:8]).all()  # five before are needed
    assert found[8] == pytest.approx(60 / 3)
    assert math.isnan(found[9])
