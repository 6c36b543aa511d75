"""Hooks that leave no trace: a copy or a pickle of a tapped module is one without taps."""

import copy
import functools
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import nn


class Switch(Protocol):
    """What says when a hook is to do something."""

    @property
    def armed(self) -> bool:
        """Whether it is to do it now."""


class Hook:
    """A hook of ours: told apart from the user's own, so that it stays out of copies and pickles of the module."""

    def __init__(self, call: Callable[..., None], switch: Switch) -> None:
        # torch.compile sees whether it is time to record, and compiles both cases; recording is not for a graph.
        self._call = torch.compiler.disable(call)  # type: ignore[no-untyped-call]
        self._switch = switch

    def __call__(self, *arguments: Any) -> None:
        """Calls what it was made for, on the steps that are recorded."""
        if self._switch.armed:
            self._call(*arguments)


def hide_from_copies(module: nn.Module) -> None:
    """Has copies and pickles of a module made without our hooks."""
    for method, without_hooks in _METHODS.items():
        vars(module).setdefault(method, functools.partial(without_hooks, weakref.ref(module)))


def stop_hiding(module: nn.Module) -> None:
    """Undoes that, where the last of our hooks is gone."""
    if not any(isinstance(hook, Hook) for hooks in _HOOKS for hook in getattr(module, hooks).values()):
        for method in _METHODS:
            vars(module).pop(method, None)


_HOOKS = ("_forward_pre_hooks", "_forward_hooks")
_STATE = 2  # where the attributes are in what __reduce_ex__ returns; not all classes give any
_HOOK_FLAGS = ("_forward_pre_hooks_with_kwargs", "_forward_hooks_with_kwargs", "_forward_hooks_always_called")


# pickle and deepcopy ask the instance before its class.
def _reduce_without_hooks(reference: Callable[[], nn.Module | None], protocol: Any) -> Any:
    """What pickle makes of a tapped module: one without taps."""
    module: Any = reference()
    of_class: Any = type(module)
    reduced = of_class.__reduce_ex__(module, protocol)
    if not isinstance(reduced, tuple) or len(reduced) <= _STATE or not isinstance(reduced[_STATE], dict):
        return reduced  # the class has a way of its own
    return (*reduced[:_STATE], _without_hooks(reduced[_STATE]), *reduced[_STATE + 1 :])


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
