"""The callback for `fit`, of Keras 3 and tf_keras alike: when it records, what it writes, what it does on errors."""

import functools
import warnings
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, cast

from tb_rnn_plugin import record
from tb_rnn_plugin.capture import frameworks, layer_choice, taps
from tb_rnn_plugin.capture.fit_findings import FitFindings
from tb_rnn_plugin.capture.keras import layers as keras_layers
from tb_rnn_plugin.capture.recurrences import Derivation
from tb_rnn_plugin.diagnostics.finding import Finding
from tb_rnn_plugin.diagnostics.thresholds import DEFAULT, Thresholds
from tb_rnn_plugin.encoding import DTYPES, DType
from tb_rnn_plugin.writing import event_writer

Model: TypeAlias = Any

_PROBE_LENGTHS = (2, 3)


class FitModule(Protocol):
    """What the callback asks of the module that captures the model."""

    def fit_taps(self, model: Model, layers: Sequence[keras_layers.RecordedLayer], **options: Any) -> taps.Taps:
        """Taps on the training step of a `fit` that has begun; an error in the step takes them off where that can be.

        They have `armed`: whether the next pass is recorded. The options are those of `taps.Taps`.
        """

    def fit_probe(
        self,
        model: Model,
        layers: Sequence[keras_layers.RecordedLayer],
        batch: tuple[Any, Any, Any],
        derivation: Derivation,
    ) -> Any:
        """What records the batch (x, y, sample_weight) with the weights of the moment: `records()`."""

    def batches_trained(self, model: Model) -> int:
        """How many batches the model has been trained on."""

    def steps_per_execution(self, model: Model) -> int:
        """How many batches lie between two calls of a callback."""


class FitCallback:
    """What `rnn_summary.KerasCallback` does, whichever Keras calls it.

    The base class that Keras wants comes beside it; it has `model` and `params` from there.
    """

    model: Model
    params: dict[str, Any] | None

    #: tf_keras makes numbers of a batch's losses, and waits for them, for callbacks that don't say that they need none.
    _supports_tf_logs = True

    def __init__(
        self,
        writer: Any = None,  # whatever rnn_summary.write takes
        *,
        every: int = 50,
        samples: int | None = 4,
        layers: object = None,
        probe: Sequence[Any] | None = None,
        quantities: Sequence[str] | None = None,
        dtype: DType = "float32",
        bptt: bool = True,
        on_finding: Callable[[Finding], object] | None = None,
        stop_on: Collection[str] = (),
        thresholds: Thresholds = DEFAULT,
        scalars: bool = True,
    ) -> None:
        """Takes what to write, how often, and where to.

        Args:
            writer: As in `rnn_summary.write`.
            every: How often, in batches.
            samples: Of how many samples the arrays are kept; None for all.
            layers: Which recurrent layers: None for all, a name or a part of one, an index, or a list of these.
            quantities: What is written; as in `rnn_summary.attach`.
            probe: (x, y) or (x, y, sample_weight).
            dtype: As in `rnn_summary.write`.
            bptt: Whether gradients through time, gates and cell states are computed; as in `rnn_summary.attach`.
            on_finding: Is called between two batches with every warning and error that is newly found, a Finding. What
                it raises comes out of `fit`.
            stop_on: Faults that end the training: "nan", "exploding" or another `fault` of a Finding. `fit` then
                returns as it does at its end, the reason is said, and `stopped_by` holds the finding.
            thresholds: As in `rnn_summary.write`.
            scalars: As in `rnn_summary.write`.

        Raises:
            TypeError: If an argument is of the wrong type.
            ValueError: If an argument has a wrong value.
        """
        super().__init__()
        self._findings = FitFindings(on_finding, stop_on, thresholds, scalars=scalars)
        self._has_written = False
        self._schedule = taps.Schedule(every)
        taps.check_samples(samples)
        layer_choice.checked_picks(layers)
        if dtype not in DTYPES:
            raise ValueError(f"dtype: expected one of {', '.join(map(repr, DTYPES))}, got {dtype!r}.")
        self._writer = writer
        self._every = every
        self._samples = samples
        self._quantities = taps.checked_quantities(quantities)
        self._bptt = bptt
        derived = taps.derived_quantities(self._quantities, bptt=bptt)
        self._derivation = Derivation(quantities=derived, samples=samples, training=False)
        self._layers = layers
        self._probe_batch = _checked_probe(probe)
        self._dtype = dtype
        self._framework: FitModule  # from the beginning of `fit` on
        self._taps: Any = None  # the backend's taps, which also say whether they are armed
        self._probe: Any = None
        self._finalizer: Any = None
        self._has_begun = False  # the first epoch
        self._next_step = 0
        self._epoch_start = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras's signature
        """Attaches the taps, or prepares the probe."""
        self._stop()
        self._findings.stopped_by = None
        self._framework = cast("FitModule", frameworks.capture_module(self.model))
        self._has_begun = False
        picked = keras_layers.find(self.model, self._layers)
        self._safely(self._start, picked)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Notes the step at which the epoch begins."""
        if not self._has_begun:  # not as `fit` begins: another callback may restore an earlier training there
            self._has_begun = True
            self._next_step = self._framework.batches_trained(self.model)
            (self._schedule if self._taps is None else self._taps.schedule).start(self._next_step)
        self._epoch_start = self._next_step

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Records the probe, or turns the taps on, when it is time."""
        step = self._epoch_start + batch
        if self._probe is not None:
            self._safely(self._write_probe, step)
        elif self._taps is not None:
            last = step + self._framework.steps_per_execution(self.model) - 1
            due = self._taps.schedule.is_due(last)
            if due != self._taps.armed:
                self._safely(lambda tapped: tapped.arm(armed=due), self._taps)
            if due and self._taps is not None and self._taps.passes_told and self._taps.before_pass is not None:
                self._safely(self._taps.before_pass)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Writes what was recorded."""
        batches = (self.params or {}).get("steps")
        if batches:  # with steps_per_execution, Keras counts batches after the last one of an epoch
            batch = min(batch, batches - 1)
        step = self._epoch_start + batch
        self._next_step = step + 1
        if self._taps is not None:
            self._safely(self._write_taps, self._taps, step)
        self._hand_over()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Takes the taps off, and writes out what is still in memory."""
        self._stop()
        self._safely(self._flush)
        self._hand_over()

    @property
    def stopped_by(self) -> Finding | None:
        """The finding that ended the last training; None where none did."""
        return self._findings.stopped_by

    def _implements_train_batch_hooks(self) -> bool:
        """What tf_keras asks its own callbacks."""
        return True

    def _implements_test_batch_hooks(self) -> bool:
        return False

    def _implements_predict_batch_hooks(self) -> bool:
        return False

    def _start(self, picked: list[keras_layers.RecordedLayer]) -> None:
        self._schedule = taps.Schedule(self._every)
        if self._probe_batch is not None:
            self._probe = self._framework.fit_probe(self.model, picked, self._probe_batch, self._derivation)
            return
        self._taps = self._framework.fit_taps(
            self.model,
            picked,
            every=self._every,
            samples=self._samples,
            quantities=self._quantities,
            bptt=self._bptt,
        )
        self._finalizer = weakref.finalize(self, self._taps.detach)
        self._finalizer.atexit = False

    def _stop(self) -> None:
        if self._taps is not None:
            self._finalizer.detach()
            self._taps.detach()
        self._taps = None
        self._probe = None

    def _write_probe(self, step: int) -> None:
        if self._schedule.is_due(step):
            self._write(self._probe.records(), step)
            self._schedule.advance(step, written=True)

    def _write_taps(self, tapped: taps.Taps, step: int) -> None:
        records = tapped.collect(step)
        if records:
            self._write(records, step)

    def _write(self, records: list[record.LayerRecord], step: int) -> None:
        from tb_rnn_plugin import rnn_summary  # noqa: PLC0415  # which imports this module when it is asked for

        if self._quantities is not None:  # a probe records everything
            records = [wanted for made in records if (wanted := made.only(self._quantities)) is not None]
        options = self._findings.write_options
        rnn_summary.write(records, step=step, writer=self._writer, samples=self._samples, dtype=self._dtype, **options)
        self._has_written = True

    def _hand_over(self) -> None:
        """Outside of `_safely`: what the user's own function raises is the user's."""
        if self._has_written:
            self._findings.hand_over(lambda: event_writer.resolve(self._writer).diagnosis, self.model)

    def _flush(self) -> None:
        from tb_rnn_plugin import rnn_summary  # noqa: PLC0415

        rnn_summary.flush(self._writer)

    def _safely(self, action: Callable[..., None], *arguments: object) -> None:
        """Training is worth more than its log: an error is said, and nothing more is written."""
        try:
            action(*arguments)
        except Exception as error:  # noqa: BLE001
            self._stop()
            warnings.warn(f"rnn_summary: nothing more is written of this training: {error!r}.", stacklevel=3)


def detaching(
    train_function: Callable[..., Any], tapped: taps.Taps, end_of_data: tuple[type[Exception], ...]
) -> Callable[..., Any]:
    """`train_function`, taking the taps off when it raises anything but what ends an epoch."""

    @functools.wraps(train_function)
    def guarded(*arguments: Any) -> Any:
        try:
            return train_function(*arguments)
        except end_of_data:
            raise
        except BaseException:
            tapped.detach()
            raise

    return guarded


def _checked_probe(probe: Sequence[Any] | None) -> tuple[Any, Any, Any] | None:
    if probe is None:
        return None
    if not isinstance(probe, tuple | list):
        raise TypeError(f"probe: expected a tuple (x, y) or (x, y, sample_weight), got {type(probe).__name__}.")
    if len(probe) not in _PROBE_LENGTHS:
        raise ValueError(f"probe: expected (x, y) or (x, y, sample_weight), got {len(probe)} items.")
    lengths = {_samples(array) for part in probe for array in _arrays(part)}
    if len(lengths) > 1:
        raise ValueError(f"probe: expected as many samples in each of its arrays, got {sorted(lengths)}.")
    x, y, *rest = probe
    return x, y, rest[0] if rest else None


def _samples(array: Any) -> int:
    try:
        return len(array)
    except TypeError:
        got = type(array).__name__
        raise TypeError(f"probe: expected arrays with samples along their first axis, got {got} among them.") from None


def _arrays(part: Any) -> Iterator[Any]:
    """The arrays of an input or target, which may be a list or a dictionary of them."""
    if isinstance(part, Mapping):
        part = list(part.values())
    if isinstance(part, list | tuple):
        for inner in part:
            yield from _arrays(inner)
    elif part is not None:
        yield part
