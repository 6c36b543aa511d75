# mypy: allow-untyped-calls
"""PyTorch's recurrent layers as loops over time, written out gate by gate for autograd to go through."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

Gates = dict[str, torch.Tensor]


@dataclasses.dataclass
class Unrolled:
    """One direction of one layer, of one sample: what it went through, in the order in which it ran."""

    hidden: list[torch.Tensor] = dataclasses.field(default_factory=list)
    cell_state: list[torch.Tensor] = dataclasses.field(default_factory=list)
    gates: list[Gates] = dataclasses.field(default_factory=list)

    def append(self, states: Sequence[torch.Tensor], gates: Gates) -> None:
        for name, state in zip(("hidden", "cell_state"), states, strict=False):
            if state.requires_grad:
                state.retain_grad()
            getattr(self, name).append(state)
        self.gates.append(gates)

    def arrays(self) -> dict[str, torch.Tensor]:
        """Quantity to (timesteps, channels), in the order in which it ran."""
        made = {"bptt_gradient": torch.stack([gradient(state) for state in self.hidden])}
        if self.cell_state:
            made["cell_state"] = torch.stack(self.cell_state).detach()
            made["cell_state_gradient"] = torch.stack([gradient(state) for state in self.cell_state])
        for gate in self.gates[0]:
            made[f"gate/{gate}"] = torch.stack([of_step[gate] for of_step in self.gates]).detach()
        return made


def gradient(tensor: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


def step(module: Any, suffix: str, x: torch.Tensor, states: Sequence[torch.Tensor]) -> tuple[list[torch.Tensor], Gates]:
    """One timestep of a torch.nn.LSTM, GRU or RNN as its documentation has it."""
    parameters = dict(module.named_parameters())

    def parts(matrix: str, of: torch.Tensor, count: int) -> Sequence[torch.Tensor]:
        made: torch.Tensor = parameters[f"weight_{matrix}_{suffix}"] @ of
        if module.bias:
            made = made + parameters[f"bias_{matrix}_{suffix}"]
        return made.chunk(count)

    h = states[0]
    if isinstance(module, nn.LSTM):
        i, f, g, o = (a + b for a, b in zip(parts("ih", x, 4), parts("hh", h, 4), strict=True))
        gates = {"input": i.sigmoid(), "forget": f.sigmoid(), "cell": g.tanh(), "output": o.sigmoid()}
        c = gates["forget"] * states[1] + gates["input"] * gates["cell"]
        h = gates["output"] * c.tanh()
        if module.proj_size:
            h = parameters[f"weight_hr_{suffix}"] @ h
        return [h, c], gates
    if isinstance(module, nn.GRU):
        (ar, az, an), (br, bz, bn) = parts("ih", x, 3), parts("hh", h, 3)
        reset, update = (ar + br).sigmoid(), (az + bz).sigmoid()
        candidate = (an + reset * bn).tanh()
        gates = {"reset": reset, "update": update, "candidate": candidate}
        return [(1 - update) * candidate + update * h], gates
    (a,), (b,) = parts("ih", x, 1), parts("hh", h, 1)
    return [torch.tanh(a + b) if module.nonlinearity == "tanh" else torch.relu(a + b)], {}


def sample(
    module: Any, x: torch.Tensor, initial: Sequence[torch.Tensor]
) -> tuple[list[list[Unrolled]], torch.Tensor, list[torch.Tensor]]:
    """One sample (timesteps, inputs) through all layers; initial states (layers x directions, width).

    Returns:
        What each layer and direction went through, the output, and the last states as the module has them.
    """
    directions = 2 if module.bidirectional else 1
    layers: list[list[Unrolled]] = []
    last: list[list[torch.Tensor]] = []
    for layer in range(module.num_layers):
        outputs, halves = [], []
        for direction in range(directions):
            suffix = f"l{layer}" + "_reverse" * direction
            states: Sequence[torch.Tensor] = [state[layer * directions + direction] for state in initial]
            went = Unrolled()
            order = range(len(x))[:: -1 if direction else 1]
            for t in order:
                states, gates = step(module, suffix, x[t], states)
                went.append(states, gates)
            halves.append(went)
            last.append(list(states))
            outputs.append(torch.stack(went.hidden[:: -1 if direction else 1]))
        layers.append(halves)
        x = torch.cat(outputs, dim=-1)
    return layers, x, [torch.stack(of_state) for of_state in zip(*last, strict=True)]


def expected(halves: Sequence[Unrolled], timesteps: int) -> dict[str, torch.Tensor]:
    """Quantity to (timesteps, channels) in input time, both directions side by side, zeros behind the end."""
    by_direction = []
    for index, went in enumerate(halves):
        arrays = {name: array.flip(0) if index else array for name, array in went.arrays().items()}
        missing = timesteps - len(went.hidden)
        by_direction.append({name: nn.functional.pad(array, (0, 0, 0, missing)) for name, array in arrays.items()})
    return {name: torch.cat([of[name] for of in by_direction], dim=-1) for name in by_direction[0]}
