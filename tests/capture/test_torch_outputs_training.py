# mypy: allow-untyped-calls
"""Training with taps on PyTorch modules of any kind: it is as without, and micro-batches are joined."""

import copy
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402
from tests.capture.test_torch_tools import tolerance  # noqa: E402

SAMPLES, TIMESTEPS, INPUTS = 4, 6, 4
TOLERANCE = tolerance()


class Mixed(nn.Module):
    """Recurrent and other layers, one of each sort that is special in a training loop."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, INPUTS, sparse=True)
        self.conv = nn.Sequential(nn.Conv1d(INPUTS, 5, 3, padding=1), nn.ReLU(inplace=True), nn.Dropout(dropout))
        self.body = nn.LSTM(5, 4, batch_first=True)
        self.head = nn.utils.parametrizations.weight_norm(nn.Linear(4, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden, _ = self.body(self.conv(self.embed(x).transpose(1, 2)).transpose(1, 2))
        made: torch.Tensor = self.head(hidden[:, -1])
        return made


NAMES = ["embed", "conv/0", "body", "head"]


def tokens(seed: int, samples: int = SAMPLES) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(7, (samples, TIMESTEPS), generator=generator), torch.randn(samples, 2, generator=generator)


def train(model: nn.Module, steps: int, each: Any = lambda _: None) -> list[float]:
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    losses = []
    for number in range(steps):
        x, y = tokens(number)
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        each(number)
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_training_is_bitwise_the_same_and_nothing_is_left() -> None:
    model = Mixed(dropout=0.3)
    untouched = copy.deepcopy(model)
    torch.manual_seed(9)
    expected = train(untouched, 7)
    torch.manual_seed(9)
    names = []
    before = [sorted(vars(module)) for module in model.modules()]
    with capture_torch.attach(model, every=3, samples=2, layers="*") as taps:
        losses = train(model, 7, lambda step: names.append([made.name for made in taps.collect(step)]))
        copied = copy.deepcopy(model)
    assert names == [NAMES, [], []] * 2 + [NAMES]
    assert losses == expected
    for name, value in untouched.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
    assert [sorted(vars(module)) for module in model.modules()] == before
    for of in (model, copied):
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in of.modules())


@pytest.mark.framework_case("PyTorch", "other layers with gradient accumulation")
def test_micro_batches_are_joined() -> None:
    model = Mixed()
    x, y = tokens(0, samples=6)
    seen: list[Any] = []
    plain: Any = copy.deepcopy(model)
    plain.conv[0].register_forward_hook(lambda *given: seen.append(given[2]))
    prediction = plain(x)
    # Before it is changed in place, which retain_grad can't see: so by hand, with the mask of the ReLU.
    (of_output,) = torch.autograd.grad(nn.functional.mse_loss(prediction, y), [seen[0]])
    with capture_torch.attach(model, every=1, samples=None, layers=["conv/0", "head", "embed"]) as taps:
        for part in (slice(0, 2), slice(2, 4), slice(4, 6)):
            (nn.functional.mse_loss(model(x[part]), y[part]) / 3).backward()
        with torch.no_grad():
            model(x)
        embed, conv, head = taps.collect(0)
    assert (conv.name, head.name) == ("conv/0", "head")
    embedded = plain.embed(x).transpose(1, 2)
    weight, bias = plain.conv[0].weight, plain.conv[0].bias
    np.testing.assert_allclose(
        conv.sequences["activation"],
        nn.functional.conv1d(embedded, weight, bias, padding=1).transpose(1, 2).detach(),
        **TOLERANCE,
    )
    mask = conv.sequences["activation"] > 0
    np.testing.assert_allclose(conv.sequences["output_gradient"], of_output.transpose(1, 2).numpy() * mask, **TOLERANCE)
    np.testing.assert_allclose(head.sequences["activation"][:, 0], prediction.detach(), **TOLERANCE)
    np.testing.assert_allclose(head.sequences["output_gradient"][:, 0], (prediction - y).detach() / 6, **TOLERANCE)
    assert list(head.weights["forward"]) == [
        "bias",
        "parametrizations/weight/original0",
        "parametrizations/weight/original1",
    ]
    nn.functional.mse_loss(plain(x), y).backward()
    np.testing.assert_allclose(
        embed.weight_gradients["forward"]["weight"], plain.embed.weight.grad.to_dense(), **TOLERANCE
    )
    gradient = plain.head.parametrizations.weight.original1.grad
    made = head.weight_gradients["forward"]["parametrizations/weight/original1"]
    np.testing.assert_allclose(made, gradient, **TOLERANCE)
