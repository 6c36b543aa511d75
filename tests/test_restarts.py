"""What a restarted job overtakes, in data of which each says what it is."""

import dataclasses

import pytest

from tb_rnn_plugin.serving.restarts import Restart, without_overtaken


@dataclasses.dataclass(frozen=True)
class Datum:
    step: int
    wall_time: float


def data(*steps: int) -> list[Datum]:
    return [Datum(step, 100.0 + place) for place, step in enumerate(steps)]


@pytest.mark.parametrize(
    ("steps", "held", "restarts"),
    [
        ((), [], []),
        ((0, 10, 20), [0, 10, 20], []),
        ((0, 10, 20, 10, 15), [0, 10, 15], [(10, 103.0)]),
        ((5, 6, 0), [0], [(0, 102.0)]),
        ((0, 10, 10), [0, 10], [(10, 102.0)]),
        ((0, 9, 4, 6, 2, 3), [0, 2, 3], [(4, 102.0), (2, 104.0)]),
    ],
)
def test_the_last_that_was_written_holds(
    steps: tuple[int, ...], held: list[int], restarts: list[tuple[int, float]]
) -> None:
    written = data(*steps)
    found, seen = without_overtaken(written)
    assert [datum.step for datum in found] == held
    assert list(seen) == [Restart(*restart) for restart in restarts]
    assert [datum for datum in written if not any(one.overtook(datum) for one in seen)] == found
