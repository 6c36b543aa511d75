"""The schedule of taps, and what `write` does with them between the steps."""

from pathlib import Path

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.capture.taps import Schedule, Taps, checked_quantities, derived_quantities
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.recurrence.layer import DEFAULT_QUANTITIES


class FakeTaps(Taps):
    """Records when it is armed, as the taps of a framework do in a forward and backward pass."""

    def __init__(self, *, every: int, samples: int | None = 2, quantities: list[str] | None = None) -> None:
        super().__init__(every=every, samples=samples, quantities=quantities)
        self.armed = True
        self.recorded = False
        self.passes = 0
        self.taken = 0
        self.detached = 0

    def train(self) -> None:
        self.recorded = self.armed
        self.passes += self.armed

    def arm(self, *, armed: bool) -> None:
        self.armed = armed

    def take(self) -> list[LayerRecord]:
        self.taken += 1
        recorded, self.recorded = self.recorded, False
        return [LayerRecord("lstm", sequences={"activation": np.ones((5, 2, 3))})] if recorded else []

    def detach(self) -> None:
        self.detached += 1


def written(every: int, steps: list[int]) -> tuple[list[int], int]:
    """The steps that are written in a loop over `steps`, and how many passes were recorded for it."""
    taps = FakeTaps(every=every)
    found = []
    for step in steps:
        taps.train()
        if taps.collect(step):
            found.append(step)
    return found, taps.passes


@pytest.mark.parametrize(
    ("every", "steps", "expected"),
    [
        (1, list(range(4)), [0, 1, 2, 3]),
        (5, list(range(12)), [0, 5, 10]),
        (5, list(range(1, 12)), [5, 10]),
        (50, list(range(1003, 1160)), [1050, 1100, 1150]),  # resumed
        (50, list(range(0, 300, 10)), [0, 50, 100, 150, 200, 250]),
        (50, list(range(0, 300, 7)), [0, 56, 105, 154, 203, 252]),
        (5, list(range(0, 80, 20)), [0, 40, 60]),  # the first distance is not known yet
        (5, [*range(12), *range(12)], [0, 5, 10, 5, 10]),  # started over: its first pass was not foreseen
        (10, [*range(0, 50, 7), *range(3, 50, 7)], [0, 14, 21, 35, 42, 17, 24, 31, 45]),
        (10, [0, 0, 0, 10, 10], [0, 10]),
    ],
)
def test_which_steps_are_written(every: int, steps: list[int], expected: list[int]) -> None:
    found, passes = written(every, steps)
    assert found == expected
    if steps == list(range(steps[0], steps[0] + len(steps))):
        assert passes <= len(found) + 1  # nothing is recorded in vain, but for the first pass of a resumed loop


def test_irregular_steps_are_written_at_most_a_step_late() -> None:
    generator = np.random.default_rng(6)
    steps = generator.integers(1, 9, size=400).cumsum().tolist()
    found, passes = written(50, steps)
    assert len(found) >= 0.9 * (steps[-1] - steps[0]) / 50
    assert len({step // 50 for step in found}) == len(found)
    assert passes < 0.5 * len(steps)


def test_a_known_start_is_due_whatever_step_comes_first() -> None:
    schedule = Schedule(50)
    schedule.start(0)
    assert schedule.is_due(31)


@pytest.mark.parametrize(("every", "error"), [(0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError)])
def test_every_that_makes_no_sense(every: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="every: expected"):
        FakeTaps(every=every)


@pytest.mark.parametrize(("samples", "error"), [(0, ValueError), (1.5, TypeError), (True, TypeError)])
def test_samples_that_make_no_sense(samples: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="samples: expected"):
        FakeTaps(every=1, samples=samples)


def test_write_does_nothing_between_the_steps(tmp_path: Path) -> None:
    with FakeTaps(every=10) as taps:
        for step in range(25):
            taps.train()
            before = taps.taken
            wrote = rnn_summary.write(taps, step, tmp_path / "run")
            assert wrote is (step % 10 == 0)
            assert taps.taken - before == (step % 10 == 0)
    assert (taps.detached, taps.passes) == (1, 3)
    found = [(step, len(record.sequences["activation"])) for step, record in rnn_summary.read(tmp_path / "run")]
    assert found == [(0, 2), (10, 2), (20, 2)]  # as many samples as the taps keep


def test_nothing_is_made_on_disk_before_the_first_write(tmp_path: Path) -> None:
    """Of the processes of a distributed training, most never write."""
    taps = FakeTaps(every=10)
    for on_finding in (None, print):
        assert not rnn_summary.write(taps, 3, tmp_path / "run", on_finding=on_finding)
        rnn_summary.flush(tmp_path / "run", on_finding=on_finding)
        assert not (tmp_path / "run").exists()


def test_taps_are_taken_off_after_an_error() -> None:
    taps = FakeTaps(every=1)
    with pytest.raises(ZeroDivisionError), taps:
        raise ZeroDivisionError
    assert taps.detached == 1


@pytest.mark.parametrize(
    ("quantities", "bptt", "derived"),
    [
        (None, True, DEFAULT_QUANTITIES),
        (None, False, frozenset()),
        (["activation"], True, frozenset()),
        (["activation", "gate/forget", "cell_state_gradient"], True, {"gate/forget", "cell_state_gradient"}),
        (["reach", "reach/40", "input_gradient", "weights"], True, {"reach", "reach/40", "input_gradient"}),
        (["gate/forget"], False, frozenset()),
    ],
)
def test_what_is_computed_beside(quantities: list[str] | None, bptt: bool, derived: frozenset[str]) -> None:
    assert derived_quantities(checked_quantities(quantities), bptt=bptt) == derived


def test_bptt_is_a_bool() -> None:
    with pytest.raises(TypeError, match="bptt: expected a bool, got int"):
        derived_quantities(None, bptt=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected some of activation.*gate/forget.*got 'gate/forgot'"):
        checked_quantities(["gate/forgot"])


def test_unknown_quantities_are_refused_with_those_that_there_are() -> None:
    for name in ("reach/-1", "reach/last", "reach/", "saliency"):
        with pytest.raises(ValueError, match=rf"input_gradient, reach,.*'reach/40' for the reach.*got '{name}'\."):
            checked_quantities(["reach/2", name])
    with pytest.raises(ValueError, match="got 'h', 1"):
        checked_quantities(["reach", "h", 1])  # type: ignore[list-item]
