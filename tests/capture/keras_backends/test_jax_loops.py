"""Taps in training loops of one's own on JAX: jitted as a whole, in two programs, with an own optimizer, or eagerly."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.capture.keras_backends.backends import on_each, on_each_with

pytest.importorskip("keras")
pytest.importorskip("jax")

import jax
import keras

from tb_rnn_plugin.capture.keras import entry as capture_keras
from tests.capture.keras_backends.network import Expected, clone, data, sgd, small_network

layers = keras.layers


class Loop:
    """A training loop as Keras's guide for JAX has it, which keeps the state beside the model."""

    def __init__(self, model: Any, optimizer: Any) -> None:
        optimizer.build(model.trainable_variables)
        self.model = model
        self.optimizer = optimizer
        self.state = [
            [variable.value for variable in variables]
            for variables in (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
        ]

    def loss(self, trainable: Any, non_trainable: Any, optimizer_variables: Any, x: Any, y: Any) -> Any:
        prediction, non_trainable = self.model.stateless_call(trainable, non_trainable, x, training=True)
        loss = jax.numpy.mean((prediction - y) ** 2)
        with keras.StatelessScope(list(zip(self.optimizer.variables, optimizer_variables, strict=True))):
            loss = self.optimizer.scale_loss(loss)
        return loss, non_trainable

    def gradients(self, state: Any, x: Any, y: Any) -> Any:
        (_, non_trainable), gradients = jax.value_and_grad(self.loss, has_aux=True)(*state, x, y)
        return gradients, non_trainable

    def update(self, state: Any, gradients: Any, non_trainable: Any) -> Any:
        trainable, optimizer_variables = self.optimizer.stateless_apply(state[2], gradients, state[0])
        return [trainable, non_trainable, optimizer_variables]

    def step(self, state: Any, x: Any, y: Any) -> Any:
        return self.update(state, *self.gradients(state, x, y))

    def synchronise(self) -> None:
        for variable, value in zip(self.model.trainable_variables, self.state[0], strict=True):
            variable.assign(value)


Step = Callable[[Any, Any, Any], Any]


def whole(loop: Loop) -> Step:
    return jax.jit(loop.step)


def donating(loop: Loop) -> Step:
    step = jax.jit(loop.step, donate_argnums=0)
    loop.state = jax.tree.map(jax.numpy.copy, loop.state)  # else the model's own arrays would be given away
    return step


def in_two_programs(loop: Loop) -> Step:
    gradients, update = jax.jit(loop.gradients), jax.jit(loop.update)
    return lambda state, x, y: update(state, *gradients(state, x, y))


def updating_eagerly(loop: Loop) -> Step:
    gradients = jax.jit(loop.gradients)
    return lambda state, x, y: loop.update(state, *gradients(state, x, y))


LOOPS: dict[str, tuple[str, Callable[[Loop], Step]]] = {
    "whole": ("loop of one's own, jax.jit", whole),
    "donating": ("loop of one's own, jax.jit with donated buffers", donating),
    "two programs": ("loop of one's own, gradients and update jitted apart", in_two_programs),
    "eager update": ("loop of one's own, only the gradients jitted", updating_eagerly),
    "eager": ("loop of one's own, eager", lambda loop: loop.step),
}


@on_each_with("kind", {kind: case for kind, (case, _) in LOOPS.items()}, "jax")
def test_loops(backend: str, kind: str) -> None:
    model, optimizer = small_network(), sgd()
    loop = Loop(model, optimizer)
    step = LOOPS[kind][1](loop)
    x, y = data(4)
    written = []
    with capture_keras.attach(model, every=2, samples=None, optimizer=optimizer) as taps:
        for index in range(3):
            before = clone(model)
            for variable, value in zip(before.trainable_variables, loop.state[0], strict=True):
                variable.assign(np.asarray(value))
            loop.state = step(loop.state, x, y)
            records = taps.collect(index)
            if records:
                written.append(index)
                Expected(before, x, y).check(records)
    assert written == [0, 2]


@on_each("jax", case="loop of one's own, jax.lax.scan over batches")
def test_of_a_scan_over_batches_the_last_one_is_recorded(backend: str) -> None:
    model, optimizer = small_network(), sgd()
    loop = Loop(model, optimizer)
    batches = [data(4, seed=seed) for seed in range(2)]
    x, y = (np.stack(arrays) for arrays in zip(*batches, strict=True))
    after_first = clone(model)
    alone = Loop(after_first, sgd())
    alone.state = jax.jit(alone.step)(alone.state, *batches[0])
    alone.synchronise()
    epoch = jax.jit(lambda state: jax.lax.scan(lambda state, batch: (loop.step(state, *batch), None), state, (x, y)))
    with capture_keras.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        epoch(loop.state)
        Expected(after_first, *batches[1]).check(taps.collect(0))


@on_each("jax")
def test_a_step_that_was_jitted_before_is_recorded_too(backend: str) -> None:
    model, optimizer = small_network(), sgd()
    loop = Loop(model, optimizer)
    traces = []

    def traced(state: Any, x: Any, y: Any) -> Any:
        traces.append(True)
        return loop.step(state, x, y)

    step = jax.jit(traced)
    x, y = data(4)
    step(loop.state, x, y)
    for _ in range(2):
        with capture_keras.attach(model, every=2, samples=None, optimizer=optimizer) as taps:
            for index in range(4):
                step(loop.state, x, y)
                assert bool(taps.collect(index)) == (index % 2 == 0)
    step(loop.state, x, y)
    # Once before, once more where that was before the first attach of this process, and once for the taps of each.
    assert len(traces) in {3, 4}


@on_each("jax")
def test_what_is_left_out_is_said(backend: str) -> None:
    x, y = data(4)
    model, optimizer = small_network(), sgd()
    loop = Loop(model, optimizer)
    gradients, update = jax.jit(loop.gradients), jax.jit(loop.update)
    with capture_keras.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        found = gradients(loop.state, x, y)
        with pytest.warns(UserWarning, match="neither optimizer.apply nor stateless_apply was called"):
            (record,) = taps.collect(0)
        assert record.weights
        assert not record.weight_gradients
        update(loop.state, *found)  # belongs to the pass before
        gradients(loop.state, x, y)
        (record,) = taps.collect(1)  # it is said once
        assert not record.weight_gradients
    with pytest.warns(UserWarning, match="no optimizer is known"):
        taps = capture_keras.attach(model, every=1, samples=None)
    with taps:
        jax.jit(loop.step)(loop.state, x, y)
        (record,) = taps.collect(0)
    assert record.weights
    assert not record.weight_gradients

    compiled = jax.jit(loop.step).lower(loop.state, x, y).compile()
    with capture_keras.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        compiled(loop.state, x, y)
        with pytest.warns(UserWarning, match="nothing was recorded: .* compiled after attach"):
            assert taps.collect(0) == []


@on_each("jax")
def test_a_loss_scale_that_is_not_known_is_said(backend: str) -> None:
    model = small_network("LSTM", "mixed_float16")
    optimizer = keras.optimizers.LossScaleOptimizer(sgd(), initial_scale=8)
    loop = Loop(model, optimizer)
    with capture_keras.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        jax.jit(loop.gradients)(loop.state, *data(4))
        with pytest.warns(UserWarning, match="by how much the loss is scaled"):
            assert taps.collect(0) == []


@on_each("jax", case="a trained layer that no gradient reaches")
def test_weights_of_a_layer_that_no_gradient_reaches_are_those_before_the_update(backend: str) -> None:
    inputs = keras.Input((None, 3))
    hidden = keras.ops.stop_gradient(layers.GRU(4, return_sequences=True, name="below")(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.SimpleRNN(3, name="above")(hidden)))
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.5)
    loop = Loop(model, optimizer)
    step = jax.jit(loop.step)
    x, y = data(4)
    with capture_keras.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        loop.state = step(loop.state, x, y)
        with pytest.warns(UserWarning, match="no gradient reached 'below'"):
            taps.collect(0)
        before = [np.asarray(value) for value in loop.state[0][:3]]
        loop.state = step(loop.state, x, y)
        below, above = taps.collect(1)
    assert not below.sequences
    assert above.sequences
    for matrix, weight in zip(below.weights["forward"].values(), before, strict=True):
        np.testing.assert_array_equal(matrix, weight)
    assert not any(gradient.any() for gradient in below.weight_gradients["forward"].values())
