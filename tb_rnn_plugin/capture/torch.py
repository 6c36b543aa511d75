"""PyTorch models: taps in their training, and records of one batch."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import nn

from tb_rnn_plugin import record
from tb_rnn_plugin.capture import taps, torch_model, torch_taps
from tb_rnn_plugin.capture.torch_layers import Array, Layer
from tb_rnn_plugin.capture.torch_model import describe
from tb_rnn_plugin.capture.torch_ranks import Ranks
from tb_rnn_plugin.capture.torch_recorder import Recorded, Recorder

__all__ = ["TorchTaps", "attach", "capture", "describe"]

Loss: TypeAlias = Callable[[Any, Any], torch.Tensor]


def attach(
    model: nn.Module,
    *,
    every: int,
    samples: int | None,
    layers: object = None,
    optimizer: torch.optim.Optimizer | None = None,
    quantities: Collection[str] | None = None,
    grad_scaler: Any = None,  # torch.amp.GradScaler, which older versions have elsewhere
    keep_inputs: bool = False,
) -> taps.Taps:
    """Taps in the user's own backward pass.

    Write between the backward pass and the optimizer's step. Weight gradients are those in `p.grad` at that moment:
    write before clipping to see them unclipped, after it to see them clipped. Output gradients are never clipped.

    With gradient accumulation, sequences are those of all micro-batches since the last step, one after the other along
    the samples, as the weight gradients are their sum: where the loss is divided by the number of micro-batches, the
    records are those of one pass on the whole batch.

    Layers that aren't recurrent are recorded where `layers` asks for them: what arrives at their output, (samples,
    timesteps, channels) or one timestep (samples, channels) of several, and their weights in PyTorch's own orientation.
    While a torch.nn.TransformerEncoderLayer is tapped, PyTorch evaluates it without its fused inference path, whose
    last digits may differ; training has no such path.

    Under DistributedDataParallel attach to the wrapped model and write in every process: only the first one gets
    records, of the whole batch.

    Args:
        model: A PyTorch model.
        every: How often is written, in steps.
        samples: Of how many samples the arrays are kept; None for all.
        layers: Which; see `torch_model.find`.
        optimizer: Only where several optimizers share a gradient scaler: that of the recurrent layers.
        quantities: What is recorded; None for everything.
        grad_scaler: The torch.amp.GradScaler of the training loop, by whose scale gradients are divided.
        keep_inputs: Whether each layer's input, first states and mask are kept too, in the `inputs` of the taps.

    Raises:
        TypeError: If an argument is of the wrong type.
        ValueError: If the model has no recurrent layer, or not the one that is asked for.
    """
    picked = torch_model.find(model, layers)
    if optimizer is not None and not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(f"optimizer: expected a torch.optim.Optimizer, got {type(optimizer).__name__}.")
    if grad_scaler is not None and not all(hasattr(grad_scaler, name) for name in ("scale", "unscale_")):
        raise TypeError(f"grad_scaler: expected a torch.amp.GradScaler, got {type(grad_scaler).__name__}.")
    return TorchTaps(
        picked,
        every=every,
        samples=samples,
        quantities=quantities,
        optimizer=optimizer,
        grad_scaler=grad_scaler,
        keep_inputs=keep_inputs,
    )


class TorchTaps(taps.Taps):
    """Taps on a PyTorch model."""

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        every: int,
        samples: int | None,
        quantities: Collection[str] | None = None,
        optimizer: torch.optim.Optimizer | None = None,
        grad_scaler: Any = None,
        keep_inputs: bool = False,
    ) -> None:
        """Attaches them; see `attach`."""
        super().__init__(every=every, samples=samples, quantities=quantities)
        #: What the recorded calls were given, by record name, if `keep_inputs`: "input", "mask", "initial_state/0", …;
        #: and "state_gradient/0", …, what arrived at the last states: the forward ones, then the backward ones.
        self.inputs: dict[str, dict[str, Array]] = {}
        self._optimizer = optimizer
        self._scaler = grad_scaler
        self._clock = torch_taps.Clock(self._scale)
        self._recorder = Recorder(layers, self._clock, keep_inputs=keep_inputs)
        wrapper = next((layer.wrapper for layer in layers if layer.wrapper.distributed), None)
        self._ranks = Ranks(wrapper.group, self._clock.notices) if wrapper else None
        self._step = 0
        self._recorded = False
        self._recorder.attach()
        self.arm(armed=True)

    def collect(self, step: int) -> list[record.LayerRecord]:
        """As `Taps.collect`; in all processes but the first of a distributed training, nothing to write."""
        self._step = step
        self._recorded = False
        records = self._wanted(self.take()) if self.schedule.is_due(step) else []
        self.arm(armed=self.schedule.advance(step, written=self._recorded))
        return records

    def arm(self, *, armed: bool) -> None:
        """Turns recording on or off, beginning with the next forward pass."""
        self._recorder.arm(armed=armed)

    def detach(self) -> None:
        """Takes the taps off. Calling it again does nothing."""
        self._recorder.detach()

    def take(self) -> list[record.LayerRecord]:
        """The records of what was recorded since the last call, in model order; empty when no backward pass was."""
        try:
            return self._take()
        except Exception as error:  # noqa: BLE001  # training is worth more than its log
            self._notices.say("take", f"step {self._step} could not be recorded: {error!r}.")
            return []
        finally:
            self.arm(armed=self._clock.armed)

    def _take(self) -> list[record.LayerRecord]:
        scale = 1.0 if self._clock.loss_scale is None else float(self._clock.loss_scale)
        recorded: list[Recorded] = []
        if not self._recorder.had_backward():
            self._explain_nothing()
        else:
            recorded = self._recorder.read(lambda layer: 1 / (scale * self._world(layer)))
        self._recorded = bool(recorded)
        if self._ranks is not None:
            recorded = self._of_all_ranks(self._ranks, recorded)
        self.inputs = {each.name: inputs for each in recorded if (inputs := each.inputs)}
        if not recorded:
            return []
        factor = self._weight_gradient_factor(scale)
        gradient_of = None if factor is None else _stored_gradient
        records = [made for each in recorded if (made := each.record(self.wants, gradient_of, factor or 1.0))]
        self._explain(records, has_factor=factor is not None)
        return records

    def _explain_nothing(self) -> None:
        if self._clock.armed:
            self._notices.say(
                "nothing",
                f"nothing is recorded at step {self._step}: no backward pass went through the recurrent layers since "
                "the step before. Call write after backward.",
            )

    def _world(self, layer: Layer) -> int:
        """How many processes' losses are averaged."""
        return self._ranks.size if self._ranks is not None and layer.wrapper.distributed else 1

    def _of_all_ranks(self, ranks: Ranks, recorded: list[Recorded]) -> list[Recorded]:
        """What all processes recorded in the first one, nothing in the others."""
        if not ranks.is_first:
            ranks.post(self._step, {each.name: each.sequences for each in recorded if each.layer.wrapper.distributed})
            return []
        others = ranks.fetch(self._step)
        return [each.with_parts([other[each.name] for other in others if each.name in other]) for each in recorded]

    def _weight_gradient_factor(self, scale: float) -> float | None:
        """What undoes the scaling of `p.grad`; None where it isn't known whether that was done already."""
        if self._scaler is None:
            return 1.0
        if self._recorder.has_weights_changed:
            return None
        states = getattr(self._scaler, "_per_optimizer_states", {})
        if self._optimizer is not None:
            states = {key: state for key, state in states.items() if key == id(self._optimizer)}
        unscaled = {state["stage"].name != "READY" for state in states.values()}
        if len(unscaled) > 1:
            self._notices.say(
                "optimizers",
                "weight gradients are left out: one of the optimizers of the gradient scaler has unscaled its "
                "gradients, another one hasn't. Pass that of the recurrent layers as optimizer=.",
            )
            return None
        return 1.0 if True in unscaled else 1 / scale

    def _explain(self, records: Sequence[record.LayerRecord], *, has_factor: bool) -> None:
        if self._recorder.has_weights_changed:
            left_out = "" if has_factor else ", and weight gradients are left out, since they may be scaled or not"
            self._notices.say(
                "late",
                f"write comes after optimizer.step(): weights are those after the update{left_out}. Call it between "
                "backward and step.",
            )
        elif self._recorder.computed:
            self._notices.say(
                "computed",
                f"weight gradients are left out where weights are computed from other parameters, as with weight_norm: "
                f"{', '.join(map(repr, self._recorder.computed))}.",
            )
        elif (
            has_factor
            and self.wants(record.WEIGHT_GRADIENTS)
            and self._recorder.is_trained
            and not any(each.weight_gradients for each in records)
        ):
            self._notices.say(
                "no weight gradients",
                "there are no weight gradients: write comes after zero_grad. Call it between backward and "
                "optimizer.step().",
            )
        if self._recorder.has_seen_half and self._scaler is None:
            self._notices.say(
                "half",
                "gradients are recorded as they are. If the loss is scaled, as is usual with float16, pass the "
                "gradient scaler as grad_scaler=.",
            )

    def _scale(self, device: torch.device) -> torch.Tensor | None:
        if self._scaler is None:
            return None
        return cast("torch.Tensor", self._scaler.scale(torch.ones((), device=device))).detach()

    @property
    def _notices(self) -> torch_taps.Notices:
        return self._clock.notices


def _stored_gradient(parameter: torch.Tensor) -> torch.Tensor | None:
    return parameter.grad if parameter.is_leaf else None


def capture(
    model: nn.Module,
    x: Any,  # whatever the model takes
    y: Any,  # whatever the loss takes
    *,
    loss: Loss | None = None,
    layers: object = None,
    sample_weight: Any = None,  # an array or a tensor
    training: bool = False,
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
    recorder = Recorder(picked, torch_taps.Clock())
    recorder.attach()
    try:
        with torch.inference_mode(False), torch.enable_grad(), _unchanged(model, training=training):
            recorder.arm(armed=True)
            value = _weighted(loss(_called(model, x), y), sample_weight)
            gradients = _gradients(value, [*model.parameters(), *_leaves(x)])
        recorded = recorder.read(lambda _: 1.0)
        records = [each.record(lambda *_: True, lambda p: gradients.get(id(p)), 1.0) for each in recorded]
    finally:
        recorder.detach()
    return [each for each in records if each is not None]


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
