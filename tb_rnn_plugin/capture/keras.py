"""Keras models: taps in their training, probes on a batch of their own, and a callback for fit."""

import functools
import importlib
import inspect
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras

from tb_rnn_plugin import record
from tb_rnn_plugin.capture import keras_layers, layer_choice, taps
from tb_rnn_plugin.encoding import DTYPES, DType

Model: TypeAlias = Any
Tensor: TypeAlias = Any
Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]

_BACKENDS = {"tensorflow": "tb_rnn_plugin.capture.keras_tensorflow"}

_PROBE_LENGTHS = (2, 3)


def attach(
    model: Model,
    *,
    every: int,
    samples: int | None,
    layers: object = None,
    optimizer: Any = None,
    quantities: Sequence[str] | None = None,
    keep_inputs: bool = False,
) -> taps.Taps:
    """Taps in the user's own backward pass: in a loop of one's own, eagerly or in a tf.function, and in fit.

    A tf.function records from its first trace on: attach before the training step is called for the first time. Write
    after `optimizer.apply`, so that the weight gradients are there; the weights written are those before the update.

    Args:
        model: A Keras model.
        every: How often is written, in steps.
        samples: Of how many samples the arrays are kept; None for all.
        layers: Which recurrent layers; see `keras_layers.find`.
        optimizer: Whose `apply` gets the gradients; left out: that of `model.compile`. Where gradients are scaled for
            mixed precision, this optimizer knows by how much.
        quantities: What is recorded; left out: everything.
        keep_inputs: Whether each layer's input, initial state and mask are kept too, in the `inputs` of the taps.

    Raises:
        TypeError: If an argument is of the wrong type.
        ValueError: If the model has no recurrent layer, or not the one that is asked for.
    """
    picked = keras_layers.find(model, layers)
    if optimizer is not None and not callable(getattr(optimizer, "apply", None)):
        raise TypeError(f"optimizer: expected a Keras optimizer, got {type(optimizer).__name__}.")
    if optimizer is None:
        optimizer = getattr(model, "optimizer", None)
    if optimizer is None and record.WEIGHT_GRADIENTS in (quantities or taps.QUANTITIES):
        warnings.warn(
            "rnn_summary: weight gradients are left out, since no optimizer is known: the model isn't compiled. Pass "
            "the optimizer of your loop as optimizer=.",
            stacklevel=2,
        )
    made: taps.Taps = _backend().make_taps(
        model,
        picked,
        every=every,
        samples=samples,
        optimizer=optimizer,
        quantities=quantities,
        keep_inputs=keep_inputs,
    )
    return made


def capture(
    model: Model,
    x: Any,  # whatever the model takes
    y: Any = None,
    *,
    layers: object = None,
    sample_weight: Any = None,
    training: bool = False,
    loss: Loss | str | None = None,
) -> list[record.LayerRecord]:
    """Records of one batch, in a pass of its own. The model stays as it was, its metrics and random states too.

    Args:
        model: A built Keras model; without `loss`, a compiled one.
        x: The batch, as the model takes it.
        y: Its targets.
        layers: Which recurrent layers; see `keras_layers.find`.
        sample_weight: Weights of the samples, as `model.fit` takes them.
        training: Whether the model runs in training mode, with its dropout.
        loss: In place of the compiled loss: a Keras loss, its name, or a callable (y, prediction) → loss. What
            layers add by regularisation is added.

    Raises:
        TypeError: If an argument is of the wrong type.
        ValueError: If the model has no recurrent layer, not the one that is asked for, or no loss.
    """
    picked = keras_layers.find(model, layers)
    if not isinstance(training, bool):
        raise TypeError(f"training: expected a bool, got {type(training).__name__}.")
    own_pass = _fixed_pass(model, picked, (x, y, sample_weight), training=training, loss=loss, compiled=False)
    records: list[record.LayerRecord] = own_pass.records()
    return records


def _backend() -> Any:  # a module of this package
    name = keras.config.backend()
    if name not in _BACKENDS:
        raise ValueError(
            f"model: Keras runs on the {name} backend, which can't be recorded yet; can be: {', '.join(_BACKENDS)}."
        )
    return importlib.import_module(_BACKENDS[name])


def _fixed_pass(
    model: Model,
    layers: Sequence[keras_layers.RecurrentLayer],
    batch: tuple[Any, Any, Any],
    *,
    training: bool,
    loss: Loss | str | None,
    compiled: bool,
) -> Any:  # the backend's FixedPass
    x, y, sample_weight = (_tensors(part) for part in batch)
    of_prediction = _loss_of(model, x, y, sample_weight, training=training, loss=loss)
    return _backend().FixedPass(model, layers, of_prediction, x, training=training, compiled=compiled)


def _tensors(arrays: Any) -> Any:  # a tensor or a structure of them
    return keras.tree.map_structure(lambda array: None if array is None else keras.ops.convert_to_tensor(array), arrays)


def _loss_of(
    model: Model, x: Tensor, y: Tensor, sample_weight: Tensor, *, training: bool, loss: Loss | str | None
) -> Callable[[Tensor], Tensor]:
    """The loss as a function of the model's prediction."""
    if loss is None:
        if not getattr(model, "compiled", False):
            raise ValueError("loss: the model isn't compiled, so it has no loss; compile it or pass loss=.")
        compute = model.compute_loss
        takes_training = "training" in inspect.signature(compute).parameters
        if takes_training:
            compute = functools.partial(compute, training=training)
        return lambda prediction: compute(x=x, y=y, y_pred=prediction, sample_weight=sample_weight)
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    if not callable(loss):
        raise TypeError(f"loss: expected a callable (y, prediction) → loss or its name, got {type(loss).__name__}.")

    def of(prediction: Tensor) -> Tensor:
        if isinstance(loss, keras.losses.Loss):
            value = loss(y, prediction, sample_weight=sample_weight)
        else:
            value = loss(y, prediction)
            if sample_weight is not None:
                weight = keras.ops.cast(sample_weight, value.dtype)
                value *= keras.ops.reshape(weight, weight.shape + (1,) * (len(value.shape) - len(weight.shape)))
        value = keras.ops.mean(value)
        return value + sum(keras.ops.cast(term, value.dtype) for term in model.losses)

    return of


class KerasCallback(keras.callbacks.Callback):
    """Writes the recurrent layers of a model while `fit` trains it.

    Without `probe` it records the training passes themselves. With `probe`, a batch of its own is recorded instead, in
    a pass of its own: the same data at each step and in each run. Either way training goes on exactly as without it.

    A failure to record never ends the training: it is said once, and nothing more is written. Only what is wrong before
    the first batch raises: a wrong argument here, a layer that isn't there or a model without any as `fit` begins.

    `fit` does not call its callbacks when it raises: an error in the training step takes the taps off on its way
    through, and after any other they come off as soon as the callback is gone, or is used again.
    """

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
    ) -> None:
        """Takes what to write, how often, and where to.

        Args:
            writer: As in `rnn_summary.write`.
            every: How often, in batches.
            samples: Of how many samples the arrays are kept; None for all.
            layers: Which recurrent layers: None for all, a name or a part of one, an index, or a list of these.
            quantities: What is written: some of "activation", "output_gradient", "weights", "weight_gradients"; None
                for all.
            probe: (x, y) or (x, y, sample_weight).
            dtype: As in `rnn_summary.write`.

        Raises:
            TypeError: If an argument is of the wrong type.
            ValueError: If an argument has a wrong value.
        """
        super().__init__()
        self._schedule = taps.Schedule(every)
        taps.check_samples(samples)
        layer_choice.checked_picks(layers)
        if dtype not in DTYPES:
            raise ValueError(f"dtype: expected one of {', '.join(map(repr, DTYPES))}, got {dtype!r}.")
        self._writer = writer
        self._every = every
        self._samples = samples
        self._quantities = taps.checked_quantities(quantities)
        self._layers = layers
        self._probe_batch = _checked_probe(probe)
        self._dtype = dtype
        self._taps: Any = None  # the backend's taps, which also say whether they are armed
        self._probe: Any = None
        self._finalizer: Any = None
        self._next_step = 0
        self._epoch_start = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras's signature
        """Attaches the taps, or prepares the probe."""
        self._stop()
        self._next_step = _batches_trained(self.model)
        picked = keras_layers.find(self.model, self._layers)
        self._safely(self._start, picked)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Notes the step at which the epoch begins."""
        self._epoch_start = self._next_step

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Records the probe, or turns the taps on, when it is time."""
        step = self._epoch_start + batch
        if self._probe is not None:
            self._safely(self._write_probe, step)
        elif self._taps is not None:
            last = step + getattr(self.model, "steps_per_execution", 1) - 1
            due = self._taps.schedule.is_due(last)
            if due != self._taps.armed:
                self._safely(lambda tapped: tapped.arm(armed=due), self._taps)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Writes what was recorded."""
        batches = (self.params or {}).get("steps")
        if batches:  # with steps_per_execution, Keras counts batches after the last one of an epoch
            batch = min(batch, batches - 1)
        step = self._epoch_start + batch
        self._next_step = step + 1
        if self._taps is not None:
            self._safely(self._write_taps, self._taps, step)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Takes the taps off, and writes out what is still in memory."""
        self._stop()
        self._safely(self._flush)

    def _start(self, picked: list[keras_layers.RecurrentLayer]) -> None:
        self._schedule = taps.Schedule(self._every)
        if self._probe_batch is not None:
            self._schedule.start(self._next_step)
            self._probe = _fixed_pass(
                self.model,
                picked,
                self._probe_batch,
                training=False,
                loss=None,
                compiled=not getattr(self.model, "run_eagerly", False),
            )
            return
        self._taps = _backend().make_taps(
            self.model,
            picked,
            every=self._every,
            samples=self._samples,
            optimizer=self.model.optimizer,
            quantities=self._quantities,
        )
        self._taps.schedule.start(self._next_step)
        self._finalizer = weakref.finalize(self, self._taps.detach)
        self._finalizer.atexit = False
        self.model.train_function = _detaching(self.model.train_function, self._taps)

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
        rnn_summary.write(records, step=step, writer=self._writer, samples=self._samples, dtype=self._dtype)

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


def _detaching(train_function: Callable[..., Any], tapped: taps.Taps) -> Callable[..., Any]:
    """`train_function`, taking the taps off when it raises."""

    @functools.wraps(train_function)
    def guarded(*arguments: Any) -> Any:
        try:
            return train_function(*arguments)
        except StopIteration:  # the end of an epoch
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
    lengths = {len(array) for part in probe if part is not None for array in keras.tree.flatten(part)}
    if len(lengths) > 1:
        raise ValueError(f"probe: expected as many samples in each of its arrays, got {sorted(lengths)}.")
    x, y, *rest = probe
    return x, y, rest[0] if rest else None


def _batches_trained(model: Model) -> int:
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return 0
    return int(optimizer.iterations) * (getattr(optimizer, "gradient_accumulation_steps", None) or 1)
