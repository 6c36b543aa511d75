"""The parameters of a request, as http_api.md has them, parsed and checked."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from werkzeug import Request

from tb_rnn_plugin.block_statistics import FIELDS, SCALAR_FIELDS
from tb_rnn_plugin.encoding import DTYPES, ArrayKey, DType
from tb_rnn_plugin.query import SeriesKey

MOST_SERIES = 64
MOST_RUNS_OF_ARRAYS = 8
_MOST_SAMPLES = 64
_MOST_MATRICES = 64
_MOST_POOLED = 8192


class BadRequestError(ValueError):
    """A request that makes no sense; the message says what came and what was expected."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """How arrays are to be answered."""

    max_rows: int | None
    max_columns: int | None
    dtype: DType


def layout(request: Request) -> Layout:
    """How the arrays asked for are to be answered.

    Raises:
        BadRequestError: If a size is out of bounds, or the type is unknown.
    """
    return Layout(
        _pooled_size(request, "max_rows"), _pooled_size(request, "max_columns"), _one_of(request, "dtype", DTYPES)
    )


def steps(request: Request, runs: int) -> list[int]:
    """The step for each of the runs.

    Raises:
        BadRequestError: If it is no number, or there are not as many steps as runs.
    """
    return _spread([_number(value, "step") for value in _texts(request, "step")], runs, "step")


def optional_steps(request: Request) -> frozenset[int] | None:
    """The steps asked for, the same for every run; None: all.

    Raises:
        BadRequestError: If one is no number.
    """
    return frozenset(_number(value, "step") for value in request.args.getlist("step")) or None


def statistics_fields(request: Request) -> list[str]:
    """The fields of each block that are asked for, each once; all but the histograms when none is.

    Raises:
        BadRequestError: If there is no such field.
    """
    fields = list(dict.fromkeys(request.args.getlist("field")))
    for field in fields:
        if field not in FIELDS:
            raise BadRequestError(f"field: expected some of {', '.join(FIELDS)}, got {field!r}.")
    return fields or list(SCALAR_FIELDS)


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


def _pooled_size(request: Request, parameter: str) -> int | None:
    value = request.args.get(parameter)
    if value is None:
        return None
    size = _number(value, parameter)
    if not 1 <= size <= _MOST_POOLED:
        raise BadRequestError(f"{parameter}: expected 1 to {_MOST_POOLED}, got {size}.")
    return size


def _one_of(request: Request, parameter: str, choices: Sequence[Any]) -> Any:  # one of the choices
    value = request.args.get(parameter, choices[0])
    if value not in choices:
        raise BadRequestError(f"{parameter}: expected one of {', '.join(choices)}, got {value!r}.")
    return value
