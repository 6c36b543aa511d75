"""TensorFlow 1's graph mode for the tests of this folder, and a graph of its own for each.

A process can't leave graph mode again, so each module of these tests has one of its own.
"""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _graph_mode() -> None:
    import tensorflow as tf  # noqa: PLC0415  # in the process of these tests alone

    tf.compat.v1.disable_eager_execution()


@pytest.fixture(params=[True], ids=["all intermediates"])
def intermediates(request: pytest.FixtureRequest) -> bool:
    """Whether loops are made so that a session may run before their gradients are taken, as TensorFlow advises."""
    return bool(request.param)


@pytest.fixture(autouse=True)
def _graph(intermediates: bool) -> Iterator[None]:
    import tensorflow as tf  # noqa: PLC0415
    import tf_keras  # noqa: PLC0415

    tf_keras.backend.clear_session()
    tf_keras.utils.set_random_seed(7)
    tf.compat.v1.experimental.output_all_intermediates(intermediates)
    yield
    tf.compat.v1.experimental.output_all_intermediates(None)
