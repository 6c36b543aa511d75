"""A finding: what is wrong, where, since when, by which measure, and what usually helps."""

import dataclasses
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin.diagnostics.catalogue import MeasureKey
from tb_rnn_plugin.diagnostics.histories import Series

Severity = Literal["note", "warning", "error"]
Fault = Literal[
    "nan",
    "exploding",
    "learning_rate",
    "large_weights",
    "dead_weights",
    "saturated_gate",
    "dead_units",
    "dormant_units",
    "vanishing",
    "stalled",
]
View = Literal["heatmap", "curves", "histograms", "weights"]

FAULTS: tuple[Fault, ...] = get_args(Fault)

#: From the least to the worst.
SEVERITIES: tuple[Severity, ...] = ("note", "warning", "error")

Steps: TypeAlias = npt.NDArray[np.int64]

# What holds may fail to hold at one step in ten, as any measure of a single batch does.
_FAILING = 0.1

# From here on three digits round to 1000, which they write as 1e+03.
_THREE_DIGITS = 999.5
# What two places behind the point can still tell from nothing, and from all.
_LEAST_SHARE = 1e-4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One fault of one layer, or of one place in it.

    Attributes:
        severity: "note", "warning" or "error".
        fault: Which fault it is.
        run: The run's name; "" where only one is known.
        layer: The layer's name.
        quantity: What it was found in.
        direction: Of the layer; "" where it is of all.
        matrix: Of the weights; "" of a sequence.
        gate: The gate; "" where it is of none.
        timestep: That of the first NaN or Inf that was come to: by a backward direction, and by the backward pass of a
            forward one, from the end.
        since: The first step from which on it has been so.
        clean_until: The step before `since` at which it was not yet so; None where there is none.
        until: The last step at which it was so.
        measure: The measure by which it was found, of `value`, `of` a whole.
        value: Its last value; of an event in the past the one that was worst.
        of: What a whole would be; None where there is no whole.
        threshold: What the value was held against; None where nothing is.
        threshold_name: That of diagnostics.thresholds; "" where there is none.
        sentence: In plain words; it begins where "run / layer: " ends.
        explanation: What was measured, against what.
        advice: What usually helps.
        view: Where to look.
        also: The other series of the layer with the same fault.
        follows: The index, in the list it came in, of the finding that probably explains this one.
    """

    severity: Severity
    fault: Fault
    run: str = ""
    layer: str
    quantity: str
    direction: str = ""
    matrix: str = ""
    gate: str = ""
    timestep: int | None = None
    since: int
    clean_until: int | None
    until: int
    measure: str
    value: float
    of: float | None = None
    threshold: float | None = None
    threshold_name: str = ""
    sentence: str
    explanation: str
    advice: str
    view: View
    follows: int | None = None
    also: tuple[MeasureKey, ...] = ()

    @classmethod
    def at(
        cls,
        layer: str,
        key: MeasureKey,
        stretch: "Stretch",
        *,
        severity: Severity,
        fault: Fault,
        threshold: tuple[str, float],
        sentence: str,
        explanation: str,
        advice: str,
        view: View,
    ) -> "Finding":
        """Of one series of a layer, through a stretch of its steps. `threshold` is its name and its value."""
        return cls(
            severity=severity,
            fault=fault,
            layer=layer,
            quantity=key.quantity,
            direction=key.direction,
            matrix=key.matrix,
            gate=key.gate,
            since=stretch.since,
            clean_until=stretch.clean_until,
            until=stretch.until,
            measure=key.measure,
            value=stretch.value,
            of=stretch.of,
            threshold=threshold[1],
            threshold_name=threshold[0],
            sentence=sentence,
            explanation=explanation,
            advice=advice,
            view=view,
        )

    @property
    def key(self) -> MeasureKey:
        """The series that it was found in."""
        return MeasureKey(self.measure, self.quantity, self.direction, self.matrix, self.gate)

    @property
    def place(self) -> tuple[str, ...]:
        """What makes two findings of different times the same."""
        return self.fault, self.layer, self.quantity, self.direction, self.matrix, self.gate

    def __str__(self) -> str:
        """The sentence, behind where it is."""
        return f"{f'{self.run} / ' if self.run else ''}{self.layer}: {self.sentence}"


@dataclasses.dataclass(frozen=True)
class Stretch:
    """The steps through which something holds, up to the last one.

    Attributes:
        since: The first of them.
        clean_until: The one before; None where there is none.
        until: The last of them.
        value: Of the series at the last one, of …
        of: … a whole; None where there is none.
        lasts: Whether there are enough of them to say that it lasts.
        worst: Of events: the step of the largest value.
        times: Of events: how many there were.
    """

    since: int
    clean_until: int | None
    until: int
    value: float
    of: float | None
    lasts: bool
    worst: int = -1
    times: int = 0


def lasting(holds: npt.NDArray[np.bool_], steps: Steps, series: Series, persistence: float) -> Stretch | None:
    """The stretch through which a condition holds up to the last step, but for one step in ten; None where it doesn't.

    Args:
        holds: (steps,), whether it does.
        steps: (steps,), the training steps.
        series: What it holds of. Steps without a value count neither for nor against it.
        persistence: Of how many steps at least a stretch lasts.
    """
    known = np.flatnonzero(np.isfinite(series.values))
    if not known.size or not holds[known][-int(persistence) :].mean() > 0.5 or not holds[known[-1]]:
        return None
    of_known = holds[known]
    length = np.arange(known.size, 0, -1)
    failing = np.cumsum(~of_known[::-1])[::-1]
    first = int(np.argmax(of_known & (failing <= _FAILING * length)))
    of = float(series.of[known[-1]])
    return Stretch(
        since=int(steps[known[first]]),
        clean_until=int(steps[known[first - 1]]) if first else None,
        until=int(steps[known[-1]]),
        value=float(series.values[known[-1]]),
        of=of if np.isfinite(of) else None,
        lasts=known.size - first >= persistence,
    )


def events(happened: npt.NDArray[np.bool_], steps: Steps, series: Series, persistence: float) -> Stretch | None:
    """From the first to the last step at which something happened, with its largest value; None where nothing did.

    Args:
        happened: (steps,), whether it did.
        steps: (steps,), the training steps.
        series: What it happened to.
        persistence: How often it has to happen to be said to last.
    """
    places = np.flatnonzero(happened)
    if not places.size:
        return None
    worst = int(places[np.argmax(series.values[places])])
    return Stretch(
        since=int(steps[places[0]]),
        clean_until=int(steps[places[0] - 1]) if places[0] else None,
        until=int(steps[places[-1]]),
        value=float(series.values[worst]),
        of=None,
        lasts=places.size >= persistence,
        worst=int(steps[worst]),
        times=int(places.size),
    )


def number(value: float) -> str:
    """A number in two or three digits, as a sentence has it."""
    if value != 0 and not 1e-2 <= abs(value) < _THREE_DIGITS:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.3g}"


def percent(share: float) -> str:
    """A share in percent: never 0% of what is more than nothing, never 100% of what is less than all."""
    if 0 < share < _LEAST_SHARE:
        return f"<{_LEAST_SHARE:.2%}"
    if 0 < share < 0.005 or 0.995 < share < 1:
        return f"{min(share, 1 - _LEAST_SHARE):.2%}"
    return f"{share:.0%}"


def placed(direction: str, directions: Sequence[str]) -> str:
    """Names the direction, where there is more than one."""
    return f"in the {direction} direction, " if direction and len(directions) > 1 else ""


def so_far(stretch: Stretch, verb: str = "has") -> str:
    """How long it has been so."""
    return f"and {verb} since step {stretch.since}" if stretch.lasts else f"at step {stretch.until}"


def times(stretch: Stretch) -> str:
    """How often it happened; a sentence ends here."""
    if stretch.times == 1:
        return f"at step {stretch.worst}."
    return f"at step {stretch.worst}, the worst of {stretch.times} such steps since {stretch.since}."
