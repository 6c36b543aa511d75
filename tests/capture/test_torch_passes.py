# mypy: allow-untyped-calls
"""Losses that hold gradients, and gradients taken for other purposes: only those of the loss are recorded."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import record, rnn_summary

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402
from tests.capture.test_torch_tools import case, told, tolerance  # noqa: E402

SAMPLES, TIMESTEPS, INPUTS, UNITS = 3, 5, 4, 6
TOLERANCE = tolerance()
INSIDE = r"gradient through time of '\w+' is left out: the loss holds gradients of it \(create_graph=True\)"


class Critic(nn.Module):
    """What a gradient penalty is made for; `outputs` are those of its recurrent part."""

    def __init__(self, kind: Callable[..., Any]) -> None:
        super().__init__()
        self.is_cell = kind is nn.LSTMCell
        self.body = kind(INPUTS, UNITS)
        self.head = nn.Linear(UNITS, 1)
        self.outputs: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of (timesteps, samples, channels)."""
        self.outputs = []
        if self.is_cell:
            state = None
            for of_step in x:
                state = self.body(of_step, state)
                self.outputs.append(state[0])
        else:
            self.outputs.append(self.body(x)[0])
        made: torch.Tensor = self.head(self.outputs[-1] if self.is_cell else self.outputs[0][-1])
        return made


def penalised(prediction: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Gulrajani et al. 2017, "Improved training of Wasserstein GANs"."""
    (slope,) = torch.autograd.grad(prediction.sum(), x, create_graph=True)
    return prediction.mean() + 10 * (slope.square().sum((0, 2)).sqrt() - 1).square().mean()


def real() -> torch.Tensor:
    return torch.randn(TIMESTEPS, SAMPLES, INPUTS, generator=torch.Generator().manual_seed(1), requires_grad=True)


def plain(model: Critic, x: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The gradients of the outputs (samples, timesteps, channels), and those of the parameters, without taps."""
    model = copy.deepcopy(model)
    prediction = model(x)
    for output in model.outputs:
        output.retain_grad()
    # Not `penalised`, whose own pass would leave its gradients in the retained ones.
    (slope,) = torch.autograd.grad(prediction.sum(), x, create_graph=True)
    for output in model.outputs:
        output.grad = None
    (prediction.mean() + 10 * (slope.square().sum((0, 2)).sqrt() - 1).square().mean()).backward()
    gradients = [output.grad for output in model.outputs if output.grad is not None]
    of_parameters = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return gradients[0].transpose(0, 1) if len(gradients) == 1 else torch.stack(gradients, 1), of_parameters


OTHERS = "'gru' was called with other weights than its own"
KINDS = [
    case("nn.LSTM, gradient penalty (create_graph=True)", nn.LSTM, "output_gradient"),
    case("nn.LSTMCell, gradient penalty (create_graph=True)", nn.LSTMCell, "bptt_gradient"),
]


@pytest.mark.parametrize(("kind", "quantity"), KINDS)
def test_gradient_penalty(kind: Callable[..., Any], quantity: str) -> None:
    model, x = Critic(kind), real()
    expected, of_parameters = plain(model, x)
    notices = 0 if model.is_cell else 1
    with capture_torch.attach(model, every=1, samples=None) as taps, told(INSIDE, times=notices):
        for step in range(2):
            model.zero_grad()
            penalised(model(x), x).backward()
            (made,) = taps.collect(step)
            np.testing.assert_allclose(made.sequences[quantity], expected, **TOLERANCE)
            suffix = "" if model.is_cell else "_l0"
            gradient = of_parameters[f"body.weight_hh{suffix}"].T
            np.testing.assert_allclose(made.weight_gradients["forward"]["recurrent_kernel"], gradient, **TOLERANCE)
            check_derived(made, has_total=model.is_cell)


def check_derived(made: record.LayerRecord, *, has_total: bool) -> None:
    """Gates are as ever; what comes back through time can't be computed from the output's gradient."""
    assert made.recurrence is not None
    derived = made.recurrence.sequences()
    assert {"gate/input", "gate/forget", "gate/cell", "gate/output"} <= derived.keys()
    assert "bptt_gradient" not in derived
    assert ("bptt_gradient" in made.sequences) is has_total


@pytest.mark.framework_case("PyTorch", "capture, loss with a gradient penalty")
def test_capture_of_a_loss_that_holds_gradients() -> None:
    model, x = Critic(nn.LSTM), real()
    expected, of_parameters = plain(model, x)
    with told(INSIDE):
        (made,) = rnn_summary.capture(model, x, None, loss=lambda prediction, _: penalised(prediction, x))
    np.testing.assert_allclose(made.sequences["output_gradient"], expected, **TOLERANCE)
    gradient = of_parameters["body.weight_ih_l0"].T
    np.testing.assert_allclose(made.weight_gradients["forward"]["kernel"], gradient, **TOLERANCE)


@pytest.mark.framework_case("PyTorch", "gradients of gradients after backward, as second-order optimizers take them")
def test_gradients_of_gradients_afterwards() -> None:
    """As AdaHessian does: a product with the Hessian, by a pass through the graph of the gradients."""
    cell = nn.LSTMCell(INPUTS, UNITS)
    parameters = list(cell.parameters())
    with capture_torch.attach(cell, every=1, samples=None) as taps:
        hidden, state = cell(torch.randn(SAMPLES, INPUTS))
        last, _ = cell(torch.randn(SAMPLES, INPUTS), (hidden, state))
        gradients = torch.autograd.grad(last.square().sum(), parameters, create_graph=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient.detach()
        (made,) = taps.collect(0)
        np.testing.assert_allclose(made.sequences["output_gradient"][:, 1], 2 * last.detach(), **TOLERANCE)

        hidden, state = cell(torch.randn(SAMPLES, INPUTS))
        last, _ = cell(torch.randn(SAMPLES, INPUTS), (hidden, state))
        cell.zero_grad()
        total = last.square().sum()
        total.backward(retain_graph=True)
        gradients = torch.autograd.grad(total, parameters, create_graph=True)
        torch.autograd.grad(gradients, parameters, [torch.randn_like(p) for p in parameters])
        (made,) = taps.collect(1)
    np.testing.assert_allclose(made.sequences["output_gradient"][:, 1], 2 * last.detach(), **TOLERANCE)


@pytest.mark.framework_case("PyTorch", "adversarial examples (torch.autograd.grad of the input)")
def test_adversarial_examples() -> None:
    body = nn.LSTM(INPUTS, UNITS, batch_first=True)
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    with capture_torch.attach(body, every=1, samples=None) as taps:
        for step in range(2):
            for _ in range(3):
                x.requires_grad_()
                (slope,) = torch.autograd.grad(body(x)[0].square().sum(), x)
                x = (x + 0.1 * slope.sign()).detach()
            body.zero_grad()
            output, _ = body(x)
            output.square().sum().backward()
            (made,) = taps.collect(step)
            np.testing.assert_array_equal(made.sequences["activation"], output.detach())
            np.testing.assert_array_equal(made.sequences["output_gradient"], 2 * output.detach())


@pytest.mark.framework_case("PyTorch", "gradients by torch.autograd.grad")
def test_gradients_that_are_put_there_by_hand() -> None:
    """Also of two losses one after the other, whose sum they then are."""
    body = nn.GRU(INPUTS, UNITS, batch_first=True)
    parameters = list(body.parameters())
    with capture_torch.attach(body, every=1, samples=None) as taps:
        output, _ = body(torch.randn(SAMPLES, TIMESTEPS, INPUTS))
        first = torch.autograd.grad(output.square().sum(), parameters, retain_graph=True)
        second = torch.autograd.grad(output.sum(), parameters)
        for parameter, one, other in zip(parameters, first, second, strict=True):
            parameter.grad = one + other
        (made,) = taps.collect(0)
    np.testing.assert_allclose(made.sequences["output_gradient"], 2 * output.detach() + 1, **TOLERANCE)


@pytest.mark.framework_case("PyTorch", "torch.func.grad and functional_call")
@pytest.mark.parametrize("kind", [nn.LSTM, nn.LSTMCell])
def test_transforms_of_torch_func(kind: Callable[..., Any]) -> None:
    """Weights that are given to the call are no parameters of the module: what is recorded is said to be incomplete."""
    body = kind(INPUTS, UNITS)
    parameters = {name: parameter.detach() for name, parameter in body.named_parameters()}
    x = torch.randn(SAMPLES, INPUTS)

    def loss(given: dict[str, torch.Tensor]) -> Any:  # a tensor
        return torch.func.functional_call(body, given, (x,))[0].square().sum()

    expected = torch.func.grad(loss)(parameters)
    with (
        capture_torch.attach(body, every=1, samples=None) as taps,
        told("with other weights than its own"),
    ):
        made = torch.func.grad(loss)(parameters)
        taps.collect(0)
    assert all(torch.equal(made[name], expected[name]) for name in expected)


@pytest.mark.framework_case("PyTorch", "functional_call with updated weights, as in meta-learning")
def test_a_step_inside_of_the_loss() -> None:
    """Finn et al. 2017 (MAML): the loss is that of the weights after a step, whose gradients it holds."""
    body = nn.GRU(INPUTS, UNITS, batch_first=True)
    inputs = [torch.randn(SAMPLES, TIMESTEPS, INPUTS) for _ in range(2)]

    def both() -> list[torch.Tensor]:
        weights = dict(body.named_parameters())
        first, _ = body(inputs[0])
        slopes = torch.autograd.grad(first.square().sum(), list(weights.values()), create_graph=True)
        updated = {name: weights[name] - 0.1 * slope for name, slope in zip(weights, slopes, strict=True)}
        return [first, torch.func.functional_call(body, updated, (inputs[1],))[0]]

    expected = both()
    for output in expected:
        output.retain_grad()  # not before the inner pass, whose gradients it would retain
    expected[1].square().sum().backward()
    body.zero_grad()
    with capture_torch.attach(body, every=1, samples=None) as taps, told(f"{INSIDE}|{OTHERS}", times=2):
        both()[1].square().sum().backward()
        records = taps.collect(0)
    for made, output in zip(records, expected, strict=True):
        assert output.grad is not None
        np.testing.assert_allclose(made.sequences["activation"], output.detach(), **TOLERANCE)
        np.testing.assert_allclose(made.sequences["output_gradient"], output.grad, **TOLERANCE)
        assert made.recurrence is None
