"""Models of Flax that tests of taps train, and the step that trains them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
import pytest

nnx: Any = pytest.importorskip("flax.nnx")

Array = npt.NDArray[np.float32]


class Model(nnx.Module):
    """Attributes out of alphabetical order, as Flax keeps them itself once a jitted function has returned them."""

    def __init__(self, seed: int = 0) -> None:
        rngs = nnx.Rngs(seed)
        self.reader = nnx.RNN(nnx.OptimizedLSTMCell(2, 4, rngs=rngs))
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.drop = nnx.Dropout(0.4, rngs=rngs)
        halves = [nnx.RNN(nnx.GRUCell(4, 3, rngs=rngs)) for _ in range(2)]
        self.both = nnx.Bidirectional(*halves)
        self.head = nnx.Linear(6, 1, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.head(self.both(self.drop(self.norm(self.reader(x))))[:, -1])


class Small(nnx.Module):
    """A layer, dropout, and a head."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(0)
        self.rnn = nnx.RNN(nnx.GRUCell(2, 3, rngs=rngs))
        self.drop = nnx.Dropout(0.4, rngs=rngs)
        self.head = nnx.Linear(3, 1, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.head(self.drop(self.rnn(x))[:, -1])


class Shared(nnx.Module):
    """One layer called twice."""

    def __init__(self) -> None:
        self.rnn = nnx.RNN(nnx.SimpleCell(2, 2, rngs=nnx.Rngs(0)))

    def __call__(self, x: Any) -> Any:
        return self.rnn(self.rnn(x))[:, -1, :1]


def batch(step: int = 0, samples: int = 3) -> tuple[Array, Array]:
    generator = np.random.default_rng(step)
    return (
        generator.normal(size=(samples, 5, 2)).astype(np.float32),
        generator.normal(size=(samples, 1)).astype(np.float32),
    )


def made(model: Any = None) -> tuple[Any, Any]:
    model = model or Model()
    clipped = optax.chain(optax.clip_by_global_norm(1e-2), optax.adam(1e-2))
    return model, nnx.Optimizer(model, clipped, wrt=nnx.Param)


def train_step(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    loss, gradients = nnx.value_and_grad(lambda model: optax.squared_error(model(x), y).mean())(model)
    optimizer.update(model, gradients)
    return loss


def leaves(*nodes: Any) -> list[bytes]:
    """Every array of the nodes, bit by bit."""
    found = [leaf for node in nodes for leaf in jax.tree.leaves(nnx.as_pure(nnx.state(node)))]
    return [
        np.asarray(jax.random.key_data(a) if jnp.issubdtype(a.dtype, jax.dtypes.prng_key) else a).tobytes()
        for a in found
    ]
