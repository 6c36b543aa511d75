"""What a job overtakes that starts again from an earlier step.

TensorBoard's data server forgets it. Its Python loader goes on giving it, unless it is told of the restart, and of a
step that was written twice it gives only the arrays of the first time.
"""

import dataclasses
from collections.abc import Iterable
from typing import Protocol, TypeVar


class _Datum(Protocol):
    """What TensorBoard's provider gives of a step."""

    @property
    def step(self) -> int: ...

    @property
    def wall_time(self) -> float: ...


_AnyDatum = TypeVar("_AnyDatum", bound=_Datum)


@dataclasses.dataclass(frozen=True)
class Restart:
    """From which step on a job wrote again, and since when, in seconds since 1970."""

    step: int
    wall_time: float

    def overtook(self, datum: _Datum) -> bool:
        """Whether a datum is from before it."""
        return datum.step >= self.step and datum.wall_time < self.wall_time


def without_overtaken(data: Iterable[_AnyDatum]) -> tuple[list[_AnyDatum], tuple[Restart, ...]]:
    """The data that still hold, by step, and the restarts that are seen in them.

    Args:
        data: In the order in which they were written.
    """
    held: list[_AnyDatum] = []
    restarts: list[Restart] = []
    for datum in data:
        if held and held[-1].step >= datum.step:
            restarts.append(Restart(datum.step, datum.wall_time))
        while held and held[-1].step >= datum.step:
            held.pop()
        held.append(datum)
    return held, tuple(restarts)
