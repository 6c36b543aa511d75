"""What the taps of every framework share: when they record, and how a training loop holds them."""

import abc
from collections.abc import Callable, Collection
from types import TracebackType
from typing import TYPE_CHECKING

from tb_rnn_plugin.quantity_names import ACTIVATION, OUTPUT_GRADIENT, REACH, is_reach
from tb_rnn_plugin.record import MATRIX_QUANTITIES, LayerRecord
from tb_rnn_plugin.recurrence import layer as recurrent_layer

if TYPE_CHECKING:
    from typing_extensions import Self


#: What taps can record; and "reach/40" of any timestep.
QUANTITIES = (
    ACTIVATION,
    OUTPUT_GRADIENT,
    *recurrent_layer.QUANTITIES,
    *MATRIX_QUANTITIES,
)


class Schedule:
    """Which steps are written, and so which forward and backward passes have to be recorded.

    A write is due on the first step that reaches or passes a multiple of `every`. Recording has to begin *before* that
    step's forward pass, so the next step is foretold from the distance of the last two.
    """

    def __init__(self, every: int) -> None:
        """Records the first step, and then every `every` steps.

        Raises:
            TypeError: If `every` is not an int.
            ValueError: If `every` is below 1.
        """
        if isinstance(every, bool) or not isinstance(every, int):
            raise TypeError(f"every: expected an int, got {type(every).__name__}.")
        if every < 1:
            raise ValueError(f"every: expected at least 1, got {every}.")
        self.every = every
        self._last_step: int | None = None
        self._reached: int | None = None  # the last step written, or else where the loop began

    def start(self, step: int) -> None:
        """Says that `step` is the first to come, where that is known.

        Then the first write isn't missed by a loop that sees only some of the steps, as with Keras's
        steps_per_execution.
        """
        self._last_step = self._reached = step - 1

    def is_due(self, step: int) -> bool:
        """Whether a multiple of `every` lies in the steps since the last write, `step` included."""
        if self._reached is None or step < self._reached:  # the first step, or a loop that starts over
            return step % self.every == 0
        return step // self.every > self._reached // self.every

    def advance(self, step: int, *, written: bool) -> bool:
        """Takes note that `step` is over; returns whether the next step has to be recorded."""
        distance = max(step - self._last_step, 1) if self._last_step is not None else 1
        self._last_step = step
        if written or self._reached is None or step < self._reached:
            self._reached = step
        return self.is_due(step + distance)


def check_samples(samples: object) -> None:
    """Checks of how many samples the arrays are to be kept.

    Raises:
        TypeError: If it is neither an int nor None.
        ValueError: If it is below 1.
    """
    if samples is None:
        return
    if isinstance(samples, bool) or not isinstance(samples, int):
        raise TypeError(f"samples: expected an int or None, got {type(samples).__name__}.")
    if samples < 1:
        raise ValueError(f"samples: expected at least 1, got {samples}.")


def checked_quantities(quantities: Collection[str] | None) -> frozenset[str] | None:
    """Checks which quantities are to be recorded; None: those that are by default.

    Raises:
        TypeError: If it is not a sequence of names.
        ValueError: If it is empty, or a name is not one of those that can be recorded.
    """
    if quantities is None:
        return None
    if isinstance(quantities, str) or not isinstance(quantities, Collection):
        raise TypeError(f"quantities: expected a sequence of names, got {type(quantities).__name__}.")
    unknown = {name for name in set(quantities) - set(QUANTITIES) if not (isinstance(name, str) and is_reach(name))}
    if unknown or not quantities:
        got = ", ".join(sorted(map(repr, unknown))) or "none"
        raise ValueError(
            f"quantities: expected some of {', '.join(QUANTITIES)}, or '{REACH}/40' for the reach of timestep 40 "
            f"(they count from 0); got {got}."
        )
    return frozenset(quantities)


def derived_quantities(quantities: Collection[str] | None, *, bptt: bool) -> frozenset[str]:
    """What is computed beside what taps record: some of `recurrence.layer.QUANTITIES`, and reaches of timesteps.

    Args:
        quantities: What the user asks for, as it was checked; None: what there is by default.
        bptt: Whether anything is computed at all.

    Raises:
        TypeError: If `bptt` is not a bool.
    """
    if not isinstance(bptt, bool):
        raise TypeError(f"bptt: expected a bool, got {type(bptt).__name__}.")
    if not bptt:
        return frozenset()
    if quantities is None:
        return recurrent_layer.DEFAULT_QUANTITIES
    return frozenset(filter(recurrent_layer.is_derived, quantities))


class Taps(abc.ABC):
    """Taps on the recurrent layers of one model: what `rnn_summary.attach` returns.

    A context manager: leaving it, by an exception too, detaches the taps and leaves the model as it was.
    """

    def __init__(
        self, *, every: int, samples: int | None, quantities: Collection[str] | None = None, bptt: bool = True
    ) -> None:
        """Sets how often is written, what, and of how many samples.

        Args:
            every: How often, in steps.
            samples: Of how many samples the arrays are kept, and what is computed; None: of all.
            quantities: What is recorded; None: what is by default.
            bptt: Whether what follows from the recurrence is computed: gradients through time, gates, cell states.
        """
        check_samples(samples)
        self.quantities = checked_quantities(quantities)
        #: What is computed of recurrent layers when their records are written.
        self.derived = derived_quantities(self.quantities, bptt=bptt)
        self.schedule = Schedule(every)
        self.samples = samples
        #: Whether `before_pass` is called before each pass that is recorded: a callback of `fit` knows when that is.
        self.passes_told = False
        self.before_pass: Callable[[], None] | None = None

    def __enter__(self) -> "Self":
        """The taps themselves: they are attached from the moment they are made."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Detaches."""
        self.detach()

    def collect(self, step: int) -> list[LayerRecord]:
        """The records of the pass just made, when `step` is one to be written; else none.

        Called once a step, after the backward pass. It also turns recording on or off for the next pass.
        """
        due = self.schedule.is_due(step)
        records = self._wanted(self.take()) if due else []
        self.arm(armed=self.schedule.advance(step, written=bool(records)))
        return records

    def wants(self, *quantities: str) -> bool:
        """Whether any of these is to be recorded."""
        return self.quantities is None or not self.quantities.isdisjoint(quantities)

    def _wanted(self, records: list[LayerRecord]) -> list[LayerRecord]:
        if self.quantities is None:
            return records
        return [wanted for record in records if (wanted := record.only(self.quantities)) is not None]

    @abc.abstractmethod
    def arm(self, *, armed: bool) -> None:
        """Turns recording on or off, beginning with the next forward pass."""

    @abc.abstractmethod
    def take(self) -> list[LayerRecord]:
        """The records of what was recorded since the last call, in model order; empty when no backward pass was."""

    @abc.abstractmethod
    def detach(self) -> None:
        """Takes the taps off. Calling it again does nothing."""
