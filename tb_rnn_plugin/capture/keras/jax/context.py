"""For which recorders JAX traces: a part of what jax.jit looks a program up by.

So a function that is jitted has a program of its own for steps that are recorded, traced with the taps in it, and runs
on all other steps the very program that it would run had nothing ever been attached.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import jax

if not hasattr(jax, "make_user_context"):
    raise ValueError(f"model: Keras on JAX can be recorded with JAX 0.7.2 or later; this is {jax.__version__}.")

# Programs keep what they are looked up by, so it is only a token for each recorder.
_make_context: Any = jax.make_user_context
_tokens = _make_context(())


class _Entered(threading.local):
    """The context that a thread is in: JAX has one for each."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def change(self, tokens: tuple[object, ...]) -> None:
        """Leaves the context for another one."""
        self._stack.close()
        if tokens:
            self._stack.enter_context(_tokens(tokens))


_entered = _Entered()


def traces_for(token: object) -> bool:
    """Whether a recorder's taps belong in what is traced now."""
    return token in _tokens.value


def trace_for(token: object, *, armed: bool) -> None:
    """Begins or ends to trace for a recorder, in this thread."""
    others = tuple(other for other in _tokens.value if other is not token)
    tokens = (*others, token) if armed else others
    if tokens != _tokens.value:
        _entered.change(tokens)


@contextlib.contextmanager
def alone(token: object) -> Iterator[None]:
    """Traces for this recorder, and for no other."""
    with _tokens((token,)):
        yield
