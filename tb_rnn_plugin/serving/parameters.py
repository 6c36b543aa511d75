"""The parameters of a request, as http_api.md has them, parsed and checked."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from werkzeug import Request

from tb_rnn_plugin.diagnostics.catalogue import UPDATE_RATIO
from tb_rnn_plugin.diagnostics.thresholds import DEFAULT, Thresholds
from tb_rnn_plugin.encoding import DTYPES, ArrayKey
from tb_rnn_plugin.serving.array_layout import Layout
from tb_rnn_plugin.serving.block_statistics import FIELDS, SCALAR_FIELDS
from tb_rnn_plugin.serving.channel_order import MEASURES
from tb_rnn_plugin.serving.query import SeriesKey

MOST_SERIES = 64
MOST_STEPS = 1000
MOST_RUNS_OF_ARRAYS = 8
_MOST_SAMPLES = 64
_MOST_MATRICES = 64
_MOST_POOLED = 8192
_FEWEST_BINS = 10
_MOST_BINS = 512
_MOST_STEPS_BINNED = 64


class BadRequestError(ValueError):
    """A request that makes no sense; the message says what came and what was expected."""


def layout(request: Request) -> Layout:
    """How the arrays asked for are to be answered.

    Raises:
        BadRequestError: If a size is out of bounds, a type or an order is unknown, or what goes together is not.
    """
    split = _optional_number(request, "split")
    order = _one_of(request, "order", ("", *MEASURES)) or None
    if split == 0:
        raise BadRequestError("split: expected the first column of the second half, at least 1, got 0.")
    reflect = _one_of(request, "reflect", ("off", "on")) == "on"
    if reflect and split is None:
        raise BadRequestError("reflect: expected split with it, the first column of the half that is reflected.")
    if order is None and "order_sample" in request.args:
        raise BadRequestError("order_sample: expected order with it.")
    return Layout(
        max_rows=_pooled_size(request, "max_rows"),
        max_columns=_pooled_size(request, "max_columns"),
        dtype=_one_of(request, "dtype", DTYPES),
        first_row=_optional_number(request, "first_row") or 0,
        rows=_optional_count(request, "rows"),
        first_column=_optional_number(request, "first_column") or 0,
        columns=_optional_count(request, "columns"),
        split=split,
        reflect=reflect,
        order=order,
        order_sample=_optional_number(request, "order_sample") or 0,
    )


def steps(request: Request, runs: int) -> list[int]:
    """The step for each of the runs.

    Raises:
        BadRequestError: If it is no number, or there are not as many steps as runs.
    """
    return _spread([_number(value, "step") for value in _texts(request, "step")], runs, "step")


def order_steps(request: Request, runs: int) -> list[int] | None:
    """The step whose order each run's channels have; None: the step itself.

    Raises:
        BadRequestError: If it is no number, comes without an order, or there are not as many steps as runs.
    """
    values = [_number(value, "order_step") for value in request.args.getlist("order_step")]
    if values and "order" not in request.args:
        raise BadRequestError("order_step: expected order with it.")
    return _spread(values, runs, "order_step") if values else None


def optional_steps(request: Request) -> frozenset[int] | None:
    """The steps asked for, the same for every run; None: all.

    Raises:
        BadRequestError: If one is no number.
    """
    return frozenset(_number(value, "step") for value in request.args.getlist("step")) or None


def statistics_fields(request: Request) -> list[str]:
    """The fields that are asked for, each once; those of blocks but their histograms when none is.

    Raises:
        BadRequestError: If there is no such field.
    """
    fields = list(dict.fromkeys(request.args.getlist("field")))
    known = (*FIELDS, UPDATE_RATIO)
    for field in fields:
        if field not in known:
            raise BadRequestError(f"field: expected some of {', '.join(known)}, got {field!r}.")
    return fields or list(SCALAR_FIELDS)


def bins(request: Request) -> int | None:
    """In how many bins the arrays of the steps asked for are to be counted; None: not at all.

    Raises:
        BadRequestError: If there are too few or too many bins, or no steps, or too many, with them.
    """
    count = _optional_number(request, "bins")
    if count is None:
        return None
    if not _FEWEST_BINS <= count <= _MOST_BINS:
        raise BadRequestError(f"bins: expected {_FEWEST_BINS} to {_MOST_BINS}, got {count}.")
    steps_asked = len(request.args.getlist("step"))
    if not 1 <= steps_asked <= _MOST_STEPS_BINNED:
        raise BadRequestError(f"bins: expected 1 to {_MOST_STEPS_BINNED} steps with it, got {steps_asked}.")
    return count


def series_keys(request: Request, most: int) -> list[SeriesKey]:
    """The series asked for, one for each run.

    Raises:
        BadRequestError: If there are more than `most`, or not as many layers and quantities as runs.
    """
    runs = _texts(request, "run")
    if len(runs) > most:
        raise BadRequestError(f"run: expected at most {most}, got {len(runs)}.")
    layers = _spread(_texts(request, "layer"), len(runs), "layer")
    quantities = _spread(_texts(request, "quantity"), len(runs), "quantity")
    return [SeriesKey(*parts) for parts in zip(runs, layers, quantities, strict=True)]


@dataclasses.dataclass(frozen=True)
class ProfileParameters:
    """What is asked of profiles.

    Attributes:
        direction: Of the layer; None: all.
        statistic: Over the samples.
        max_steps: How many steps at most.
    """

    direction: str | None
    statistic: str
    max_steps: int


def profile_parameters(request: Request, statistics: Sequence[str]) -> ProfileParameters:
    """What is asked of profiles.

    Raises:
        BadRequestError: If there is no such statistic, or the number of steps is out of bounds.
    """
    most = _optional_number(request, "max_steps")
    if most is not None and not 2 <= most <= MOST_STEPS:
        raise BadRequestError(f"max_steps: expected 2 to {MOST_STEPS}, got {most}.")
    return ProfileParameters(
        direction=request.args.get("direction"),
        statistic=_one_of(request, "statistic", statistics),
        max_steps=MOST_STEPS if most is None else most,
    )


@dataclasses.dataclass(frozen=True)
class TimescaleParameters:
    """What is asked of the timescales of units.

    Attributes:
        layers: Run and layer, each once.
        step: The nearest kept step is meant; None: the last one.
    """

    layers: tuple[tuple[str, str], ...]
    step: int | None


def timescale_parameters(request: Request) -> TimescaleParameters:
    """What is asked of the timescales of units.

    Raises:
        BadRequestError: If there is no run, there are too many, not as many layers as runs, or the step is no number.
    """
    runs = _texts(request, "run")
    if len(runs) > MOST_RUNS_OF_ARRAYS:
        raise BadRequestError(f"run: expected at most {MOST_RUNS_OF_ARRAYS}, got {len(runs)}.")
    layers = _spread(_texts(request, "layer"), len(runs), "layer")
    return TimescaleParameters(tuple(dict.fromkeys(zip(runs, layers, strict=True))), _optional_number(request, "step"))


@dataclasses.dataclass(frozen=True)
class HealthParameters:
    """What is asked of the health of runs.

    Attributes:
        runs: Their names, each once.
        layers: Only these; None: all.
        thresholds: With those that are set by the request.
    """

    runs: tuple[str, ...]
    layers: frozenset[str] | None
    thresholds: Thresholds


def health_parameters(request: Request) -> HealthParameters:
    """What is asked of the health of runs.

    Raises:
        BadRequestError: If there is no run, there are too many, or a threshold is unknown or no number above 0.
    """
    runs = tuple(dict.fromkeys(_texts(request, "run")))
    if len(runs) > MOST_SERIES:
        raise BadRequestError(f"run: expected at most {MOST_SERIES}, got {len(runs)}.")
    values = {name: value for name, value in request.args.items() if name not in {"run", "layer"}}
    try:
        thresholds = DEFAULT.adjusted(values)
    except ValueError as error:
        raise BadRequestError(str(error)) from None
    return HealthParameters(runs, frozenset(request.args.getlist("layer")) or None, thresholds)


def _texts(request: Request, parameter: str) -> list[str]:
    values = request.args.getlist(parameter)
    if not values:
        raise BadRequestError(f"{parameter}: expected at least one, got none.")
    return values


def _number(value: str, parameter: str) -> int:
    # Digits of ASCII only, and not more than an int64 has: int() would take more than a step can be.
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise BadRequestError(f"{parameter}: expected a whole number, got {value!r}.")
    return int(value)


_Parameter = Any


def _spread(values: list[_Parameter], runs: int, parameter: str) -> list[_Parameter]:
    """One value for all runs, or one for each."""
    if len(values) == 1:
        return values * runs
    if len(values) != runs:
        raise BadRequestError(f"{parameter}: expected one, or one for each of the {runs} runs, got {len(values)}.")
    return values


def array_keys(request: Request) -> list[ArrayKey] | None:
    """The samples or matrices asked for, each once; None: all.

    Raises:
        BadRequestError: If they are too many, of both kinds, or not named as they should be.
    """
    samples = [_number(value, "sample") for value in request.args.getlist("sample")]
    matrices = request.args.getlist("matrix")
    if len(samples) > _MOST_SAMPLES or len(matrices) > _MOST_MATRICES:
        raise BadRequestError(f"sample, matrix: expected at most {_MOST_SAMPLES}, got {len(samples) + len(matrices)}.")
    if samples and matrices:
        raise BadRequestError("sample, matrix: expected one or the other, got both.")
    keys = [ArrayKey(sample=sample) for sample in dict.fromkeys(samples)]
    for name in dict.fromkeys(matrices):
        direction, slash, matrix = name.partition("/")
        if not (direction and slash and matrix):
            raise BadRequestError(f"matrix: expected a direction and a matrix, like 'forward/kernel', got {name!r}.")
        keys.append(ArrayKey(direction=direction, matrix=matrix))
    return keys or None


def _optional_number(request: Request, parameter: str) -> int | None:
    value = request.args.get(parameter)
    return None if value is None else _number(value, parameter)


def _optional_count(request: Request, parameter: str) -> int | None:
    count = _optional_number(request, parameter)
    if count == 0:
        raise BadRequestError(f"{parameter}: expected at least 1, got 0.")
    return count


def _pooled_size(request: Request, parameter: str) -> int | None:
    size = _optional_number(request, parameter)
    if size is None:
        return None
    if not 1 <= size <= _MOST_POOLED:
        raise BadRequestError(f"{parameter}: expected 1 to {_MOST_POOLED}, got {size}.")
    return size


def _one_of(request: Request, parameter: str, choices: Sequence[Any]) -> Any:  # one of the choices
    value = request.args.get(parameter, choices[0])
    if value not in choices:
        raise BadRequestError(f"{parameter}: expected one of {', '.join(choices)}, got {value!r}.")
    return value
