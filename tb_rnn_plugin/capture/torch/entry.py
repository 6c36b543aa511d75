"""PyTorch models: taps in their training, and records of one batch."""

import functools
import weakref
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import torch
from torch import nn

from tb_rnn_plugin import record
from tb_rnn_plugin.capture import recurrences, taps
from tb_rnn_plugin.capture.torch import model as torch_model
from tb_rnn_plugin.capture.torch import taps as torch_taps
from tb_rnn_plugin.capture.torch.layers import Array, Layer
from tb_rnn_plugin.capture.torch.model import describe
from tb_rnn_plugin.capture.torch.own_pass import capture
from tb_rnn_plugin.capture.torch.ranks import Ranks
from tb_rnn_plugin.capture.torch.recorder import Recorded, Recorder
from tb_rnn_plugin.derivation import left_out
from tb_rnn_plugin.recurrence.half import CannotDerive
from tb_rnn_plugin.recurrence.layer import Recurrence

__all__ = ["TorchTaps", "attach", "capture", "describe"]


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
    bptt: bool = True,
) -> taps.Taps:
    """Taps in the user's own backward pass.

    Write between the backward pass and the optimizer's step. Weight gradients are those in `p.grad` at that moment:
    write before clipping to see them unclipped, after it to see them clipped. Output gradients are never clipped.

    With gradient accumulation, sequences are those of all micro-batches since the last step, one after the other along
    the samples, as the weight gradients are their sum: where the loss is divided by the number of micro-batches, the
    records are those of one pass on the whole batch. A step begins anew where the weights were updated, or their
    gradients thrown away, since the last backward pass.

    Only backward passes that add to `p.grad` are recorded. Those by torch.autograd.grad, as of a gradient penalty, are
    where there are no others.

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
        bptt: Whether gradients through time, gates and cell states are computed.

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
        bptt=bptt,
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
        bptt: bool = True,
    ) -> None:
        """Attaches them; see `attach`."""
        super().__init__(every=every, samples=samples, quantities=quantities, bptt=bptt)
        #: What the recorded calls were given, by record name, if `keep_inputs`: "input", "mask", "initial_state/0", …;
        #: and "state_gradient/0", …, what arrived at the last states: the forward ones, then the backward ones.
        self.inputs: dict[str, dict[str, Array]] = {}
        self._optimizer = optimizer
        self._scaler = grad_scaler
        self._clock = torch_taps.Clock(functools.partial(_scale, grad_scaler))
        self._keep_inputs = keep_inputs
        self._recorder = Recorder(
            layers,
            self._clock,
            keep_inputs=keep_inputs or bool(self.derived),
            samples_of_inputs=None if keep_inputs else samples,
        )
        wrapper = next((layer.wrapper for layer in layers if layer.wrapper.distributed), None)
        self._ranks = Ranks(wrapper.group, self._clock.notices) if wrapper else None
        self._step = 0
        self._recorded = False
        self._attached = True
        self._recorder.attach()
        # What nobody holds nobody can write: as when a notebook's cell is run once more.
        weakref.finalize(self, self._recorder.detach).atexit = False
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
        self._recorder.arm(armed=armed and self._attached)

    def detach(self) -> None:
        """Takes the taps off. Calling it again does nothing."""
        self._attached = False
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
        if self._keep_inputs:
            self.inputs = {each.name: inputs for each in recorded if (inputs := each.inputs)}
        if not recorded:
            return []
        factor = self._weight_gradient_factor(scale)
        gradient_of = None if factor is None else _stored_gradient
        records = [
            made
            for each in recorded
            if (made := each.record(self.wants, gradient_of, factor or 1.0, self._recurrence(each)))
        ]
        self._explain(records, has_factor=factor is not None)
        return records

    def _recurrence(self, recorded: Recorded) -> Recurrence | None:
        derivation = recurrences.Derivation(quantities=self.derived, samples=self.samples)
        try:
            known = recorded.layer.name not in {*self._recorder.changed, *self._recorder.replaced}
            return recorded.recurrence(derivation) if known else None
        except CannotDerive as reason:
            self._notices.say(f"recurrence {recorded.layer.name}", left_out(recorded.name, str(reason)))
            return None

    def _explain_nothing(self) -> None:
        if not self._attached:
            self._notices.say(
                "detached",
                f"nothing is recorded at step {self._step}: the taps were detached. Call write inside of their `with` "
                "statement, or before `detach`.",
            )
        elif self._clock.armed and not self._recorder.has_failed:
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
            posted = {each.name: self._posted(each) for each in recorded if each.layer.wrapper.distributed}
            ranks.post(self._step, posted)
            return []
        others = ranks.fetch(self._step)
        return [each.with_parts([other[each.name] for other in others if each.name in other]) for each in recorded]

    def _posted(self, recorded: Recorded) -> Mapping[str, Array]:
        """What the first process needs; not the inputs of samples of which nothing is computed."""
        inputs = frozenset() if self._keep_inputs else frozenset(recorded.inputs)
        return {name: array for name, array in recorded.sequences.items() if name not in inputs}

    def _weight_gradient_factor(self, scale: float) -> float | None:
        """What undoes the scaling of `p.grad`; None where it isn't known whether that was done already."""
        if self._scaler is None:
            return 1.0
        if self._recorder.changed:
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
        if changed := self._recorder.changed:
            missing = "" if has_factor else ", and weight gradients are left out, since they may be scaled or not"
            missing += ". Gradients through time, gates and cell states are left out" if self.derived else ""
            some = "" if len(changed) == len(self._recorder.layers) else f" of {', '.join(map(repr, changed))}"
            self._notices.say(
                "late",
                f"write comes after optimizer.step(): weights{some} are those after the update{missing}. Call it "
                "between backward and step.",
            )
        elif replaced := self._recorder.replaced:
            self._notices.say(
                "replaced",
                f"{', '.join(map(repr, replaced))} was called with other weights than its own, as with "
                "torch.func.functional_call: its own are recorded, and gradients through time, gates and cell states "
                "are left out.",
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

    @property
    def _notices(self) -> torch_taps.Notices:
        return self._clock.notices


def _scale(scaler: Any, device: torch.device) -> torch.Tensor | None:
    if scaler is None:
        return None
    return cast("torch.Tensor", scaler.scale(torch.ones((), device=device))).detach()


def _stored_gradient(parameter: torch.Tensor) -> torch.Tensor | None:
    return parameter.grad if parameter.is_leaf else None
