# mypy: allow-untyped-calls
"""A model of everything that taps on PyTorch know, its training, and its gradients without taps."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from tb_rnn_plugin import record
from tests.capture.test_torch_tools import tolerance

SAMPLES, TIMESTEPS, INPUTS = 4, 6, 3
TOLERANCE = tolerance()


class Model(nn.Module):
    """Of everything something; `seen` are the outputs of its recurrent parts, for retain_grad."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(INPUTS, 4), nn.Tanh())
        self.norm = nn.BatchNorm1d(TIMESTEPS)
        self.body = nn.LSTM(4, 5, 2, bidirectional=True, batch_first=True, dropout=dropout)
        self.parts = nn.ModuleDict({"last": nn.GRU(10, 4, batch_first=True)})
        self.cell = nn.GRUCell(4, 4)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4, 2)
        self.seen: dict[str, torch.Tensor] = {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden, _ = self.body(self.norm(self.encoder(x)))
        last, _ = self.parts["last"](self.dropout(hidden))
        self.seen = {"body/layer_1": hidden, "parts/last": last}
        state = None
        for t in range(3):
            state = self.cell(last[:, t], state)
        made: torch.Tensor = self.head(last[:, -1] + state)
        return made


NAMES = ["body/layer_0", "body/layer_1", "parts/last", "cell"]


def batch(seed: int = 0, samples: int = SAMPLES) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(samples, TIMESTEPS, INPUTS, generator=generator), torch.randn(samples, 2, generator=generator)


def train(model: nn.Module, steps: int, each: Callable[[int], object] = lambda _: None) -> list[float]:
    """Losses of training with clipping; `each` is called between backward and clipping."""
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for number in range(steps):
        x, y = batch(number)
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        each(number)
        nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
        optimizer.step()
        losses.append(loss.item())
    return losses


def plain_gradients(model: Model, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
    """Output gradients, and weight gradients by the parameters' names, of a copy of a model."""
    seen, model.seen = model.seen, {}  # no tensors of a graph can be copied
    model, original = copy.deepcopy(model), model
    original.seen = seen
    model.zero_grad()
    prediction = model(x)
    for tensor in model.seen.values():
        tensor.retain_grad()
    nn.functional.mse_loss(prediction, y).backward()
    made = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return made | {name: tensor.grad for name, tensor in model.seen.items() if tensor.grad is not None}


def check(
    records: list[record.LayerRecord], expected: dict[str, torch.Tensor], closeness: dict[str, Any] = TOLERANCE
) -> None:
    assert [each.name for each in records] == NAMES
    first, second, last, cell = records
    for each in (second, last):
        np.testing.assert_allclose(each.sequences["output_gradient"], expected[each.name], **closeness)
    for each, prefix, suffix in (
        (first, "body.", "_l0"),
        (second, "body.", "_l1"),
        (last, "parts.last.", "_l0"),
        (cell, "cell.", ""),
    ):
        for direction in each.directions:
            end = suffix + ("_reverse" if direction == "backward" else "")
            for matrix, name in (("kernel", "weight_ih"), ("recurrent_kernel", "weight_hh")):
                wanted = expected[f"{prefix}{name}{end}"].T
                np.testing.assert_allclose(each.weight_gradients[direction][matrix], wanted, **closeness)


def traces(model: nn.Module) -> list[Any]:
    """All there is of hooks, and of what may be hidden in an instance."""
    hooks = [getattr(module, name) for module in model.modules() for name in vars(module) if "hooks" in name]
    return [len(hook) for hook in hooks if hook is not None] + [sorted(vars(module)) for module in model.modules()]
