"""The profiles route: the norm at every timestep of every step, for the gradient-flow map."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from werkzeug import Request, Response

from tb_rnn_plugin.record import MATRIX_QUANTITIES, FloatArray
from tb_rnn_plugin.rnn_data_pb2 import NormProfile
from tb_rnn_plugin.serving import parameters
from tb_rnn_plugin.serving.framing import framed, padded
from tb_rnn_plugin.serving.query import NotFoundError, RnnData, SeriesKey, SummaryStep
from tb_rnn_plugin.serving.responses import bytes_answer, digest, experiment_of
from tb_rnn_plugin.serving.thinning import thinned
from tb_rnn_plugin.statistics.summary_statistics import PROFILE_QUANTILES

MEAN = "mean"
STATISTICS = (MEAN, *map(str, PROFILE_QUANTILES))


def profiles_answer(data: RnnData, request: Request) -> Response:
    """What the route answers.

    Raises:
        BadRequestError: If a parameter makes no sense.
        NotFoundError: If there is no such series, or none of them has a profile.
    """
    experiment = experiment_of(request)
    asked = parameters.profile_parameters(request, STATISTICS)
    described: list[dict[str, Any]] = []
    payloads: list[bytes] = []
    missing: list[dict[str, Any]] = []
    for series in parameters.series_keys(request, parameters.MOST_SERIES):
        try:
            found = profiles_impl(series, data.summaries(*experiment, series), asked)
        except NotFoundError as error:
            missing.append({**dataclasses.asdict(series), "reason": str(error)})
            continue
        for description, norms in found:
            payload = norms.astype("<f4", copy=False).tobytes()
            offset = sum(map(len, payloads))
            described.append({**description, "offset": offset, "bytes": len(payload)})
            payloads.append(padded(payload))
    if not described:
        raise NotFoundError(missing[0]["reason"])
    content = framed({"profiles": described, "missing": missing}, payloads)
    return bytes_answer(request, content, digest(repr((experiment[1], described, missing))))


def profiles_impl(
    series: SeriesKey, summaries: Sequence[SummaryStep], asked: parameters.ProfileParameters
) -> list[tuple[dict[str, Any], FloatArray]]:
    """Of each direction of a series what JSON says of it, and its norms, (steps, points).

    Raises:
        NotFoundError: If there is no profile of the direction that is asked for.
    """
    if series.quantity in MATRIX_QUANTITIES:
        raise NotFoundError(f"{series} has no timesteps; ask for a sequence.")
    by_direction: dict[str, list[tuple[SummaryStep, NormProfile]]] = {}
    for step in summaries:
        for profile in step.summary.profiles:
            by_direction.setdefault(profile.direction, []).append((step, profile))
    if asked.direction is not None and asked.direction not in by_direction:
        raise NotFoundError(
            f"direction: {series} has {', '.join(map(repr, by_direction)) or 'none'}; got {asked.direction!r}."
        )
    wanted = {asked.direction: by_direction[asked.direction]} if asked.direction is not None else by_direction
    if not wanted:
        raise NotFoundError(f"there are no profiles of {series}.")
    return [_profiles(series, direction, steps, asked) for direction, steps in wanted.items()]


def _profiles(
    series: SeriesKey,
    direction: str,
    steps: Sequence[tuple[SummaryStep, NormProfile]],
    asked: parameters.ProfileParameters,
) -> tuple[dict[str, Any], FloatArray]:
    shown = [steps[place] for place in thinned(len(steps), asked.max_steps)]
    rows = [_points(profile, asked.statistic) for _, profile in shown]
    norms = np.full((len(rows), max(map(len, rows))), np.nan, np.float32)
    for row, points in zip(norms, rows, strict=True):
        row[: len(points)] = points
    positive = norms[np.isfinite(norms) & (norms > 0)]
    return {
        **dataclasses.asdict(series),
        "direction": direction,
        "statistic": asked.statistic,
        "steps": [step.step for step, _ in shown],
        "wall_times": [step.wall_time for step, _ in shown],
        "timesteps": [profile.timesteps for _, profile in shown],
        "blocks": [profile.mean_block if asked.statistic == MEAN else profile.quantile_block for _, profile in shown],
        "points": [len(points) for points in rows],
        "least": float(positive.min()) if positive.size else None,
        "largest": float(positive.max()) if positive.size else None,
        "shape": list(norms.shape),
        "dtype": "float32",
    }, norms


def _points(profile: NormProfile, statistic: str) -> FloatArray:
    if statistic == MEAN:
        return np.array(profile.mean, np.float32)
    values = np.array(profile.quantile_values, np.float32).reshape(len(profile.quantiles), -1)
    quantiles = [f"{quantile:.3g}" for quantile in profile.quantiles]
    return np.asarray(values[quantiles.index(statistic)])
