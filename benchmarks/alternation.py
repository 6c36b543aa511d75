"""Variants of a train step, measured in turn: what disturbs the machine disturbs all of them alike."""

import dataclasses
import statistics
import time
from collections.abc import Iterator, Mapping

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
    """Prints what a step of each variant costs, as the median ratio to a block of the first one in the same round.

    A block ends when all that was logged in it is in the file.
    """
    for name, variant in variants.items():
        print(f"warming up: {name} …", flush=True)
        _seconds(variant.steps, WARM_UP_STEPS)
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for round_ in range(rounds):
        print(f"round {round_ + 1} of {rounds} …", flush=True)
        for name, variant in variants.items():
            seconds[name].append(_seconds(variant.steps, BLOCK) / BLOCK)
    plain = next(iter(seconds.values()))
    rows = []
    for name, variant in variants.items():
        ratios = [own / other for own, other in zip(seconds[name], plain, strict=True)]
        rows.append(
            Row(name, 1e3 * statistics.median(seconds[name]), "ms a step", statistics.median(ratios), variant.limit)
        )
    print_table(f"{title}; median of {rounds} × {BLOCK} steps", rows)


def _seconds(steps: Iterator[None], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        next(steps)
    rnn_summary.flush()
    return time.perf_counter() - start
