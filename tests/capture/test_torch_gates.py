# mypy: allow-untyped-calls
"""The blocks of PyTorch's weights do what the names that records give them say: each is pushed until it saturates."""

import copy
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402
from tests.capture.test_torch_tools import case  # noqa: E402
from tests.capture.torch_by_hand import INPUTS, KINDS, SAMPLES, TIMESTEPS, UNITS, Body  # noqa: E402


@pytest.mark.parametrize(
    ("kind", "gate"),
    [
        case(f"nn.{kind.upper()}, {gate} gate", kind, gate)
        for kind, gates in (("lstm", ("input", "forget", "cell", "output")), ("gru", ("reset", "update", "candidate")))
        for gate in gates
    ],
)
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_gates_do_what_their_names_say(kind: str, gate: str, direction: str) -> None:
    """A gate's block, found by its name in a record, is pushed until the gate saturates."""
    module = KINDS[kind](INPUTS, UNITS, bidirectional=True)
    x = torch.randn(TIMESTEPS, SAMPLES, INPUTS)
    hidden, cell = torch.rand(2, SAMPLES, UNITS) - 0.5, torch.rand(2, SAMPLES, UNITS) - 0.5
    half = slice(0, UNITS) if direction == "forward" else slice(UNITS, None)
    first = 0 if direction == "forward" else -1
    state, cell_state = (s[0 if direction == "forward" else 1] for s in (hidden, cell))
    made = capture_torch.capture(
        Body(module), x, torch.zeros(()), loss=lambda prediction, _: prediction[0].sum(), layers="body"
    )[0]

    def run(push: float) -> Any:
        pushed = copy.deepcopy(module)
        block = list(made.gates).index(gate)
        suffix = "" if direction == "forward" else "_reverse"
        getattr(pushed, f"bias_ih_l0{suffix}").data[block * UNITS : (block + 1) * UNITS] += push
        record_ = capture_torch.capture(
            Body(pushed), x, torch.zeros(()), loss=lambda prediction, _: prediction[0].sum()
        )[0]
        np.testing.assert_allclose(
            record_.gate(gate, "bias", direction=direction)[0] - made.gate(gate, "bias", direction=direction)[0],
            push,
            atol=1e-5,
        )
        output, states = pushed(x, (hidden, cell) if kind == "lstm" else hidden)
        return output[first, :, half].detach(), states

    if gate == "output":  # closed: nothing gets out
        assert run(-50)[0].abs().max() < 1e-6
    elif gate == "cell":  # the candidate is one: c = f c + i, and a higher cell state
        higher, lower = run(50)[0], run(-50)[0]
        assert (higher > lower).all()
    elif gate == "forget":  # with everything forgotten the state before has no say: c = i g, within (-1, 1)
        forgotten, kept = (_first_cell_state(module, x, hidden, cell, direction, push) for push in (-50, 50))
        torch.testing.assert_close(kept - forgotten, cell_state)
    elif gate == "input":  # closed: c = f c
        closed = _first_cell_state(module, x, hidden, cell, direction, -50, gate=0)
        assert (closed.sign() == cell_state.sign()).all()
        assert (closed.abs() <= cell_state.abs()).all()
    elif gate == "update":  # z = 1 keeps the state, z = 0 takes the candidate
        torch.testing.assert_close(run(50)[0], state)
        assert (run(-50)[0] - state).abs().max() > 1e-2
    elif gate == "candidate":  # n = 1: h moves up, wherever it was below one
        assert (run(50)[0] > state).all()
        assert (run(-50)[0] < state).all()
    else:  # reset: r = 0 leaves the recurrent part out of the candidate
        assert gate == "reset"
        without = copy.deepcopy(module)
        suffix = "" if direction == "forward" else "_reverse"
        getattr(without, f"weight_hh_l0{suffix}").data[2 * UNITS :] = 0
        getattr(without, f"bias_hh_l0{suffix}").data[2 * UNITS :] = 0
        torch.testing.assert_close(run(-50)[0], without(x, hidden)[0][first, :, half].detach())


def _first_cell_state(  # of a run of one timestep
    module: nn.RNNBase,
    x: torch.Tensor,
    hidden: torch.Tensor,
    cell: torch.Tensor,
    direction: str,
    push: float,
    gate: int = 1,
) -> torch.Tensor:
    pushed = copy.deepcopy(module)
    suffix = "" if direction == "forward" else "_reverse"
    getattr(pushed, f"bias_ih_l0{suffix}").data[gate * UNITS : (gate + 1) * UNITS] += push
    first = x[:1] if direction == "forward" else x[-1:]
    made: torch.Tensor = pushed(first, (hidden, cell))[1][1][0 if direction == "forward" else 1].detach()
    return made
