"""What tests of captures share."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _small_torch(request: pytest.FixtureRequest) -> Iterator[None]:
    """PyTorch's tests draw the same numbers in any order, and leave the other core to other work."""
    if request.node.get_closest_marker("torch") is None:
        yield
        return
    import torch  # noqa: PLC0415  # for its own tests alone

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(6)
    yield
    torch.set_num_threads(threads)
