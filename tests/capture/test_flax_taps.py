"""Taps on Flax models: what they leave alone, when they record, and what they say."""

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.jax
jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
optax = pytest.importorskip("optax")
nnx: Any = pytest.importorskip("flax.nnx")

from tb_rnn_plugin.capture.flax import entry as capture_flax  # noqa: E402
from tests.capture.flax_models import Model, Small, batch, leaves, made, train_step  # noqa: E402


def attributes(node: Any) -> list[Any]:
    """Classes and attributes of everything in the model, arrays left out."""
    return [
        (type(n), [(name, v) for name, v in vars(n).items() if name != "_pytree__state"])
        for _, n in nnx.iter_graph(node)
        if isinstance(n, nnx.Module)
    ]


@pytest.mark.parametrize(
    ("jit", "kind", "steps"), [(nnx.jit, Model, 20), (lambda function: function, Small, 2)], ids=["jit", "eager"]
)
def test_training_is_bitwise_the_same_and_between_writes_the_very_same_program(
    jit: Callable[[Any], Any], kind: type, steps: int
) -> None:
    model, optimizer = made(kind())
    train = jit(train_step)
    expected = [train(model, optimizer, *batch(step)).tobytes() for step in range(steps)]
    trained = leaves(model, optimizer)

    model, optimizer = made(kind())
    train = jit(train_step)
    written = []
    losses = []
    with capture_flax.attach(model, every=4, samples=1, optimizer=optimizer) as taps:
        for step in range(steps):
            losses.append(train(model, optimizer, *batch(step)).tobytes())
            written += [step] if taps.collect(step) else []
    assert written == [step for step in range(steps) if step % 4 == 0]
    assert losses == expected
    assert leaves(model, optimizer) == trained
    if jit is nnx.jit:
        programs = train.jitted_fn._cache_size()
        train(model, optimizer, *batch())
        assert train.jitted_fn._cache_size() == programs == 2  # one with taps, and the one that runs now, without


def test_the_numbers_are_those_of_the_step_itself() -> None:
    """Weights before the update, gradients before clipping, and not those of another step."""
    model, optimizer = made()
    train = nnx.jit(train_step)
    with capture_flax.attach(model, every=3, samples=None, optimizer=optimizer) as taps:
        for step in range(4):
            x, y = batch(step)
            before = nnx.clone(model)
            train(model, optimizer, x, y)
            records = taps.collect(step)
            assert [record.name for record in records] == (["reader", "both"] if step % 3 == 0 else [])
    reader, both = capture_flax.capture(before, x, y, loss=optax.squared_error, training=True)
    for record, expected in zip(records, (reader, both), strict=True):
        for quantity, array in expected.sequences.items():
            np.testing.assert_allclose(record.sequences[quantity], array, atol=1e-6)
        for direction, matrices in expected.weights.items():
            for matrix, array in matrices.items():
                np.testing.assert_array_equal(record.weights[direction][matrix], array)
                gradient = expected.weight_gradients[direction][matrix]
                np.testing.assert_allclose(record.weight_gradients[direction][matrix], gradient, atol=1e-6)


def test_attach_and_detach_leave_no_trace() -> None:
    model, optimizer = made(Small())
    train = nnx.jit(train_step)
    train(model, optimizer, *batch())
    before, graph, optimizer_graph = attributes(model), nnx.graphdef(model), nnx.graphdef(optimizer)
    taps = capture_flax.attach(model, every=1, samples=1, optimizer=optimizer)
    again = capture_flax.attach(model, every=1, samples=1, layers="head", optimizer=optimizer)
    assert nnx.graphdef(model) != graph
    train(model, optimizer, *batch(1))
    assert [record.name for record in taps.collect(0)] == ["rnn"]
    taps.detach()
    train(model, optimizer, *batch(2))
    assert taps.collect(1) == []
    assert [record.name for record in again.collect(0)] == ["head"]
    again.detach()
    again.detach()
    again.arm(armed=True)
    assert nnx.graphdef(model) == graph
    assert nnx.graphdef(optimizer) == optimizer_graph
    assert [(kind, dict(own)) for kind, own in attributes(model)] == [(kind, dict(own)) for kind, own in before]
    assert type(model.rnn) is nnx.RNN
    assert type(optimizer) is nnx.Optimizer


def test_an_exception_in_the_loop_detaches() -> None:
    model, optimizer = made(Small())
    graph = nnx.graphdef(model)

    def failing(model: Any) -> Any:
        model(batch()[0])
        raise KeyError

    with pytest.raises(KeyError), capture_flax.attach(model, every=1, samples=1, optimizer=optimizer):
        nnx.jit(nnx.grad(failing))(model)
    assert nnx.graphdef(model) == graph
    assert type(optimizer) is nnx.Optimizer


def test_state_is_saved_copied_and_pickled_while_attached() -> None:
    model, optimizer = made()
    model.eval()
    x, _ = batch()
    expected = model(x).tobytes()
    paths = [path for path, _ in nnx.to_flat_state(nnx.state(model))]
    with capture_flax.attach(model, every=1, samples=1, optimizer=optimizer):
        assert [path for path, _ in nnx.to_flat_state(nnx.state(model))] == paths
        split = nnx.merge(*nnx.split(model))
        assert all(m(x).tobytes() == expected for m in (split, copy.deepcopy(model), nnx.clone(model)))
    # Flax's own tanh can't be pickled, taps or not.
    rnn = nnx.RNN(nnx.SimpleCell(2, 3, activation_fn=abs, rngs=nnx.Rngs(0)))
    with capture_flax.attach(rnn, every=1, samples=1, optimizer=nnx.Optimizer(rnn, optax.sgd(0.1), wrt=nnx.Param)):
        loaded, description = pickle.loads(pickle.dumps((rnn, nnx.graphdef(rnn))))
    assert type(loaded) is nnx.RNN
    assert set(vars(loaded)) == set(vars(rnn))
    assert loaded(x).tobytes() == nnx.merge(description, nnx.state(rnn))(x).tobytes() == rnn(x).tobytes()


def test_without_an_optimizer_weight_gradients_are_left_out_and_that_is_said() -> None:
    model, optimizer = made(Small())
    with pytest.warns(UserWarning, match="optimizer="):
        taps = capture_flax.attach(model, every=1, samples=1)
    train_step(model, optimizer, *batch())
    (record,) = taps.collect(0)
    taps.detach()
    assert set(record.weights["forward"]) == {"kernel", "recurrent_kernel", "bias"}
    assert not record.weight_gradients


def test_a_model_split_before_attach_is_said_once() -> None:
    model, optimizer = made(Small())
    graphdef, parameters, rest = nnx.split(model, nnx.Param, ...)
    x, y = batch()

    def loss(parameters: Any) -> Any:
        return optax.squared_error(nnx.merge(graphdef, parameters, rest, copy=True)(x), y).mean()

    with capture_flax.attach(model, every=1, samples=1, optimizer=optimizer) as taps:
        jax.grad(loss)(parameters)
        with pytest.warns(UserWarning, match="split"):
            assert taps.collect(0) == []
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert taps.collect(1) == []


@pytest.mark.parametrize("style", ["split", "cached_partial"])
def test_a_model_split_after_attach_is_recorded_when_it_is_due(style: str) -> None:
    model, optimizer = made(Small())
    with capture_flax.attach(model, every=2, samples=None, optimizer=optimizer) as taps:
        if style == "split":
            graphdef, state = nnx.split((model, optimizer))

            def train(state: Any, x: Any, y: Any) -> Any:
                model, optimizer = nnx.merge(graphdef, state)
                train_step(model, optimizer, x, y)
                return nnx.state((model, optimizer))

            jitted = jax.jit(train)
        else:
            cached = nnx.cached_partial(nnx.jit(train_step), model, optimizer)
        for step in range(5):
            weights = state[0]["rnn"]["cell"]["dense_h"]["kernel"][...] if style == "split" else None
            x, y = batch(step)
            if style == "split":
                state = jitted(state, x, y)
            else:
                cached(x, y)
            records = taps.collect(step)
            assert len(records) == (0 if step % 2 else 1)
            assert not vars(taps)["_sink"]._arrived  # what isn't to be written isn't kept
            if records:
                assert records[0].weight_gradients["forward"]["recurrent_kernel"].any()
                if weights is not None:
                    np.testing.assert_array_equal(records[0].weights["forward"]["recurrent_kernel"], weights)
