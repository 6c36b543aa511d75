"""The spectral radius, of matrices whose eigenvalues are known."""

import math

import numpy as np
import pytest

from tb_rnn_plugin.diagnostics.spectral_radius import spectral_radius


def test_a_scaled_rotation_has_complex_eigenvalues() -> None:
    angle = 0.7
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], np.float32)
    assert spectral_radius(1.25 * rotation) == pytest.approx(1.25)


def test_a_triangular_matrix_has_its_diagonal() -> None:
    matrix = np.triu(np.random.default_rng(0).normal(size=(6, 6))).astype(np.float32)
    assert spectral_radius(matrix) == pytest.approx(float(np.abs(np.diag(matrix)).max()))


def test_it_is_what_powers_grow_by() -> None:
    matrix = np.random.default_rng(1).normal(0, 0.3, (12, 12)).astype(np.float32)
    power = np.linalg.matrix_power(matrix.astype(np.float64), 400)
    assert spectral_radius(matrix) == pytest.approx(float(np.linalg.norm(power, 2)) ** (1 / 400), rel=2e-2)


def test_nothing_is_said_of_nan() -> None:
    assert math.isnan(spectral_radius(np.full((2, 2), np.nan, np.float32)))
