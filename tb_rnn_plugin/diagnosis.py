"""The diagnosis of a run while it is written: its measures, its chief scalars, and what is newly found in it."""

import dataclasses
import threading
import weakref
from collections.abc import Callable, Collection, Sequence

from tb_rnn_plugin.diagnostics.chief_scalars import chief_scalars
from tb_rnn_plugin.diagnostics.finding import FAULTS, Fault, Finding
from tb_rnn_plugin.diagnostics.histories import QuantityHistory, quantity_history
from tb_rnn_plugin.diagnostics.live import Watch
from tb_rnn_plugin.diagnostics.measuring import Measuring
from tb_rnn_plugin.diagnostics.thresholds import DEFAULT, Thresholds
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.rnn_data_pb2 import Layer, Measure, QuantitySummary


@dataclasses.dataclass(frozen=True)
class DiagnosisOptions:
    """What is asked of a diagnosis with a write.

    Attributes:
        thresholds: What divides the sick from the healthy.
        scalars: Whether the chief measures are written as scalars too.
        watched: Whether findings are wanted.
    """

    thresholds: Thresholds = DEFAULT
    scalars: bool = True
    watched: bool = False


class RunDiagnosis:
    """Of one destination of records: a run. What it needs of earlier writes stays here."""

    def __init__(self) -> None:
        """Knows of no write yet."""
        self._measuring = Measuring()
        self._watch = Watch()
        self._lock = threading.Lock()

    def measures(
        self, record: LayerRecord, quantity: str, step: int, samples: int | None, thresholds: Thresholds
    ) -> list[Measure]:
        """The measures of a quantity that is about to be stored."""
        with self._lock:
            return self._measuring.measures(record, quantity, step, samples, thresholds)

    def observe(
        self, layer: Layer, step: int, stored: Sequence[tuple[str, QuantitySummary]], options: DiagnosisOptions
    ) -> dict[str, float]:
        """Takes note of what is stored of a layer at a step; returns its chief scalars, if they are wanted."""
        if not (options.scalars or options.watched):
            return {}
        histories: list[QuantityHistory] = [
            quantity_history(layer, quantity, [step], [summary], options.thresholds) for quantity, summary in stored
        ]
        if options.watched:
            with self._lock:
                for history in histories:
                    self._watch.observe(layer, history)
        return chief_scalars(histories) if options.scalars else {}

    def judge(self, options: DiagnosisOptions) -> None:
        """Judges the run, when all layers of a write were observed."""
        if options.watched:
            with self._lock:
                self._watch.judge(options.thresholds)

    def forget(self) -> None:
        """Lets go of the weights of the last write: nothing more is written. What was found stays to be taken."""
        with self._lock:
            self._measuring = Measuring()

    def take(self) -> list[Finding]:
        """What was newly found since the last call."""
        return self._watch.take()


class TrainingStopped(RuntimeError):  # noqa: N818  # no error of the program, but what the user asked to be told
    """Raised by `rnn_summary.write` on a fault that is in `stop_on`.

    Attributes:
        finding: The fault.
    """

    def __init__(self, finding: Finding) -> None:
        """Says where, what and since when."""
        super().__init__(str(finding))
        self.finding = finding


def deliver(
    diagnosis: RunDiagnosis, on_finding: Callable[[Finding], object] | None, stop_on: Collection[Fault]
) -> None:
    """Hands over what was newly found; what `on_finding` raises comes out of here.

    Raises:
        TrainingStopped: If a fault of `stop_on` is among it, when all was handed over.
    """
    found = diagnosis.take()
    if on_finding is not None:
        for finding in found:
            on_finding(finding)
    for finding in found:
        if finding.fault in stop_on:
            raise TrainingStopped(finding)


def checked_stop_on(stop_on: Collection[str]) -> frozenset[Fault]:
    """Checks the names of faults.

    Raises:
        TypeError: If it is not a collection of names.
        ValueError: If a name is of no fault.
    """
    if isinstance(stop_on, str) or not isinstance(stop_on, Collection):
        raise TypeError(f"stop_on: expected a set of faults, got {type(stop_on).__name__}.")
    unknown = sorted(set(stop_on) - set(FAULTS))
    if unknown:
        raise ValueError(f"stop_on: expected some of {', '.join(FAULTS)}; got {', '.join(map(repr, unknown))}.")
    return frozenset(fault for fault in FAULTS if fault in stop_on)


def checked_on_finding(on_finding: object) -> None:
    """Checks what findings are to be handed to.

    Raises:
        TypeError: If it can't be called.
    """
    if on_finding is not None and not callable(on_finding):
        raise TypeError(f"on_finding: expected a function of a Finding, got {type(on_finding).__name__}.")


_of_writers: "weakref.WeakKeyDictionary[object, RunDiagnosis]" = weakref.WeakKeyDictionary()
_of_default_writer = RunDiagnosis()


def of_writer(writer: object) -> RunDiagnosis:
    """The one diagnosis of a writer of the user's own, which is forgotten with it; None: of the default writer.

    A writer that can't be told apart from others, or not be held weakly, gets a new one at each write: then nothing is
    known of the write before.
    """
    if writer is None:
        return _of_default_writer
    try:
        return _of_writers.setdefault(writer, RunDiagnosis())
    except TypeError:
        return RunDiagnosis()
