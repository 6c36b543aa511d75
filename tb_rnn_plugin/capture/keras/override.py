"""A method replaced on one instance, and put back so that nothing is left behind."""

import functools
import types
from collections.abc import Callable
from typing import Any

Method = Callable[..., Any]


class Override:
    """A method of one instance, replaced in the instance's own `__dict__`.

    Overrides of one method may be undone in any order: one that lies under another is skipped once the upper one goes.
    """

    def __init__(self, instance: object, name: str, make: Callable[[Method], Method]) -> None:
        """Replaces `instance.name` by `make(method)`, where `method` is the bound method that stood there."""
        self._instance = instance
        self._name = name
        self._before = vars(instance).get(name)
        self._undone = False
        method = getattr(instance, name)
        # Not setattr: Keras and TensorFlow track what is set on a layer, and would save it with the model.
        object.__setattr__(instance, name, self._bound(method, make(method)))

    def _bound(self, method: Method, made: Method) -> Method:
        """What was made, as a method with the arguments of the one that it replaces: Keras asks for them to save it."""
        function = getattr(method, "__func__", None)
        if function is None:  # the user has set a function there
            replacement = functools.wraps(method)(made)
            replacement.rnn_summary_override = self  # type: ignore[attr-defined]  # an upper override knows it by this
            return replacement

        @functools.wraps(function)
        def of_instance(instance: object, *args: Any, **kwargs: Any) -> Any:
            if instance is not self._instance:  # a deep copy of it, which has its own `__dict__` with this in it
                return function(instance, *args, **kwargs)
            return made(*args, **kwargs)

        of_instance.rnn_summary_override = self  # type: ignore[attr-defined]
        return types.MethodType(of_instance, self._instance)

    def undo(self) -> None:
        """Puts back what stood there; calling it again does nothing."""
        if self._undone:
            return
        self._undone = True
        current = vars(self._instance).get(self._name)
        while (override := getattr(current, "rnn_summary_override", None)) is not None and override._undone:  # noqa: SLF001
            current = override._before  # noqa: SLF001  # of its own class
        if current is None:
            vars(self._instance).pop(self._name, None)
        else:
            object.__setattr__(self._instance, self._name, current)
