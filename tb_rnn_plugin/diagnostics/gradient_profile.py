"""How far back in time a gradient reaches, from the profile of its norms. Pure functions on arrays.

A profile is g_t = ‖dL/dh_t‖₂ over the units, (…, timesteps), in the order in which the layer went through time: a
backward direction's is reversed by whoever reads it. The lag of t is counted back from the last timestep that any
gradient reaches, which is the last one unless the batch is padded beyond its longest sample. Where a norm is NaN or
Inf, nothing can be said: the result is NaN.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]


class HalfLife(NamedTuple):
    """In timesteps, and how well an exponential fits: R² of the line through log g_t."""

    timesteps: Floats
    fit: Floats


def _where_known(profile: Floats, values: Floats) -> Floats:
    known = np.isfinite(profile).all(axis=-1) & (profile > 0).any(axis=-1)
    return np.where(known, values, np.nan)


def _end(profile: Floats) -> npt.NDArray[np.intp]:
    """The last timestep with a gradient."""
    positive = profile > 0
    return np.asarray(profile.shape[-1] - 1 - np.argmax(positive[..., ::-1], axis=-1))


def reachable(profile: Floats) -> Floats:
    """The lag of the first timestep: what a horizon can be at most.

    Args:
        profile: (…, timesteps).

    Returns:
        (…), in points of the profile.
    """
    return _where_known(profile, _end(profile).astype(np.float64))


def horizon(profile: Floats, share: float) -> Floats:
    """The largest lag k with g_{T−k} ≥ share · max g.

    Args:
        profile: (…, timesteps).
        share: ε, of the largest norm.

    Returns:
        (…), in points of the profile.
    """
    largest = profile.max(axis=-1, keepdims=True)
    first = np.argmax(profile >= share * largest, axis=-1)
    return _where_known(profile, (_end(profile) - first).astype(np.float64))


def half_life(profile: Floats) -> HalfLife:
    """Ln 2 / |slope| of the line of least squares through log g_t against the lag, where g_t falls with it.

    Timesteps without a gradient are left out. NaN where it does not fall, or fewer than three timesteps have one. An R²
    below about 0.8 says that the profile is not exponential, and the half-life nothing.

    Args:
        profile: (…, timesteps).

    Returns:
        Both (…); the half-life in points of the profile.
    """
    used = (profile > 0) & np.isfinite(profile)
    count = used.sum(axis=-1)
    lag = np.broadcast_to(np.arange(profile.shape[-1])[::-1].astype(np.float64), profile.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.where(used, np.log(np.where(used, profile, 1.0)), 0.0)
        mean_lag = np.where(used, lag, 0.0).sum(axis=-1) / count
        mean_log = log.sum(axis=-1) / count
        from_mean_lag = np.where(used, lag - mean_lag[..., None], 0.0)
        from_mean_log = np.where(used, log - mean_log[..., None], 0.0)
        covariance = (from_mean_lag * from_mean_log).sum(axis=-1)
        lag_squares = np.square(from_mean_lag).sum(axis=-1)
        log_squares = np.square(from_mean_log).sum(axis=-1)
        slope = covariance / lag_squares
        fit = np.square(covariance) / (lag_squares * log_squares)
        timesteps = np.log(2) / -slope
    falls = (count >= 3) & (slope < 0)
    return HalfLife(
        _where_known(profile, np.where(falls, timesteps, np.nan)), _where_known(profile, np.where(falls, fit, np.nan))
    )


def vanished(profile: Floats, units: int, threshold: float) -> Floats:
    """The share of timesteps at which the root mean square of the gradient, g_t / √units, is below a threshold.

    It stands in for the mean magnitude that SageMaker Debugger's VanishingGradient takes, which is never larger. The
    rule depends on the scale of the loss and on the size of the batch: see `first_over_last` beside it.

    Args:
        profile: (…, timesteps).
        units: How many numbers each norm is of.
        threshold: 1e-7 in SageMaker Debugger.

    Returns:
        (…), from 0 to 1.
    """
    below = (profile / np.sqrt(units) < threshold).mean(axis=-1)
    return np.where(np.isfinite(profile).all(axis=-1), below, np.nan)


def first_over_last(profile: Floats) -> Floats:
    """g_1 / g_T: what arrives at the first timestep of what there is at the last one. It has no scale.

    Args:
        profile: (…, timesteps).

    Returns:
        (…).
    """
    last = np.take_along_axis(profile, _end(profile)[..., None], axis=-1)[..., 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return _where_known(profile, profile[..., 0] / last)


def growth(
    total: npt.NDArray[np.floating],
    direct: npt.NDArray[np.floating],
    at_cell_state: npt.NDArray[np.floating] | None = None,
) -> float:
    """Max ‖dL/dh_t‖ / Σ ‖∂L/∂y_t‖: by how much a recurrence amplifies what arrives at it, on the way back in time.

    dL/dh_t is the sum of what arrives at t and later, each taken back by a product of Jacobians: by the triangle
    inequality the ratio is at most 1 where none of these makes a vector longer. That they do is what exploding means in
    Pascanu, Mikolov, Bengio 2013, arXiv 1211.5063.

    Args:
        total: dL/dh_t, (samples, timesteps, units).
        direct: ∂L/∂y_t of the same samples, (samples, timesteps or 1, units).
        at_cell_state: What arrives at an LSTM's last c_t, (samples, units): it is added to the sum; None for nothing.

    Returns:
        Both taken as the mean over samples; NaN or Inf where a gradient is, or nothing arrives directly.
    """
    with np.errstate(all="ignore"):
        largest = np.linalg.norm(total.astype(np.float64), axis=-1).max(axis=-1).mean()
        arrived = np.linalg.norm(direct.astype(np.float64), axis=-1).sum(axis=-1).mean()
        if at_cell_state is not None:
            arrived += np.linalg.norm(at_cell_state.astype(np.float64), axis=-1).mean()
        return float(largest / arrived)
