"""One batch of a PyTorch model, in a pass of its own: the model stays as it was."""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from tb_rnn_plugin import record
from tb_rnn_plugin.capture import recurrences
from tb_rnn_plugin.capture.torch import model as torch_model
from tb_rnn_plugin.capture.torch import taps as torch_taps
from tb_rnn_plugin.capture.torch.recorder import Recorded, Recorder
from tb_rnn_plugin.derivation import left_out
from tb_rnn_plugin.recurrence.half import CannotDerive
from tb_rnn_plugin.recurrence.layer import CAPTURED_QUANTITIES, Recurrence

Loss: TypeAlias = Callable[[Any, Any], torch.Tensor]


def capture(
    model: nn.Module,
    x: Any,  # whatever the model takes
    y: Any,  # whatever the loss takes
    *,
    loss: Loss | None = None,
    layers: object = None,
    sample_weight: Any = None,  # an array or a tensor
    training: bool = False,
    bptt: bool = True,
) -> list[record.LayerRecord]:
    """Records of one batch, in a pass of its own.

    The model stays as it was: its mode, its buffers, PyTorch's random states, and the gradients in `p.grad`.

    Args:
        model: A PyTorch model. Of a wrapper for several devices the model inside is run.
        x: The batch: a tuple or list becomes positional arguments, a dict keyword arguments, anything else the one
            argument. Arrays of numpy become tensors on the model's device.
        y: Its targets.
        loss: `loss(prediction, y)`, as PyTorch's criterions are called. Where it returns more than one number, their
            mean is taken.
        layers: Which; see `torch_model.find`.
        sample_weight: Weights of the samples: what the loss returns is multiplied by them along its first axes, so it
            needs one value for each sample at least, as with `reduction="none"`. The mean is over all values, whatever
            their weights.
        training: Whether the model runs in training mode, with its dropout.
        bptt: Whether gradients through time, gates and cell states are to be computed.

    Raises:
        TypeError: If an argument is of the wrong type.
        ValueError: If the model has no recurrent layer, not the one that is asked for, or there is no loss; or if the
            loss returns a single number to be weighted by sample.
    """
    torch_model.check_model(model)
    model, _ = torch_model.unwrapped(model)
    picked = torch_model.find(model, layers)
    if not isinstance(training, bool):
        raise TypeError(f"training: expected a bool, got {type(training).__name__}.")
    if loss is None:
        raise ValueError("loss: a PyTorch model has none of its own; pass loss=, torch.nn.MSELoss() for example.")
    if not callable(loss):
        raise TypeError(f"loss: expected a callable (prediction, y) → loss, got {type(loss).__name__}.")
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    x, y, sample_weight = (_tensors(part, device) for part in (x, y, sample_weight))
    recorder = Recorder(picked, torch_taps.Clock(), keep_inputs=bptt)
    derivation = recurrences.Derivation(quantities=CAPTURED_QUANTITIES if bptt else frozenset())
    recorder.attach()
    try:
        with _with_backward_pass(training=training):
            with torch.inference_mode(False), torch.enable_grad(), _unchanged(model, training=training):
                recorder.arm(armed=True)
                value = _weighted(loss(_called(model, x), y), sample_weight)
                recorder.forget_gradients()
                gradients = _gradients(value, [*model.parameters(), *_leaves(x)])
            recorded = recorder.read(lambda _: 1.0)
        records = [
            each.record(lambda *_: True, lambda p: gradients.get(id(p)), 1.0, _recurrence(each, derivation))
            for each in recorded
        ]
    finally:
        recorder.detach()
    return [each for each in records if each is not None]


def _recurrence(recorded: Recorded, derivation: recurrences.Derivation) -> Recurrence | None:
    try:
        return recorded.recurrence(derivation)
    except CannotDerive as reason:
        warnings.warn(f"rnn_summary: {left_out(recorded.name, str(reason))}", stacklevel=4)
        return None


def _called(model: nn.Module, x: Any) -> Any:
    if isinstance(x, Mapping):
        return model(**x)
    return model(*x) if type(x) in {tuple, list} else model(x)  # a PackedSequence is a tuple too


def _tensors(values: Any, device: torch.device) -> Any:
    if isinstance(values, np.ndarray):
        return torch.from_numpy(values.copy()).to(device)
    if isinstance(values, Mapping):
        return {key: _tensors(value, device) for key, value in values.items()}
    return type(values)(_tensors(value, device) for value in values) if type(values) in {tuple, list} else values


def _leaves(x: Any) -> list[torch.Tensor]:
    if isinstance(x, torch.Tensor):
        return [x]
    if isinstance(x, Mapping):
        x = list(x.values())
    return [leaf for value in x for leaf in _leaves(value)] if isinstance(x, tuple | list) else []


def _weighted(value: torch.Tensor, sample_weight: Any) -> torch.Tensor:
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"loss: expected it to return a tensor, got {type(value).__name__}.")
    if sample_weight is None:
        return value.mean()
    weight = torch.as_tensor(sample_weight, dtype=value.dtype, device=value.device)
    if value.shape[: weight.ndim] != weight.shape:
        raise ValueError(
            f"sample_weight: expected the first axes of what the loss returns, {tuple(value.shape)}, got shape "
            f'{tuple(weight.shape)}. The loss has to return a value for each sample: reduction="none".'
        )
    return (value * weight.reshape(weight.shape + (1,) * (value.ndim - weight.ndim))).mean()


def _gradients(value: torch.Tensor, tensors: Sequence[torch.Tensor]) -> dict[int, torch.Tensor]:
    needed = [tensor for tensor in tensors if tensor.requires_grad]
    if not needed or not value.requires_grad:
        return {}
    gradients = torch.autograd.grad(value, needed, allow_unused=True)
    return {id(tensor): gradient for tensor, gradient in zip(needed, gradients, strict=True) if gradient is not None}


@contextlib.contextmanager
def _with_backward_pass(*, training: bool) -> Iterator[None]:
    """Does without cuDNN outside of training mode: its recurrent layers have no backward pass there."""
    before = torch.backends.cudnn.enabled
    torch.backends.cudnn.enabled = before and training
    try:
        yield
    finally:
        torch.backends.cudnn.enabled = before


@contextlib.contextmanager
def _unchanged(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Puts back what a forward pass changes: mode, buffers and random states."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, None if buffer is None else buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()  # noqa: SLF001  # those that are None or not saved too
    ]
    devices = {p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices)):
        model.train(training)
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            with torch.no_grad():
                for module, name, buffer, before in buffers:
                    module._buffers[name] = buffer  # noqa: SLF001
                    if buffer is not None and before is not None and not torch.equal(buffer, before):
                        buffer.copy_(before)
