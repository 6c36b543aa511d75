# mypy: allow-untyped-calls
"""Weights that are computed whenever they are read, some of which change by being read."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402
from tests.capture.test_torch_tools import case, told, tolerance  # noqa: E402

SAMPLES, TIMESTEPS, INPUTS, UNITS = 3, 4, 5, 6

NORMS = [
    case("nn.GRUCell with spectral_norm", parametrizations.spectral_norm),
    case("nn.GRUCell with weight_norm", parametrizations.weight_norm),
]


class Loop(nn.Module):
    """A cell with a norm on its recurrent weights; `used` are those that it computed with last."""

    def __init__(self, norm: Callable[..., Any]) -> None:
        super().__init__()
        self.cell = norm(nn.GRUCell(INPUTS, UNITS), "weight_hh")
        self.used = torch.zeros(())

    def forward(self, x: torch.Tensor) -> Any:  # a tensor
        state = None
        with nn.utils.parametrize.cached():  # the weights of all timesteps are the same
            for of_step in x:
                state = self.cell(of_step, state)
            self.used = self.cell.weight_hh.detach().clone()
        return state


def train(model: Loop, each: Callable[[int], object] = lambda _: None) -> list[float]:
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    losses = []
    for step in range(6):
        optimizer.zero_grad()
        loss = model(torch.randn(TIMESTEPS, SAMPLES, INPUTS)).square().sum()
        loss.backward()
        each(step)
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("norm", NORMS)
def test_training_is_bitwise_the_same_and_weights_are_those_of_the_pass(norm: Callable[..., Any]) -> None:
    model = Loop(norm)
    untouched = copy.deepcopy(model)
    expected = train(untouched)

    def each(step: int) -> None:
        (made,) = taps.collect(step)
        np.testing.assert_allclose(made.weights["forward"]["recurrent_kernel"], model.used.T, **tolerance())
        assert model.cell.parametrizations.training

    with (
        capture_torch.attach(model, every=1, samples=None) as taps,
        told("weight gradients are left out where weights are computed"),
    ):
        losses = train(model, each)
    assert losses == expected
    for name, value in untouched.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
