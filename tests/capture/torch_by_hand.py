# mypy: allow-untyped-calls
"""torch.nn.LSTM, GRU and RNN written out in plain autograd, one timestep after the other: what records hold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from tb_rnn_plugin import record
from tests.capture.test_torch_tools import tolerance

SAMPLES, TIMESTEPS, INPUTS, UNITS = 4, 6, 3, 5
KINDS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
TOLERANCE = tolerance(absolute=1e-5)


def step(module: Any, weights: dict[str, torch.Tensor], x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> Any:
    """One timestep, from the formulas in PyTorch's documentation."""
    none = torch.zeros(())
    inner = x @ weights["weight_ih"].T + weights.get("bias_ih", none)
    recurrent = h @ weights["weight_hh"].T + weights.get("bias_hh", none)
    if isinstance(module, nn.LSTM | nn.LSTMCell):
        i, f, g, o = (inner + recurrent).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return (h @ weights["weight_hr"].T if "weight_hr" in weights else h), c
    if isinstance(module, nn.GRU | nn.GRUCell):
        (r, z, n), (r_h, z_h, n_h) = inner.chunk(3, -1), recurrent.chunk(3, -1)
        n = (n + (r + r_h).sigmoid() * n_h).tanh()
        z = (z + z_h).sigmoid()
        return (1 - z) * n + z * h, c
    return getattr(torch, module.nonlinearity)(inner + recurrent), c


class Unrolled:
    """A recurrent module written out; `outputs` of each layer get gradients by the direct path only."""

    def __init__(self, module: nn.RNNBase) -> None:
        self.module = module
        self.parameters = {n: p.detach().clone().requires_grad_() for n, p in module.named_parameters()}
        self.outputs: list[torch.Tensor] = []

    def __call__(self, x: torch.Tensor, lengths: Sequence[int], states: Sequence[torch.Tensor] = ()) -> Any:
        """Output, h_n and c_n of x (samples, timesteps, channels)."""
        self.outputs = []
        last: list[torch.Tensor] = []
        for layer in range(self.module.num_layers):
            halves = [self.direction(x, lengths, layer, suffix, states) for suffix in self.suffixes]
            x = torch.cat([output for output, _ in halves], -1)
            x.retain_grad()
            self.outputs.append(x)
            width = halves[0][0].shape[-1]
            rows = torch.arange(len(x))
            last.append(x[rows, torch.tensor(lengths) - 1, :width])
            if len(halves) > 1:
                last.append(x[:, 0, width:])
        return x, torch.stack(last)

    @property
    def suffixes(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.module.bidirectional else ("",)

    def direction(
        self, x: torch.Tensor, lengths: Sequence[int], layer: int, suffix: str, states: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        end = f"_l{layer}{suffix}"
        weights = {n.removesuffix(end): p for n, p in self.parameters.items() if n.endswith(end)}
        module = self.module
        index = layer * len(self.suffixes) + bool(suffix)
        h = states[0][index] if states else torch.zeros(len(x), module.proj_size or module.hidden_size)
        c = states[-1][index] if states else torch.zeros(len(x), module.hidden_size)
        made: list[torch.Tensor] = []
        steps = range(x.shape[1])
        for t in reversed(steps) if suffix else steps:
            new_h, new_c = step(module, weights, x[:, t], h, c)
            runs = (torch.tensor(lengths) > t)[:, None]
            h, c = torch.where(runs, new_h, h), torch.where(runs, new_c, c)
            made.append(torch.where(runs, h, torch.zeros(())))
        return torch.stack(made[::-1] if suffix else made, 1), c

    def check(self, records: list[record.LayerRecord], name: str = "body") -> None:
        """Everything there is in the records, with everything there is to know."""
        layers = self.module.num_layers
        names = [name] if layers == 1 else [f"{name}/layer_{index}" for index in range(layers)]
        assert [each.name for each in records] == names
        for index, (each, output) in enumerate(zip(records, self.outputs, strict=True)):
            np.testing.assert_allclose(each.sequences["activation"], output.detach(), **TOLERANCE)
            gradient = torch.zeros_like(output) if output.grad is None else output.grad
            np.testing.assert_allclose(each.sequences["output_gradient"], gradient, **TOLERANCE)
            self.check_weights(each, index)

    def check_weights(self, each: record.LayerRecord, layer: int) -> None:
        assert each.framework == "torch"
        assert each.units == self.module.hidden_size
        assert each.projection == (self.module.proj_size or None)
        assert each.directions == ("forward", "backward")[: len(self.suffixes)]
        gates = {
            "lstm": ("input", "forget", "cell", "output"),
            "gru": ("reset", "update", "candidate"),
            "rnn": (),
        }
        assert each.gates == gates[str(each.cell)]
        for direction, suffix in zip(each.directions, self.suffixes, strict=True):
            end = f"_l{layer}{suffix}"
            expected = {n.removesuffix(end): p for n, p in self.parameters.items() if n.endswith(end)}
            rows = {
                "kernel": ["weight_ih"],
                "recurrent_kernel": ["weight_hh"],
                "bias": ["bias_ih", "bias_hh"] if self.module.bias else [],
                "projection_kernel": ["weight_hr"] if self.module.proj_size else [],
            }
            of_direction = each.weights[direction], each.weight_gradients[direction]
            assert set(of_direction[0]) == set(of_direction[1]) == {matrix for matrix, names in rows.items() if names}
            for matrix, names in rows.items():
                for values, actual in zip(("data", "grad"), of_direction, strict=True):
                    parts = [getattr(expected[name], values).numpy().T for name in names]
                    if parts:
                        wanted = parts[0] if len(parts) == 1 else np.stack(parts)
                        np.testing.assert_allclose(actual[matrix], wanted, **TOLERANCE, err_msg=f"{matrix} {values}")


def loss_of(output: torch.Tensor, hidden: torch.Tensor, uses: str) -> torch.Tensor:
    """A loss in which every number counts differently."""
    made = torch.zeros(())
    if "output" in uses:
        made = made + (output * torch.linspace(-1, 2, output.numel()).reshape(output.shape)).pow(2).mean()
    if "hidden" in uses:
        made = made + (hidden * torch.linspace(1, 3, hidden.numel()).reshape(hidden.shape)).pow(2).mean()
    return made


class Body(nn.Module):
    """A model around one recurrent module."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, *arguments: Any) -> Any:
        return self.body(*arguments)


def hidden_of(states: Any) -> Any:
    return states[0] if isinstance(states, tuple) else states
