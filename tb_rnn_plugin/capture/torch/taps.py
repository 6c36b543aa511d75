"""Taps on PyTorch modules: hooks that leave no trace, calls of a module, and how they become sequences."""

import abc
import copy
import functools
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import torch
from torch import nn

from tb_rnn_plugin.capture.torch.layers import Layer

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
        self.loss_scale: torch.Tensor | None = None
        self.notices = Notices()
        self._scale = scale
        self._forward_since = True

    def arm(self, *, armed: bool) -> None:
        """Turns recording on or off, and begins anew."""
        self.armed = armed
        self.micro_batch = self.arrivals = 0
        self.loss_scale = None
        self._forward_since = True

    def forward(self, *, in_backward: bool) -> int:
        """Notes a call; returns its micro-batch. A recomputation belongs to the backward pass that is being made."""
        if not in_backward and not self._forward_since:
            self._forward_since = True
            self.micro_batch += 1
            if self.micro_batch >= _MOST_PASSES:
                self.armed = False
                self.notices.say(
                    "endless",
                    f"nothing more is recorded: {_MOST_PASSES} backward passes came without a write. Call "
                    "rnn_summary.write(taps, step=…) after the backward pass of every step.",
                )
        return self.micro_batch

    def gradient(self, device: torch.device) -> None:
        """Notes that a gradient arrived at a tap."""
        if self._forward_since:
            self._forward_since = False
            self.loss_scale = self._scale(device)  # now: the scaler may update it before it is asked for
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
    """

    def __init__(self, clock: Clock, module: nn.Module) -> None:
        self.clock = clock
        # As torch.utils.checkpoint asks it.
        self.in_backward = torch._C._current_graph_task_id() != -1  # noqa: SLF001
        self.micro_batch = clock.forward(in_backward=self.in_backward)
        self.replica = _replica(module)
        self.arrived = False
        self.needs_gradient = False
        self._segment = clock.arrivals

    @property
    def order(self) -> tuple[int, int, int]:
        """Sorts calls into the order of the forward pass: what is recomputed comes from the last to the first."""
        return self.micro_batch, self.replica, -self._segment if self.in_backward else 0

    @abc.abstractmethod
    def sequences(self, layer: Layer) -> Sequences:
        """What was recorded of one of the module's layers; and what it was given, if that is kept."""


def _replica(module: nn.Module) -> int:
    """The device of a torch.nn.DataParallel's replica."""
    if not getattr(module, "_is_replica", False):
        return 0
    return next((t.device.index or 0 for t in vars(module).values() if isinstance(t, torch.Tensor)), 0)


class Gradient:
    """What arrives at a tensor, in one backward pass or in several."""

    def __init__(self, call: Call, total: torch.Tensor | None = None) -> None:
        self.total = total
        self._call = call

    def of(self, tensor: torch.Tensor) -> "Gradient":
        """Waits at `tensor`."""
        if tensor.requires_grad:
            self._call.needs_gradient = True
            tensor.register_hook(self)  # type: ignore[no-untyped-call]
        return self

    def __call__(self, gradient: torch.Tensor | None) -> None:
        """The hook on the tensor."""
        if gradient is None:  # another output of the same function has one
            return
        gradient = gradient.detach()
        self.total = gradient if self.total is None else self.total + gradient
        self._call.arrived = True
        self._call.clock.gradient(gradient.device)


class Tap(abc.ABC):
    """The hooks on one module, and what they recorded."""

    def __init__(self, module: nn.Module, layers: Sequence[Layer], clock: Clock) -> None:
        self.module = module
        self.layers = layers
        self.clock = clock
        self._calls: list[Call] = []
        self._removals: list[Callable[[], None]] = []
        self._versions: list[int] = []

    @abc.abstractmethod
    def attach(self) -> None:
        """Puts the hooks on."""

    def add_hook(self, register: Callable[..., Any], hook: "Hook", **options: bool) -> None:
        """Registers a hook that copies and pickles of the module don't have."""
        handle = register(hook, **options)
        for method, without_hooks in _METHODS.items():
            vars(self.module).setdefault(method, functools.partial(without_hooks, weakref.ref(self.module)))
        self._removals.append(handle.remove)

    def detach(self) -> None:
        """Takes the hooks off."""
        while self._removals:
            self._removals.pop()()
        if not any(isinstance(hook, Hook) for hooks in _HOOKS for hook in getattr(self.module, hooks).values()):
            for method in _METHODS:
                vars(self.module).pop(method, None)

    def clear(self) -> None:
        """Forgets what was recorded."""
        self._calls = []

    def add(self, call: Call) -> None:
        """Takes a call, and lets go of the first ones when there are too many."""
        if not self._calls:
            self._versions = self._weight_versions()
        self._calls.append(call)
        if len(self._calls) > _MOST_CALLS:
            del self._calls[: _MOST_CALLS // 2]

    @property
    def has_weights_changed(self) -> bool:
        """Whether the weights were changed since the first recorded call."""
        return bool(self._calls) and self._versions != self._weight_versions()

    def _weight_versions(self) -> list[int]:
        return [parameter._version for parameter in self.module.parameters()]  # noqa: SLF001

    def calls(self) -> list[list[Call]]:
        """The calls of a step, in their order; for each the parts of the batch: micro-batches and replicas.

        A call without a gradient, where another one has got one, is no part of the training step: an evaluation, or the
        first run of what activation checkpointing recomputes.
        """
        calls = [call for call in self._calls if call.arrived]
        if not calls:
            calls = [call for call in self._calls if not call.in_backward]
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
                part.setdefault(MASK, torch.ones(part[INPUT].shape[:2], dtype=torch.bool))
    made: Sequences = {}
    for quantity in parts[0]:
        arrays = [part[quantity] for part in parts if quantity in part]
        if len(arrays) == len(parts):
            longest = max(array.shape[1] for array in arrays)
            made[quantity] = torch.cat([_padded(array, longest) for array in arrays])
    return made


def _padded(array: torch.Tensor, timesteps: int) -> torch.Tensor:
    missing = timesteps - array.shape[1]
    return nn.functional.pad(array, [0, 0] * (array.ndim - 2) + [0, missing]) if missing else array


class _Switch(Protocol):
    @property
    def armed(self) -> bool: ...


class Hook:
    """A hook of ours: told apart from the user's own, so that it stays out of copies and pickles of the module."""

    def __init__(self, call: Callable[..., None], switch: _Switch) -> None:
        # torch.compile sees whether it is time to record, and compiles both cases; recording is not for a graph.
        self._call = torch.compiler.disable(call)  # type: ignore[no-untyped-call]
        self._switch = switch

    def __call__(self, *arguments: Any) -> None:
        """Calls what it was made for, on the steps that are recorded."""
        if self._switch.armed:
            self._call(*arguments)


_HOOKS = ("_forward_pre_hooks", "_forward_hooks")
_HOOK_FLAGS = ("_forward_pre_hooks_with_kwargs", "_forward_hooks_with_kwargs", "_forward_hooks_always_called")


# pickle and deepcopy ask the instance before its class.
def _reduce_without_hooks(reference: Callable[[], nn.Module | None], protocol: Any) -> Any:
    """What pickle makes of a tapped module: one without taps."""
    module: Any = reference()
    of_class: Any = type(module)
    reduced = of_class.__reduce_ex__(module, protocol)
    if not isinstance(reduced, tuple) or not isinstance(reduced[2], dict):
        return reduced
    return (*reduced[:2], _without_hooks(reduced[2]), *reduced[3:])


def _copy_without_hooks(reference: Callable[[], nn.Module | None], memo: Any) -> Any:
    """What deepcopy makes of it; the class may have a way of its own, as that of weight normalisation has."""
    module: Any = reference()
    state = vars(module)
    before = dict(state)
    bare = _without_hooks(state)
    state.clear()
    state.update(bare)
    try:
        return copy.deepcopy(module, memo)
    finally:
        state.clear()
        state.update(before)


def _without_hooks(state: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a module, without what taps have put there."""
    bare = {name: value for name, value in state.items() if name not in _METHODS}
    ours = {key for hooks in _HOOKS for key, hook in bare.get(hooks, {}).items() if isinstance(hook, Hook)}
    for name in (*_HOOKS, *_HOOK_FLAGS):
        if name in bare:
            bare[name] = type(bare[name])((key, value) for key, value in bare[name].items() if key not in ours)
    return bare


_METHODS: Mapping[str, Callable[..., Any]] = {
    "__reduce_ex__": _reduce_without_hooks,
    "__deepcopy__": _copy_without_hooks,
}
