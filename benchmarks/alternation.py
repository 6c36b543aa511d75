"""Variants of a train step, measured in turn: what disturbs the machine disturbs all of them alike."""

import dataclasses
import statistics
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise

from benchmarks.table import Row, print_table
from tb_rnn_plugin import rnn_summary

#: Steps in a block: with every=50 there is one write in each.
BLOCK = 50
WARM_UP_STEPS = 12


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way to train.

    Attributes:
        steps: Makes one train step each time it is asked for the next item.
        limit: The most that a step may cost, in plain steps.
    """

    steps: Iterator[None]
    limit: float | None = None


def compare(title: str, variants: Mapping[str, Variant], *, rounds: int) -> None:
    """Prints what a step of each variant costs, against steps of the first one right before and right after.

    One variant after the other, for what is done every so many seconds must not find that others had these seconds. A
    block ends when all that was logged in it is in the file.
    """
    (first, plain), *others = variants.items()
    _seconds(plain.steps, WARM_UP_STEPS)
    of_plain: list[float] = []
    rows = []
    for name, variant in others:
        print(f"{name} …", flush=True)
        _seconds(variant.steps, WARM_UP_STEPS)
        seconds = []
        around = [_seconds(plain.steps, BLOCK)]
        for _ in range(rounds):
            seconds.append(_seconds(variant.steps, BLOCK))
            around.append(_seconds(plain.steps, BLOCK))
        ratios = [2 * own / (before + after) for own, (before, after) in zip(seconds, pairwise(around), strict=True)]
        lower, middle, upper = statistics.quantiles(ratios, n=4, method="inclusive")
        value = 1e3 * statistics.median(seconds) / BLOCK
        rows.append(Row(name, value, "ms a step", middle, variant.limit, quartiles=(lower, upper)))
        of_plain += around
    rows.insert(0, Row(first, 1e3 * statistics.median(of_plain) / BLOCK, "ms a step", 1.0))
    print_table(f"{title}; median of {rounds} × {BLOCK} steps, and its quartiles", rows)


def _seconds(steps: Iterator[None], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        next(steps)
    rnn_summary.flush()
    return time.perf_counter() - start
