"""What is found while `fit` trains: handed to the user, and a reason to stop."""

import warnings
from collections.abc import Callable, Collection
from typing import Any

from tb_rnn_plugin.diagnosis import DiagnosisOptions, RunDiagnosis, checked_on_finding, checked_stop_on, deliver
from tb_rnn_plugin.diagnostics.finding import Finding
from tb_rnn_plugin.diagnostics.thresholds import Thresholds


class FitFindings:
    """Hands findings over between the batches of one training, on its thread.

    Attributes:
        stopped_by: The finding that ended the training; None as long as none did.
    """

    def __init__(
        self,
        on_finding: Callable[[Finding], object] | None,
        stop_on: Collection[str],
        thresholds: Thresholds,
        *,
        scalars: bool,
    ) -> None:
        """Takes what `rnn_summary.write` takes.

        Raises:
            TypeError: If an argument is of the wrong type.
            ValueError: If `stop_on` names no fault.
        """
        checked_on_finding(on_finding)
        if not isinstance(thresholds, Thresholds):
            raise TypeError(f"thresholds: expected Thresholds, got {type(thresholds).__name__}.")
        self._on_finding = on_finding
        self._stop_on = checked_stop_on(stop_on)
        self._options = DiagnosisOptions(thresholds, scalars, watched=on_finding is not None or bool(self._stop_on))
        self._new: list[Finding] = []
        self.stopped_by: Finding | None = None

    @property
    def write_options(self) -> dict[str, Any]:
        """What `rnn_summary.write` is to be called with."""
        watching = {"on_finding": self._new.append} if self._options.watched else {}
        return {**watching, "thresholds": self._options.thresholds, "scalars": self._options.scalars}

    def hand_over(self, diagnosis: Callable[[], RunDiagnosis], model: Any) -> None:
        """Gives the user what is new, and stops the training of a Keras model for a fault that is to end it.

        What `on_finding` raises comes out of here, and so out of `fit`.

        Args:
            diagnosis: Gives that of what is written to, once something was.
            model: The model in training.
        """
        if not self._options.watched:
            return
        deliver(diagnosis(), self._new.append, ())
        found, self._new[:] = list(self._new), []
        for finding in found:
            if self._on_finding is not None:
                self._on_finding(finding)
            if finding.fault in self._stop_on and self.stopped_by is None:
                self.stopped_by = finding
                model.stop_training = True
                warnings.warn(f"rnn_summary: training is stopped. {finding}", stacklevel=4)
