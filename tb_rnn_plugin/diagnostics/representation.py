"""How much of its width a layer uses, from the covariance of its activations. Pure functions on arrays.

All are biased by few observations N = samples × timesteps, and more so as these follow each other in time: a rank is
never larger than N. So N is shown beside each.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]


def scatter(activation: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """The products of the units' deviations from their means, summed over all observations; and these means.

    Args:
        activation: (…, units).

    Returns:
        (units, units) and (units,).
    """
    flat = activation.reshape(-1, activation.shape[-1]).astype(np.float64)
    mean = flat.mean(axis=0)
    flat -= mean
    return flat.T @ flat, mean


def mean_correlation(scattered: Floats) -> float:
    """The mean of |corr(h_i, h_j)| over all pairs i ≠ j: 0 where units are independent, 1 where they all say the same.

    Args:
        scattered: (units, units), of `scatter`. Units that do not vary are left out.

    Returns:
        From 0 to 1; NaN where fewer than two units vary.
    """
    variances = np.diag(scattered)
    varying = variances > 0
    count = int(varying.sum())
    if count < 2 or not np.isfinite(scattered).all():
        return float("nan")
    deviations = np.sqrt(variances[varying])
    correlations = np.abs(scattered[np.ix_(varying, varying)] / np.outer(deviations, deviations))
    return float((correlations.sum() - np.trace(correlations)) / (count * (count - 1)))


def effective_rank(scattered: Floats, mean: Floats, observations: int) -> float:
    """exp(−Σ p log p), p = σ / Σσ, of the singular values σ of the activation matrix. Roy and Vetterli 2007.

    Args:
        scattered: (units, units), of `scatter`.
        mean: (units,), of `scatter`.
        observations: N.

    Returns:
        From 1 to the number of units; NaN where all is zero or something is not finite.
    """
    products = scattered + observations * np.outer(mean, mean)
    if not np.isfinite(products).all() or not products.any():
        return float("nan")
    singular = np.sqrt(np.maximum(np.linalg.eigvalsh(products), 0.0))
    shares = singular / singular.sum()
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def participation_ratio(scattered: Floats) -> float:
    """(Σλ)² / Σλ² of the eigenvalues λ of the covariance: how many directions share the variance.

    Computed without them: Σλ is the trace, Σλ² the squared Frobenius norm.

    Args:
        scattered: (units, units), of `scatter`.

    Returns:
        From 1 to the number of units; NaN where nothing varies or something is not finite.
    """
    squares = float(np.square(scattered).sum())
    if not (np.isfinite(squares) and squares > 0):
        return float("nan")
    return float(np.trace(scattered)) ** 2 / squares
