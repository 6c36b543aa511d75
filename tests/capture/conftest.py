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


@pytest.fixture
def seeded_keras() -> None:
    """Keras 3's tests draw the same numbers in any order."""
    import keras  # noqa: PLC0415  # for its own tests alone

    keras.utils.set_random_seed(7)


@pytest.fixture
def seeded_tf_keras() -> Iterator[None]:
    """tf_keras's tests draw the same numbers in any order, and leave no graph behind."""
    import tf_keras  # noqa: PLC0415  # for its own tests alone

    tf_keras.utils.set_random_seed(7)
    yield
    tf_keras.backend.clear_session()
