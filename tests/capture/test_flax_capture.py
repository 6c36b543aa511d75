"""Captures of a Flax model: a pass of its own; and what attach and capture do not take."""

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

pytestmark = pytest.mark.jax
jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
optax = pytest.importorskip("optax")
nnx: Any = pytest.importorskip("flax.nnx")

from tb_rnn_plugin.capture.flax import entry as capture_flax  # noqa: E402
from tests.capture.flax_models import Small, batch, leaves, made, train_step  # noqa: E402

Array = npt.NDArray[np.float32]


def test_capture_leaves_the_model_and_taps_on_it_alone() -> None:
    model, optimizer = made(Small())
    x, y = batch()
    with capture_flax.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        before, graph = leaves(model), nnx.graphdef(model)
        for training in (False, True):
            capture_flax.capture(model, x, y, loss=optax.squared_error, training=training)
        assert leaves(model) == before
        assert nnx.graphdef(model) == graph
        train_step(model, optimizer, x, y)
        assert len(taps.collect(0)) == 1


def test_training_and_sample_weight_count_in_a_capture() -> None:
    model, _ = made(Small())
    x, y = batch()

    def gradient(**options: Any) -> Array:
        records = capture_flax.capture(model, x, y, loss=optax.squared_error, **options)
        return records[0].sequences["output_gradient"]

    plain = gradient()
    assert np.abs(gradient(training=True) - plain).max() > 1e-4
    weighted = gradient(sample_weight=np.array([1.0, 0.0, 3.0]))
    np.testing.assert_allclose(weighted, plain * np.array([1, 0, 3]).reshape(3, 1, 1), atol=1e-6)
    with pytest.raises(ValueError, match="sample_weight"):
        capture_flax.capture(model, x, y, loss=lambda p, t: ((p - t) ** 2).mean(), sample_weight=np.ones(3))


def test_what_is_wrong_is_said_before_the_loop() -> None:
    model, optimizer = made()
    x, y = batch()
    with pytest.raises(TypeError, match=r"nnx\.Optimizer.*wrapped"):
        capture_flax.attach(model, every=1, samples=1, optimizer=optax.adam(1e-3))
    with pytest.raises(ValueError, match="every"):
        capture_flax.attach(model, every=0, samples=1, optimizer=optimizer)
    with pytest.raises(ValueError, match="loss: a Flax model"):
        capture_flax.capture(model, x, y)
    with pytest.raises(TypeError, match="loss: expected"):
        capture_flax.capture(model, x, y, loss=cast("Any", "mse"))
    assert type(model.reader) is nnx.RNN


class WithoutUse(nnx.Module):
    """Dropout on the data themselves, and a layer whose output goes nowhere."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(0)
        self.drop = nnx.Dropout(0.4, rngs=rngs)
        self.used, self.unused = (nnx.RNN(nnx.GRUCell(2, 3, rngs=rngs)) for _ in range(2))

    def __call__(self, x: Any) -> Any:
        x = self.drop(x)
        self.unused(x)
        return self.used(x)


def test_a_capture_needs_no_parameters_before_a_layer_but_a_loss_behind_it() -> None:
    model = WithoutUse()
    x, _ = batch()
    with pytest.warns(UserWarning, match=r"that the loss does not depend on: unused\."):
        drop, used = capture_flax.capture(
            model, x, None, loss=lambda made, _: made**2, layers=["drop", "used", "unused"]
        )
    assert (drop.name, used.name) == ("drop", "used")
    model.eval()
    gradient = nnx.grad(lambda model, x: (model.used(x) ** 2).mean(), argnums=1)(model, x)
    np.testing.assert_allclose(drop.sequences["activation"], x)
    np.testing.assert_allclose(drop.sequences["output_gradient"], gradient, atol=1e-6)
