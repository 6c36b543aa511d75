"""What the tests of PyTorch captures share."""

import contextlib
import re
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.torch


@contextlib.contextmanager
def told(message: str, *, times: int = 1) -> Iterator[None]:
    """Checks that a warning with this message comes so many times, and no other one."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield
    texts = [str(each.message) for each in said]
    assert len(texts) == times, texts
    assert all(re.search(message, text) for text in texts), texts


def case(name: str, *values: Any) -> Any:
    """Parameters of a test that checks this case of PyTorch."""
    return pytest.param(*values, id=name, marks=pytest.mark.framework_case("PyTorch", name))


def tolerance(relative: float = 1e-5, absolute: float = 1e-6) -> dict[str, Any]:
    """For numpy's assert_allclose."""
    return {"rtol": relative, "atol": absolute}


def test_told_wants_exactly_what_it_says() -> None:
    with told("a word", times=2):
        warnings.warn("a word", stacklevel=1)
        warnings.warn("a word more", stacklevel=1)
    with pytest.raises(AssertionError), told("a word"):
        pass
    with pytest.raises(AssertionError), told("a word"):
        warnings.warn("something else", stacklevel=1)
