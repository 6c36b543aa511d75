"""Correlation and rank, against numpy's own and representations whose rank is known."""

import math

import numpy as np
import pytest

from tb_rnn_plugin.diagnostics.representation import effective_rank, mean_correlation, participation_ratio, scatter
from tb_rnn_plugin.record import FloatArray

RNG = np.random.default_rng(8)
MIXED: FloatArray = (RNG.normal(size=(4, 25, 6)) @ RNG.normal(size=(6, 6)) + 0.7).astype(np.float32)
FLAT = np.asarray(MIXED.reshape(-1, 6), np.float64)


def test_correlation_against_corrcoef() -> None:
    correlations = np.asarray(np.corrcoef(FLAT.T))
    expected = np.mean([abs(correlations[i, j]) for i in range(6) for j in range(6) if i != j])
    assert mean_correlation(scatter(MIXED)[0]) == pytest.approx(expected)


def test_a_unit_that_does_not_vary_is_left_out() -> None:
    constant = MIXED.copy()
    constant[:, :, 2] = 0.5
    without = np.delete(MIXED, 2, axis=2)
    assert mean_correlation(scatter(constant)[0]) == pytest.approx(mean_correlation(scatter(without)[0]))
    assert math.isnan(mean_correlation(scatter(constant[:, :, 2:3])[0]))


def test_effective_rank_against_the_singular_values() -> None:
    singular = np.linalg.svd(FLAT, compute_uv=False)
    shares = singular / singular.sum()
    expected = math.exp(-sum(p * math.log(p) for p in shares.tolist()))
    assert effective_rank(*scatter(MIXED), len(FLAT)) == pytest.approx(expected)


def test_participation_ratio_against_the_eigenvalues() -> None:
    eigenvalues = np.linalg.eigvalsh(np.cov(FLAT.T))
    expected = eigenvalues.sum() ** 2 / np.square(eigenvalues).sum()
    assert participation_ratio(scatter(MIXED)[0]) == pytest.approx(expected)


def test_ranks_that_are_known() -> None:
    one = np.outer(RNG.normal(size=30), RNG.normal(size=5)).astype(np.float32)
    scattered, mean = scatter(one[None])
    assert effective_rank(scattered, mean, 30) == pytest.approx(1, abs=1e-3)
    assert participation_ratio(scattered) == pytest.approx(1, abs=1e-6)
    equal = np.linalg.qr(RNG.normal(size=(40, 5)))[0].astype(np.float32)
    assert effective_rank(*scatter(equal[None]), 40) == pytest.approx(5, abs=1e-4)


@pytest.mark.parametrize("activation", [np.zeros((2, 3, 4), np.float32), np.full((2, 3, 4), np.nan, np.float32)])
def test_nothing_is_said_of_nothing(activation: FloatArray) -> None:
    scattered, mean = scatter(activation)
    assert math.isnan(effective_rank(scattered, mean, 6))
    assert math.isnan(participation_ratio(scattered))
    assert math.isnan(mean_correlation(scattered))
