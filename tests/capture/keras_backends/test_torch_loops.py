"""Taps in ordinary PyTorch loops over a Keras model."""

import contextlib
import functools
from typing import Any

import numpy as np
import pytest

from tests.capture.keras_backends.backends import on_each, on_each_with

pytest.importorskip("keras")
pytest.importorskip("torch")

import keras
import torch

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.capture.keras import entry as capture_keras
from tests.capture.keras_backends.network import MATRICES, Expected, data, network, sgd, small_network

layers = keras.layers
INSIDE = "gradient through time of 'last' is left out: the loss holds gradients of it"


def loss_of(model: Any, x: Any, y: Any) -> Any:
    return torch.nn.functional.mse_loss(model(torch.tensor(x)), torch.tensor(y))


def keras_update(model: Any) -> Any:
    """As Keras's guide for PyTorch has it."""
    optimizer = sgd()

    def update() -> None:
        weights = model.trainable_weights
        with torch.no_grad():
            optimizer.apply([weight.value.grad for weight in weights], weights)

    return optimizer, update


def torch_update(model: Any) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    return None, optimizer.step


@on_each_with(
    "update",
    {
        keras_update: "loop of one's own, with a Keras optimizer",
        torch_update: "loop of one's own, with a torch.optim optimizer",
    },
    "torch",
)
@pytest.mark.parametrize("writes", ["before", "after"])
def test_loops(backend: str, update: Any, writes: str) -> None:
    model = network()
    optimizer, apply = update(model)
    x, y = data(4)
    written = []
    with rnn_summary.attach(model, every=2, samples=None, optimizer=optimizer) as taps:
        for step in range(3):
            expected = Expected(model, x, y)
            model.zero_grad()
            loss_of(model, x, y).backward()
            if writes == "after":
                apply()
            records = taps.collect(step)
            if writes == "before":
                apply()
            if records:
                expected.check(records)
                written.append(step)
    assert written == [0, 2]


@on_each("torch", case="gradients of several losses, backward by backward")
def test_several_backward_passes_through_one_forward_pass(backend: str) -> None:
    model = small_network()
    x, y = data(4)
    expected = Expected(model, x, y)
    with rnn_summary.attach(model, every=1, samples=None) as taps:
        loss = loss_of(model, x, y)
        (loss / 4).backward(retain_graph=True)
        ((3 * loss) / 4).backward()
        expected.check(taps.collect(0))


@on_each("torch", case="loop of one's own, a loss with a gradient penalty")
def test_gradients_in_the_loss_are_not_those_of_the_loss(backend: str) -> None:
    model = small_network()
    gru, head = model.layers[1:]
    x, y = data(4)

    def outputs(inputs: Any) -> tuple[Any, Any]:
        hidden = gru(inputs)
        return hidden, head(hidden**2)  # so that the penalty depends on the hidden state

    def penalty(prediction: Any, inputs: Any) -> Any:
        (slope,) = torch.autograd.grad(prediction.sum(), inputs, create_graph=True)
        return 10 * ((slope.square().sum((1, 2)).sqrt() - 1) ** 2).mean()

    inputs = torch.tensor(x, requires_grad=True)
    hidden, prediction = outputs(inputs)
    loss = torch.nn.functional.mse_loss(prediction, torch.tensor(y)) + penalty(prediction, inputs)
    weights = [weight.value for weight in gru.trainable_weights]
    of_hidden, *of_weights = torch.autograd.grad(loss, [hidden, *weights])

    with rnn_summary.attach(model, every=1, samples=None) as taps:
        for step in range(2):
            model.zero_grad()
            inputs = torch.tensor(x, requires_grad=True)
            _, prediction = outputs(inputs)
            loss = torch.nn.functional.mse_loss(prediction, torch.tensor(y)) + penalty(prediction, inputs)
            loss.backward()
            with pytest.warns(UserWarning, match=INSIDE) if step == 0 else contextlib.nullcontext():  # said once
                (record,) = taps.collect(step)
            np.testing.assert_allclose(record.sequences["output_gradient"][:, 0], of_hidden, rtol=1e-4, atol=1e-6)
            for matrix, gradient in zip(MATRICES, of_weights, strict=True):
                np.testing.assert_allclose(record.weight_gradients["forward"][matrix], gradient, rtol=1e-4, atol=1e-6)
            assert record.recurrence is not None
            assert set(record.recurrence.sequences()) == {"gate/update", "gate/reset", "gate/candidate"}


@on_each("torch")
def test_what_has_no_backward_pass_leaves_nothing(backend: str) -> None:
    model = small_network()
    x, y = data(4)
    expected = Expected(model, x, y)
    with rnn_summary.attach(model, every=1, samples=None) as taps:
        loss_of(model, x[::-1].copy(), y)
        loss_of(model, x, y).backward()
        with torch.no_grad():
            loss_of(model, x[::-1].copy(), y)
        loss_of(model, x[::-1].copy(), y)
        expected.check(taps.collect(0))


@on_each("torch", case="an output that is changed in place")
def test_an_output_may_be_changed_in_place(backend: str) -> None:
    model = small_network()
    gru, head = model.layers[1:]
    x, y = data(4)
    activation = gru(torch.tensor(x)).detach().numpy()
    with rnn_summary.attach(model, every=1, samples=None) as taps:
        hidden = gru(torch.tensor(x))
        hidden *= 2
        torch.nn.functional.mse_loss(head(hidden), torch.tensor(y)).backward()  # type: ignore[no-untyped-call]
        (record,) = taps.collect(0)
    np.testing.assert_allclose(record.sequences["activation"][:, 0], activation, rtol=1e-5, atol=1e-6)
    kernel, bias = head.get_weights()
    gradient = 2 * (2 / y.size * (2 * activation @ kernel + bias - y)) @ kernel.T
    np.testing.assert_allclose(record.sequences["output_gradient"][:, 0], gradient, rtol=1e-4, atol=1e-6)


@on_each("torch", case="keras.RematScope")
def test_what_is_recomputed_is_recorded_once(backend: str) -> None:
    with keras.RematScope(mode="full"):
        model = small_network()
    model.compile(sgd(), "mse")
    x, y = data(4)
    with capture_keras.attach(model, every=1, samples=None) as taps:
        for step in range(2):
            expected = Expected(model, x, y)
            model.train_on_batch(x, y)
            expected.check(taps.collect(step))


@on_each("torch")
def test_a_step_without_a_backward_pass_is_said(backend: str) -> None:
    model = small_network()
    with rnn_summary.attach(model, every=1, samples=None) as taps:
        loss_of(model, *data(4))
        with pytest.warns(UserWarning, match="nothing was recorded"):
            assert taps.collect(0) == []
        loss_of(model, *data(4))
        assert taps.collect(1) == []  # it is said once


@on_each("torch")
def test_layers_run_untouched_between_the_steps_that_are_due(backend: str) -> None:
    model = small_network()
    x = torch.tensor(data(4)[0])
    with rnn_summary.attach(model, every=2, samples=None) as taps:
        assert model.layers[1](x)._backward_hooks
        taps.arm(armed=False)
        assert not model.layers[1](x)._backward_hooks


@on_each("torch", case="KerasCallback in fit, jit_compile=True")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.slow
def test_compiled(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.compiler.reset()
    # What it captures is compiled by nothing, which would take minutes.
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    model = small_network()
    model.compile(sgd(), "mse", jit_compile=True)
    x, y = data(4)
    written = []
    with capture_keras.attach(model, every=2, samples=None) as taps:
        for step in range(3):
            expected = Expected(model, x, y)
            model.train_on_batch(x, y)
            records = taps.collect(step)
            if records:
                expected.check(records)
                written.append(step)
    assert written == [0, 2]
