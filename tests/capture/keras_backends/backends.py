"""The backends of Keras that are tested here, and how a test says for which of its cases."""

import importlib.util
import os
from collections.abc import Mapping
from typing import Any

import pytest

#: Backend to what docs/frameworks.md calls it.
FRAMEWORKS = {"jax": "Keras 3 on JAX", "torch": "Keras 3 on PyTorch"}


def on_each(*names: str, case: str | None = None) -> pytest.MarkDecorator:
    """Runs a test on these backends, or on all of them.

    Args:
        names: The backends.
        case: What the test compares with an independent computation, for docs/frameworks.md.
    """
    return pytest.mark.parametrize(
        "backend", [pytest.param(name, marks=_marks(name, case)) for name in names or FRAMEWORKS], indirect=True
    )


def on_each_with(argument: str, cases: Mapping[Any, str], *names: str) -> pytest.MarkDecorator:
    """As `on_each`, for each value of an argument and the case that it stands for."""
    return pytest.mark.parametrize(
        ("backend", argument),
        [
            pytest.param(name, value, marks=_marks(name, case))
            for name in names or FRAMEWORKS
            for value, case in cases.items()
        ],
        indirect=["backend"],
    )


def backend_of(item: pytest.Item) -> str | None:
    """The backend that a test is for."""
    call = getattr(item, "callspec", None)
    return None if call is None else call.params.get("backend")


def is_here(backend: str) -> bool:
    """Whether Keras has this backend in this process."""
    return os.environ.get("KERAS_BACKEND") == backend


def is_installed(backend: str) -> bool:
    """Whether there is this framework."""
    return importlib.util.find_spec(backend) is not None


def _marks(backend: str, case: str | None) -> list[pytest.MarkDecorator]:
    needed = pytest.mark.skipif(not is_installed(backend), reason=f"needs {backend}")
    # JAX compiles a program for each model, and one more for its taps.
    marks = [pytest.mark.jax, pytest.mark.slow] if backend == "jax" else [getattr(pytest.mark, backend)]
    marks.append(needed)
    return [*marks, pytest.mark.framework_case(FRAMEWORKS[backend], case)] if case else marks
