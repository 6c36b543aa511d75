"""What the light summaries say of each block of numbers, step by step, as JSON has it.

A block is one direction of a sequence, or one gate of one matrix.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tb_rnn_plugin.rnn_data_pb2 import LinearHistogram, MagnitudeHistogram, Statistics
from tb_rnn_plugin.serving.query import SummaryStep

_Block = tuple[str, str, str]


def _finite(part: Statistics) -> int:
    return part.count - part.nan_count - part.inf_count


def _of_finite(name: str) -> Callable[[Statistics], float | None]:
    """A float32 in as few digits as tell it apart; None where nothing is finite, for which JSON has no other way."""
    return lambda part: float(str(np.float32(getattr(part, name)))) if _finite(part) else None


def _channel_norms(part: Statistics) -> list[float] | None:
    """None where nothing is finite, of a sequence, and in what older versions wrote."""
    return [float(str(np.float32(norm))) for norm in part.channel_norms] or None


def _linear(part: Statistics) -> dict[str, Any] | None:
    histogram: LinearHistogram = part.values
    if not histogram.counts:
        return None
    return {
        "exponent": histogram.exponent,
        "first_bin": histogram.first_bin,
        "counts": list(histogram.counts),
    }


def _magnitude(part: Statistics) -> dict[str, Any] | None:
    histogram: MagnitudeHistogram = part.magnitudes
    if not _finite(part):
        return None
    return {
        "first_exponent": histogram.first_exponent,
        "negative": list(histogram.negative),
        "positive": list(histogram.positive),
        "zero": histogram.zero,
    }


_SCALARS: Mapping[str, Callable[[Statistics], Any]] = {
    "count": lambda part: part.count,
    "nan": lambda part: part.nan_count,
    "inf": lambda part: part.inf_count,
    **{name: _of_finite(name) for name in ("minimum", "maximum", "mean", "standard_deviation", "l1_norm", "l2_norm")},
}
_LISTS: Mapping[str, Callable[[Statistics], Any]] = {
    "channel_norms": _channel_norms,
    "linear": _linear,
    "magnitude": _magnitude,
}
_FIELDS = {**_SCALARS, **_LISTS}

#: What may be asked of a block.
FIELDS = tuple(_FIELDS)
#: What is answered when nothing is asked in particular: single numbers, for lists are most of the bytes.
SCALAR_FIELDS = tuple(_SCALARS)
LIST_FIELDS = frozenset(_LISTS)


def block_statistics(summaries: Sequence[SummaryStep], fields: Sequence[str]) -> list[dict[str, Any]]:
    """The fields of every block, each a list along the summaries; None at a step that lacks the block.

    Args:
        summaries: The steps.
        fields: Some of `FIELDS`.
    """
    steps: list[dict[_Block, Statistics]] = [
        {(part.direction, part.matrix, part.gate): part for part in step.summary.statistics} for step in summaries
    ]
    blocks = dict.fromkeys(block for step in steps for block in step)
    return [
        {
            **dict(zip(("direction", "matrix", "gate"), block, strict=True)),
            **{field: [_FIELDS[field](step[block]) if block in step else None for step in steps] for field in fields},
        }
        for block in blocks
    ]
