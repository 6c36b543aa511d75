"""Taps on PyTorch modules: the calls that are kept of a module, what arrives at them, and how they become sequences."""

import abc
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import nn

from tb_rnn_plugin.capture.torch import hooks
from tb_rnn_plugin.capture.torch.layers import Layer
from tb_rnn_plugin.capture.torch.passes import Passes

#: Quantity to (samples, timesteps, channels). Inputs and states, where they are kept, have the names that Keras has.
Sequences: TypeAlias = dict[str, torch.Tensor]
INPUT = "input"
MASK = "mask"
INITIAL_STATE = "initial_state/"
STATE_GRADIENT = "state_gradient/"  # + the state's index

# Bound the memory of a loop that records but never writes: a forgotten `write`, or a long evaluation with gradients on.
_MOST_PASSES = 256
_MOST_CALLS = 4096


class Notices:
    """What is worth a word, said once: training goes on all the same."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def say(self, key: str, message: str) -> None:
        """Warns with `message`, unless something was said under `key` before."""
        if key not in self._said:
            self._said.add(key)
            warnings.warn(f"rnn_summary: {message}", stacklevel=2)


class Clock:
    """What the taps on one model share: whether they record, and which backward pass comes next.

    Forward passes after a gradient has arrived belong to the next micro-batch of a step that accumulates gradients.
    """

    def __init__(self, scale: Callable[[torch.device], torch.Tensor | None] = lambda _: None) -> None:
        """Starts turned off.

        Args:
            scale: By how much gradients are scaled at this moment, as a tensor, so that nothing waits for it.
        """
        self.armed = False
        self.micro_batch = 0
        self.arrivals = 0
        #: The micro-batch with which the weights were last found to be others than before.
        self.began = 0
        self.loss_scale: torch.Tensor | None = None
        self.notices = Notices()
        self._scale = scale
        self._forward_since = True

    def arm(self, *, armed: bool) -> None:
        """Turns recording on or off, and begins anew."""
        self.armed = armed
        self.micro_batch = self.arrivals = self.began = 0
        self.loss_scale = None
        self._forward_since = True

    def forward(self, *, in_backward: bool) -> int:
        """Notes a call; returns its micro-batch. A recomputation belongs to the backward pass that is being made."""
        if not in_backward and not self._forward_since:
            self._forward_since = True
            self.micro_batch += 1
            if self.micro_batch == _MOST_PASSES:
                self.notices.say(
                    "endless",
                    f"{_MOST_PASSES} backward passes came without a write, and each was recorded in vain. Call "
                    "rnn_summary.write(taps, step=…) after the backward pass of every step: it does nothing on the "
                    "steps between.",
                )
        return self.micro_batch

    def gradient(self, device: torch.device, *, ends_forward: bool) -> None:
        """Notes that a gradient arrived at a tap.

        Args:
            device: Its device.
            ends_forward: Whether forward passes after it are those of the next micro-batch.
        """
        if self._forward_since:
            self.loss_scale = self._scale(device)  # now: the scaler may update it before it is asked for
        if ends_forward:
            self._forward_since = False
        self.arrivals += 1


class Call(abc.ABC):
    """One recorded call of a module, or one sequence of calls of a cell.

    Attributes:
        clock: The clock of its tap.
        micro_batch: Which of the backward passes of the step it belongs to.
        replica: The device of the replica that was called; 0 where there are none.
        in_backward: Whether it was made in a backward pass: a recomputation of activation checkpointing.
        arrived: Whether a gradient arrived.
        needs_gradient: Whether one can.
        passes: The backward passes through it.
    """

    def __init__(self, clock: Clock, module: nn.Module) -> None:
        self.clock = clock
        self.in_backward = _is_in_backward()
        self.micro_batch = clock.forward(in_backward=self.in_backward)
        self.replica = _replica(module)
        self.arrived = False
        self.needs_gradient = False
        self.passes = Passes(module)
        self._segment = clock.arrivals

    @property
    def order(self) -> tuple[int, int, int]:
        """Sorts calls into the order of the forward pass: what is recomputed comes from the last to the first."""
        return self.micro_batch, self.replica, -self._segment if self.in_backward else 0

    @abc.abstractmethod
    def sequences(self, layer: Layer) -> Sequences:
        """What was recorded of one of the module's layers; and what it was given, if that is kept."""


def _is_in_backward() -> bool:
    """Whether a backward pass is being made; as torch.utils.checkpoint asks it."""
    return torch._C._current_graph_task_id() != -1  # noqa: SLF001


def _replica(module: nn.Module) -> int:
    """The device of a torch.nn.DataParallel's replica."""
    if not getattr(module, "_is_replica", False):
        return 0
    return next((t.device.index or 0 for t in vars(module).values() if isinstance(t, torch.Tensor)), 0)


class Gradient:
    """What arrives at a tensor, in one backward pass or in several."""

    def __init__(self, call: Call, total: torch.Tensor | None = None) -> None:
        self._total = total
        # Weak, since the call holds this: a cycle would keep its tensors until Python looks for cycles, many steps on.
        self._call = weakref.ref(call)
        self._passes = call.passes
        self._version = call.passes.version

    @property
    def total(self) -> torch.Tensor | None:
        """What arrived, in those passes that count; None for nothing."""
        return self._total if self._version == self._passes.version else None

    def of(self, tensor: torch.Tensor) -> "Gradient":
        """Waits at `tensor`."""
        call = self._call()
        if tensor.requires_grad and call is not None:
            call.needs_gradient = True
            tensor.register_hook(self)  # type: ignore[no-untyped-call]
        return self

    def __call__(self, gradient: torch.Tensor | None) -> None:
        """The hook on the tensor."""
        call, passes = self._call(), self._passes
        if call is None or gradient is None:  # it was forgotten; or another output of the same function has one
            return
        counts = passes.counts()
        # A loss that holds gradients, made with create_graph=True, is still to come.
        ends_forward = passes.have_accumulated or not torch.is_grad_enabled()
        call.clock.gradient(gradient.device, ends_forward=ends_forward)
        if not counts:
            return
        gradient, before = gradient.detach(), self.total
        self._total, self._version = gradient if before is None else before + gradient, passes.version
        call.arrived = True


class Tap(abc.ABC):
    """The hooks on one module, and what they recorded."""

    def __init__(self, module: nn.Module, layers: Sequence[Layer], clock: Clock) -> None:
        self.module = module
        self.layers = layers
        self.clock = clock
        self._calls: list[Call] = []
        self._removals: list[Callable[[], None]] = []
        self._versions: list[tuple[nn.Parameter, int]] = []
        self._called_with: set[tuple[int, ...]] = set()
        #: Whether a call of this step could not be recorded.
        self.has_failed = False

    @abc.abstractmethod
    def attach(self) -> None:
        """Puts the hooks on."""

    def add_hook(
        self, register: Callable[..., Any], call: Callable[..., None], switch: hooks.Switch, **options: bool
    ) -> None:
        """Registers a hook that copies and pickles of the module don't have, and that lets no exception out.

        Args:
            register: Where.
            call: What it calls.
            switch: When.
            options: Of `register`.
        """

        def guarded(*arguments: Any) -> None:
            try:
                call(*arguments)
            except Exception as error:  # noqa: BLE001  # training is worth more than its log
                self.fail(repr(error))

        handle = register(hooks.Hook(guarded, switch), **options)
        hooks.hide_from_copies(self.module)
        self._removals.append(handle.remove)

    def detach(self) -> None:
        """Takes the hooks off."""
        while self._removals:
            self._removals.pop()()
        hooks.stop_hiding(self.module)

    def fail(self, reason: str) -> None:
        """Says once that a call can't be recorded, and records no more of the step: half of it would be wrong."""
        self.clear()
        self.has_failed = True
        self.clock.notices.say(
            f"failed {self.layers[0].name}",
            f"{type(self.module).__name__} {self.layers[0].name!r} can't be recorded: {reason}.",
        )

    def clear(self) -> None:
        """Forgets what was recorded."""
        self._calls = []
        self._versions = []
        self._called_with = set()
        self.has_failed = False

    def forget_gradients(self) -> None:
        """Forgets what arrived, and waits for more."""
        for call in self._calls:
            call.passes.forget()
            call.arrived = False

    def note_call(self) -> bool:
        """Notes a call that is being made; returns whether it is to be kept.

        Not one that torch.jit.trace makes, as for SummaryWriter.add_graph, nor one without gradients. That may be the
        first run of what reentrant activation checkpointing computes once more, in a backward pass that belongs to the
        micro-batch that begins here.
        """
        if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            return False
        if torch.is_grad_enabled():
            return True
        self.clock.forward(in_backward=_is_in_backward())
        return False

    def add(self, call: Call) -> None:
        """Takes a call, and lets go of those of steps that are over, and of the first ones when there are too many."""
        # What is computed once more begins no step, unless its first run, without gradients, was not kept.
        if not (call.in_backward and self._calls and self._calls[-1].micro_batch == call.micro_batch):
            self._let_go(call.micro_batch)
        if self.has_failed:
            return
        if not self._calls:
            self._versions = [(weight, weight._version) for weight in self.module.parameters()]  # noqa: SLF001
        self._called_with.add(self._own_weights())
        self._calls.append(call)
        if len(self._calls) > _MOST_CALLS:
            del self._calls[: _MOST_CALLS // 2]

    def _let_go(self, micro_batch: int) -> None:
        """Forgets what was recorded before a new step, which begins without a word where nothing was written.

        Then the weights were changed, or their gradients thrown away, since a backward pass that went through here.
        """
        if self.has_updated_weights:
            self.clock.began = micro_batch
            self.clear()
        elif self._calls and self._calls[-1].micro_batch < micro_batch:
            accumulated = any(call.passes.have_accumulated for call in self._calls)
            trained = self._trained()
            if accumulated and trained and all(parameter.grad is None for parameter in trained):
                self.clear()
            self._calls = [call for call in self._known() if call.micro_batch > micro_batch - _MOST_PASSES]

    def _known(self) -> list[Call]:
        """The calls of this step. What isn't trained itself is over with what is."""
        began = 0 if self._trained() else self.clock.began
        return [call for call in self._calls if call.micro_batch >= began]

    def _trained(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.module.parameters() if parameter.requires_grad]

    @property
    def has_updated_weights(self) -> bool:
        """Whether the weights were changed since the first recorded call."""
        return bool(self._calls) and any(weight._version != before for weight, before in self._versions)  # noqa: SLF001

    @property
    def has_other_weights(self) -> bool:
        """Whether some call was made with others in their place, as torch.func.functional_call puts some there."""
        return bool(self._calls) and self._called_with != {self._own_weights()}

    def _own_weights(self) -> tuple[int, ...]:
        return tuple(map(id, self.module.parameters()))

    def calls(self) -> list[list[Call]]:
        """The calls of a step, in their order; for each the parts of the batch: micro-batches and replicas.

        A call without a gradient, where another one has got one, is no part of the training step: an evaluation, or the
        first run of what activation checkpointing recomputes. Nor is one whose gradients were not those of the weights,
        where others' were.
        """
        known = self._known()
        calls = [call for call in known if call.passes.have_accumulated and call.arrived]
        if not calls:
            calls = [call for call in known if call.arrived] or [call for call in known if not call.in_backward]
        by_part: dict[tuple[int, int], list[Call]] = {}
        for call in sorted(calls, key=lambda call: call.order):
            by_part.setdefault((call.micro_batch, call.replica), []).append(call)
        count = max((len(part) for part in by_part.values()), default=0)
        return [[part[index] for part in by_part.values() if index < len(part)] for index in range(count)]


def joined(parts: Sequence[Mapping[str, torch.Tensor]]) -> Sequences:
    """The samples of several parts of a batch together; what ends before the longest one is followed by zeros."""
    if len(parts) == 1:
        return dict(parts[0])
    parts = filled = [dict(part) for part in parts]
    inputs = [part[INPUT] for part in parts if INPUT in part]
    if any(MASK in part for part in parts) or len({array.shape[1] for array in inputs}) > 1:
        for part in filled:
            if INPUT in part:
                part.setdefault(MASK, torch.ones(part[INPUT].shape[:2], dtype=torch.bool, device="cpu"))
    made: Sequences = {}
    for quantity in parts[0]:
        arrays = [part[quantity] for part in parts if quantity in part]
        if len(arrays) == len(parts):
            longest = max(array.shape[1] for array in arrays)
            made[quantity] = torch.cat([_padded(array, longest).to(arrays[0].device) for array in arrays])
    return made


def _padded(array: torch.Tensor, timesteps: int) -> torch.Tensor:
    missing = timesteps - array.shape[1]
    return nn.functional.pad(array, [0, 0] * (array.ndim - 2) + [0, missing]) if missing else array
