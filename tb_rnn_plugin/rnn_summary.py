"""The public writing API: `from tb_rnn_plugin import rnn_summary`.

In a training loop of PyTorch, for example:

    with rnn_summary.attach(model, every=50, samples=4) as taps:
        for step, (x, y) in enumerate(batches):
            loss = criterion(model(x), y)
            loss.backward()
            rnn_summary.write(taps, step=step, writer="logs/lstm")
            optimizer.step()
"""

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tb_rnn_plugin.capture import frameworks
from tb_rnn_plugin.capture.taps import Taps
from tb_rnn_plugin.derivation import completed_at_once
from tb_rnn_plugin.description import LayerDescription, ModelDescription
from tb_rnn_plugin.diagnosis import (
    DiagnosisOptions,
    TrainingStopped,
    checked_on_finding,
    checked_stop_on,
    deliver,
)
from tb_rnn_plugin.diagnostics.finding import Finding
from tb_rnn_plugin.diagnostics.thresholds import DEFAULT, Thresholds
from tb_rnn_plugin.encoding import DTYPES, DType
from tb_rnn_plugin.event_reader import read_records
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.writing import directory_writer, event_writer
from tb_rnn_plugin.writing.directory_writer import close
from tb_rnn_plugin.writing.summary_events import Write

if TYPE_CHECKING:
    from tb_rnn_plugin.capture.keras.entry import KerasCallback

__all__ = [
    "Finding",
    "KerasCallback",
    "LayerDescription",
    "LayerRecord",
    "ModelDescription",
    "Taps",
    "Thresholds",
    "TrainingStopped",
    "attach",
    "capture",
    "close",
    "describe",
    "flush",
    "read",
    "write",
]

# More than an event file's int64 could hold would be lost in the background; the HTTP API takes 18 digits.
_STEPS = 10**18

Layers = str | int | Sequence[str | int] | None


def attach(
    model: Any,  # a model of any framework
    *,
    every: int = 50,
    samples: int | None = 4,
    layers: Layers = None,
    optimizer: Any | None = None,  # an optimizer of any framework
    quantities: Sequence[str] | None = None,
    grad_scaler: Any | None = None,  # a torch.amp.GradScaler
    bptt: bool = True,
) -> Taps:
    """Taps the recurrent layers of a model, in the user's own forward and backward pass.

    Args:
        model: A Keras model, a PyTorch module (with DataParallel or DistributedDataParallel: the wrapper), or a Flax
            nnx module.
        every: How often `write` writes: on the steps that reach a multiple of it. Between them the taps do nothing.
        samples: Of how many samples of the batch the arrays are kept; None: of all. Statistics are over the whole
            batch; those of what is computed (see `bptt`) are over the samples that are kept.
        layers: Which layers: names, parts of names, indexes, or "*" for all that can be recorded, recurrent or not;
            left out: every recurrent layer. `describe` shows them.
        optimizer: The one that is given the weight gradients. For Keras in a loop of one's own, unless the model is
            compiled with it; for Flax the nnx.Optimizer. PyTorch needs none: its parameters hold their gradients.
        quantities: What is recorded: some of "activation", "output_gradient", "weights", "weight_gradients",
            "bptt_gradient" (the total gradient dL/dh_t), "cell_state", "gate/forget" and the other gates; left out:
            all of these. On request alone: "cell_state_gradient" (dL/dc_t), "input_gradient" (dL/dx_t; of a
            bidirectional layer by way of the forward direction, then by way of the backward one), and "reach"
            (‖∂h_T/∂h_t‖ for every t), or "reach/40" for that of timestep 40. A reach takes several times as long as the
            rest together.
        grad_scaler: For PyTorch with automatic mixed precision: the GradScaler, whose scale is in all gradients.
        bptt: Whether the gradient through time, the gates and the cell state of recurrent layers are computed: outside
            of the training step, of the samples that are kept, from what the taps recorded. Where that can't be right
            (dropout inside the cell, an unknown cell) they are left out, and the reason is said.

    Returns:
        The taps: pass them to `write` after every backward pass; use them in a `with` statement, or call `detach`.

    Raises:
        TypeError: If the model is of no known framework, or an argument is of the wrong type.
        ValueError: If a layer is unknown, or there is none to be tapped.
    """
    scaling = {} if grad_scaler is None else {"grad_scaler": grad_scaler}
    if scaling and frameworks.framework_of(model) != "torch":
        raise TypeError("grad_scaler: expected only with a PyTorch model; other frameworks scale in their optimizer.")
    return frameworks.capture_module(model).attach(
        model,
        every=every,
        samples=samples,
        layers=layers,
        optimizer=optimizer,
        quantities=quantities,
        bptt=bptt,
        **scaling,
    )


def capture(
    model: Any,  # a model of any framework
    x: Any,  # its input, as the model takes it
    y: Any,  # its target, as the loss takes it
    *,
    loss: Any | None = None,  # a callable, as the framework has it
    layers: Layers = None,
    sample_weight: Any | None = None,  # an array of any framework
    training: bool = False,
    clipped: bool = False,
    bptt: bool = True,
) -> list[LayerRecord]:
    """Activations, output gradients, weights and weight gradients of one batch, in a pass of its own.

    And what follows from them: the total gradients through time, gates and cell states of recurrent layers. Their
    records hold a `recurrence` too, which says how far the last state reaches back (`recurrence.reach()`), and on which
    inputs the loss depends (`recurrence.input_gradient()`).

    The model, its optimizer and its state are as before afterwards.

    Args:
        model: A Keras model, a PyTorch module, or a Flax nnx module.
        x: The batch's input.
        y: The batch's target.
        loss: As the framework has it: `loss(y, prediction)` for Keras, where the compiled one is taken if it is left
            out; `loss(prediction, y)` for PyTorch and Flax.
        layers: Which layers, as in `attach`.
        sample_weight: Weights of the samples in the loss.
        training: Whether the model runs in training mode.
        clipped: For a compiled Keras model: whether weight gradients are clipped as its optimizer would clip them
            (clipnorm, global_clipnorm, clipvalue). Elsewhere clipping is a step of the training loop: with PyTorch,
            what `write` finds after torch.nn.utils.clip_grad_norm_ is clipped. Output gradients never are.
        bptt: Whether the gradient through time, the gates and the cell state of recurrent layers are computed.

    Returns:
        A record a layer, in model order, of the whole batch.

    Raises:
        TypeError: If the model is of no known framework, or an argument is of the wrong type.
        ValueError: If a layer is unknown, there is none to be captured, or there is no loss.
    """
    clipping = {"clipped": True} if clipped else {}
    if clipping and frameworks.framework_of(model) not in {"keras", "tf_keras"}:
        raise TypeError(
            "clipped: expected only with a Keras model, whose optimizer says how. With PyTorch, write(taps, …) after "
            "torch.nn.utils.clip_grad_norm_ writes clipped gradients."
        )
    if not isinstance(bptt, bool):
        raise TypeError(f"bptt: expected a bool, got {type(bptt).__name__}.")
    records = frameworks.capture_module(model).capture(
        model, x, y, loss=loss, layers=layers, sample_weight=sample_weight, training=training, bptt=bptt, **clipping
    )
    return [done for record in records if (done := completed_at_once(record)) is not None]


def describe(
    model: Any,  # a model of any framework
    layers: Layers = None,
    *,
    samples: int = 4,
    timesteps: int = 100,
) -> ModelDescription:
    """What will be recorded of a model, before anything is: a table when it is printed.

    Layer by layer: cell, units, directions, gates in the order of their blocks, channels, the shapes of the weights and
    the bytes of one write; activation functions, dropout, initialisers and penalties where the layer has them; and
    which layers are left out, with the reason.

    Args:
        model: A Keras model, a PyTorch module, or a Flax nnx module.
        layers: Which layers, as in `attach`.
        samples: Of how many samples arrays are to be kept: for the size of a write alone.
        timesteps: How many there are: for the size of a write alone.

    Returns:
        A sequence of LayerDescription, in model order.

    Raises:
        TypeError: If the model is of no known framework, or an argument is of the wrong type.
        ValueError: If a layer is unknown, or `samples` or `timesteps` is below 1.
    """
    for argument, value in (("samples", samples), ("timesteps", timesteps)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{argument}: expected an int, got {type(value).__name__}.")
        if value < 1:
            raise ValueError(f"{argument}: expected at least 1, got {value}.")
    return frameworks.capture_module(model).describe(model, layers, samples=samples, timesteps=timesteps)


def write(
    records: Taps | LayerRecord | Iterable[LayerRecord],
    step: int,
    writer: object = None,
    *,
    samples: int | None = None,
    dtype: DType = "float32",
    on_finding: Callable[[Finding], object] | None = None,
    stop_on: Collection[str] = (),
    thresholds: Thresholds = DEFAULT,
    scalars: bool = True,
) -> bool:
    """Writes records, or what taps recorded in the pass just made.

    Args:
        records: Taps, a record, or several in model order.
        step: The training step.
        writer: A directory (str or Path), a tf.summary writer, or a torch SummaryWriter; left out: TensorFlow's
            default writer. A directory gets an event file of its own, written from a background thread.
        samples: Of how many samples the arrays are kept. Left out: as many as the taps were told to; all of given
            records. Statistics are always over all samples.
        dtype: How arrays are stored: "float32", or "bfloat16" in half the space, with 8 bits of precision.
        on_finding: Is called, here, with every warning and error that is newly found in the run: a Finding, which says
            what, where, since when and what usually helps. A directory is written to, and judged, in the background, so
            that a finding comes with the next call or with `flush`. What it raises comes out of here.
        stop_on: Faults that end the training: "nan", "exploding" or another `fault` of a Finding. Then TrainingStopped
            is raised, with the finding; everything is written nevertheless.
        thresholds: What divides the sick from the healthy.
        scalars: Whether the chief measures are written as scalars too, "rnn/<layer>/gradient_horizon" and the like, for
            Time Series and HParams.

    Returns:
        Whether something was written: False on the steps that taps leave out.

    Raises:
        TypeError: If an argument is of the wrong type.
        ValueError: If an argument makes no sense.
        OSError: If the directory can't be made or written to.
        TrainingStopped: If a fault of `stop_on` was found.
    """
    step = _checked_step(step)
    if dtype not in DTYPES:
        raise ValueError(f"dtype: expected one of {', '.join(map(repr, DTYPES))}, got {dtype!r}.")
    if samples is not None and (isinstance(samples, bool) or not isinstance(samples, int)):
        raise TypeError(f"samples: expected an int or None, got {type(samples).__name__}.")
    if samples is not None and samples < 1:
        raise ValueError(f"samples: expected at least 1, got {samples}.")
    checked_on_finding(on_finding)
    stopping = checked_stop_on(stop_on)
    if not isinstance(thresholds, Thresholds):
        raise TypeError(f"thresholds: expected Thresholds, got {type(thresholds).__name__}.")
    options = DiagnosisOptions(thresholds, scalars, watched=on_finding is not None or bool(stopping))
    if isinstance(records, Taps):
        samples = records.samples if samples is None else samples
        records = records.collect(step)
        if not records:
            if options.watched and (opened := event_writer.opened(writer)) is not None:
                deliver(opened.diagnosis, on_finding, stopping)
            return False
    # The records are all validated before anything is written: bad input never leaves half an event.
    checked = _checked_records(records)
    destination = event_writer.resolve(writer)
    destination.write(Write(checked, step, time.time(), samples, dtype, destination.diagnosis, options))
    if options.watched:
        deliver(destination.diagnosis, on_finding, stopping)
    return True


def read(directory: str | os.PathLike[str], layer: str | None = None) -> Iterator[tuple[int, LayerRecord]]:
    """What was written into a directory, back as numpy: steps and records in the order in which they were written.

    A record holds the samples whose arrays were kept. A step that a restarted job wrote again comes again.

    Args:
        directory: The directory of one run, not the log directory above it.
        layer: A layer's name; left out: every layer.

    Raises:
        OSError: If there is no such directory.
        ValueError: If there is no such layer, no RNN data at all, or an event file is damaged.
    """
    directory_writer.flush()  # what this process wrote is read back whole
    return read_records(Path(directory), layer)


def flush(writer: object = None, *, on_finding: Callable[[Finding], object] | None = None) -> None:
    """Returns when everything written so far is in its file, where TensorBoard sees it.

    Args:
        writer: As in `write`; left out: all directories. A writer of the user's own is flushed as it would be by its
            own `flush`.
        on_finding: Is called with what was newly found since the last `write`, as there. Needs a writer.

    Raises:
        TypeError: If it is nothing that can be written to.
        ValueError: If there is no writer whose findings are wanted.
    """
    checked_on_finding(on_finding)
    if on_finding is not None and writer is None:
        raise ValueError("on_finding: expected a writer with it, whose findings are wanted.")
    if writer is None or isinstance(writer, str | os.PathLike):
        directory_writer.flush()
    else:
        event_writer.resolve(writer).flush()
    if on_finding is not None and (opened := event_writer.opened(writer)) is not None:
        deliver(opened.diagnosis, on_finding, ())


def _checked_step(step: object) -> int:
    if isinstance(step, bool) or not isinstance(step, int | np.integer):
        raise TypeError(f"step: expected an int, got {type(step).__name__}.")
    if step < 0:
        raise ValueError(f"step: expected 0 or more, got {step}.")
    if step >= _STEPS:
        raise ValueError(f"step: expected less than 10^18, got {step}.")
    return int(step)


def _checked_records(records: LayerRecord | Iterable[LayerRecord]) -> list[LayerRecord]:
    if isinstance(records, LayerRecord):
        return [records]
    if isinstance(records, str) or not isinstance(records, Iterable):
        raise TypeError(f"records: expected taps, a LayerRecord or several, got {type(records).__name__}.")
    checked = list(records)
    for record in checked:
        if not isinstance(record, LayerRecord):
            raise TypeError(f"records: expected LayerRecords only, got {type(record).__name__} among them.")
    names = [record.name for record in checked]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"records: every layer needs a name of its own in a write, got {', '.join(twice)} twice.")
    if not checked:
        raise ValueError("records: expected at least one LayerRecord, got none.")
    return checked


def __getattr__(name: str) -> Any:  # what a module's __getattr__ gives
    """KerasCallback is a keras.callbacks.Callback, so Keras is imported when it is first asked for."""
    if name == "KerasCallback":
        from tb_rnn_plugin.capture.keras.entry import KerasCallback  # noqa: PLC0415

        return KerasCallback
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
