# mypy: allow-untyped-calls
"""Which calls of a cell make up a sequence, whatever the loop; and cells with a forward method of their own."""

from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import record

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402
from tests.capture.test_torch_tools import case, told, tolerance  # noqa: E402

SAMPLES, TIMESTEPS, INPUTS, UNITS = 3, 5, 4, 4
TOLERANCE = tolerance()
UNTOLD = "direct path can't be told"


def batch() -> torch.Tensor:
    return torch.randn(SAMPLES, TIMESTEPS, INPUTS)


class Streams(nn.Module):
    """One cell that goes through two sequences; `states` are what it gives, for each of them."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.cell = nn.GRUCell(INPUTS, UNITS)
        self.first = nn.Parameter(torch.randn(1, UNITS))
        self.way = way
        self.states: list[list[torch.Tensor]] = []

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        self.states = [[], []]
        # A learned first state is no leaf: it is expanded to all samples.
        now: list[Any] = [self.first.expand(SAMPLES, -1)] * 2
        places = [(t, stream) for t in range(TIMESTEPS) for stream in (0, 1)]
        if self.way == "one after the other":
            places.sort(key=lambda place: place[1])
        for t, stream in places:
            state = self.cell(inputs[stream][:, t], now[stream])
            self.states[stream].append(state)
            # Such a state is another tensor than what the cell gave.
            now[stream] = 0.9 * state if self.way == "in turns, states changed" else state
        made: torch.Tensor = now[0] + 2 * now[1]
        return made


WAYS = [
    case("one nn.GRUCell over two sequences in turns", "in turns"),
    case("one nn.GRUCell over two sequences in turns, states changed between", "in turns, states changed"),
    case("one nn.GRUCell over two sequences, learned initial state", "one after the other"),
]


@pytest.mark.parametrize("way", WAYS)
def test_two_sequences_are_told_apart(way: str) -> None:
    model = Streams(way)
    inputs = [batch(), batch()]
    with capture_torch.attach(model, every=1, samples=None) as taps:
        for step in range(2):
            prediction = model(*inputs)
            for states in model.states:
                for state in states:
                    state.retain_grad()
            if way == "in turns, states changed" and not step:
                with told(UNTOLD):
                    records = collected(taps, prediction, step)
            else:
                records = collected(taps, prediction, step)
            assert [each.name for each in records] == ["cell", "cell/call_1"]
            for made, states in zip(records, model.states, strict=True):
                np.testing.assert_array_equal(made.sequences["activation"], torch.stack(states, 1).detach())
                total = torch.stack([gradient(state) for state in states], 1)
                np.testing.assert_allclose(made.sequences["bptt_gradient"], total, **TOLERANCE)
                assert ("output_gradient" in made.sequences) is (way != "in turns, states changed")


def collected(taps: Any, prediction: torch.Tensor, step: int) -> list[record.LayerRecord]:
    prediction.square().sum().backward()
    made: list[record.LayerRecord] = taps.collect(step)
    return made


def gradient(tensor: torch.Tensor) -> torch.Tensor:
    assert tensor.grad is not None
    return tensor.grad


@pytest.mark.framework_case("PyTorch", "nn.GRUCell, the state's variable replaced by it detached")
def test_state_is_replaced_by_itself_detached() -> None:
    """Nothing of what the cell gave is left but its numbers."""
    cell = nn.GRUCell(INPUTS, UNITS)
    x = batch()
    with capture_torch.attach(cell, every=1, samples=None) as taps:
        state, loss = torch.zeros(SAMPLES, UNITS), torch.zeros(())
        seen = []
        for t in range(TIMESTEPS):
            state = cell(x[:, t], state)
            loss = loss + state.sum() * (t + 1)
            state = state.detach()
            seen.append(state)
        loss.backward()
        (made,) = taps.collect(0)
    np.testing.assert_array_equal(made.sequences["activation"], torch.stack(seen, 1))
    weights = np.arange(1, TIMESTEPS + 1)[None, :, None] * np.ones((SAMPLES, 1, UNITS))
    np.testing.assert_array_equal(made.sequences["output_gradient"], weights)
    np.testing.assert_array_equal(made.sequences["bptt_gradient"], weights)


@pytest.mark.framework_case("PyTorch", "nn.GRUCell, micro-batches and states in the same memory")
def test_micro_batches_in_the_same_memory() -> None:
    """As with the buffers of CUDA graphs: what came before is overwritten when it is asked for."""
    cell = nn.GRUCell(INPUTS, UNITS)
    memory, first = batch(), torch.zeros(SAMPLES, UNITS)
    gates: list[list[torch.Tensor]] = []
    with capture_torch.attach(cell, every=1, samples=None) as taps:
        for _ in range(2):
            memory.copy_(batch())
            state = first
            gates.append([])
            for x in memory.unbind(1):
                gates[-1].append(update_gate(cell, x, state).detach())
                state = cell(x, state)
            state.sum().backward()
            first.copy_(state.detach())
        (made,) = taps.collect(0)
    assert made.recurrence is not None
    expected = torch.cat([torch.stack(of_one, 1) for of_one in gates])
    np.testing.assert_allclose(made.recurrence.sequences()["gate/update"], expected, **TOLERANCE)


def update_gate(cell: nn.GRUCell, x: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """From the formula in PyTorch's documentation."""
    of_input, of_hidden = x @ cell.weight_ih.T + cell.bias_ih, hidden @ cell.weight_hh.T + cell.bias_hh
    return (of_input.chunk(3, -1)[1] + of_hidden.chunk(3, -1)[1]).sigmoid()


class PairCell(nn.LSTMCell):
    """Returns its output beside its states, as cells of TensorFlow do, and has names of its own."""

    def forward(self, now: torch.Tensor, state: Any = None) -> Any:
        """h and (h, c)."""
        hidden, inner = super().forward(now, state)
        return hidden, (hidden, inner)


class OddCell(nn.GRUCell):
    """Returns something else beside its state."""

    def forward(self, input: torch.Tensor, hx: Any = None) -> Any:  # noqa: A002  # nn.GRUCell's names
        """h and a number for each unit."""
        hidden = super().forward(input, hx)
        return hidden, hidden.mean(0)


@pytest.mark.framework_case("PyTorch", "nn.LSTMCell with a forward method of one's own, which returns h and (h, c)")
@pytest.mark.parametrize("named", [False, True])
def test_a_cell_that_returns_its_output_beside_its_states(named: bool) -> None:
    cell, x = PairCell(INPUTS, UNITS), batch()
    plain = nn.LSTMCell(INPUTS, UNITS)
    plain.load_state_dict(cell.state_dict())
    with capture_torch.attach(cell, every=1, samples=None) as taps:
        state: Any = None
        for t in range(TIMESTEPS):
            output, state = cell(now=x[:, t], state=state) if named else cell(x[:, t], state)
        output.square().sum().backward()
        (made,) = taps.collect(0)
    states: Any = None
    seen = []
    for t in range(TIMESTEPS):
        states = plain(x[:, t], states)
        for state in states:
            state.retain_grad()
        seen.append(states)
    states[0].square().sum().backward()
    for index, names in enumerate((("activation", "bptt_gradient"), ("cell_state", "cell_state_gradient"))):
        tensors = [of_step[index] for of_step in seen]
        np.testing.assert_allclose(made.sequences[names[0]], torch.stack(tensors, 1).detach(), **TOLERANCE)
        np.testing.assert_allclose(made.sequences[names[1]], torch.stack(list(map(gradient, tensors)), 1), **TOLERANCE)


def test_a_cell_that_returns_something_else_is_said_once_and_survived() -> None:
    cell = OddCell(INPUTS, UNITS)
    x = batch()
    with (
        capture_torch.attach(cell, every=1, samples=None) as taps,
        told(r"OddCell 'oddcell' can't be recorded: its forward method takes Tensor and .* returns 2 tensors"),
    ):
        for step in range(2):
            state = None
            for t in range(TIMESTEPS):
                state, _ = cell(x[:, t], state)
            state.sum().backward()  # type: ignore[union-attr]
            assert taps.collect(step) == []


def test_an_exception_of_ours_is_said_once_and_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = nn.GRUCell(INPUTS, UNITS)
    monkeypatch.setattr("tb_rnn_plugin.capture.torch.cells._Step", lambda *_: 1 / 0)
    with capture_torch.attach(cell, every=1, samples=None) as taps, told("'grucell' can't be recorded: ZeroDivision"):
        for step in range(2):
            cell(torch.randn(SAMPLES, INPUTS)).sum().backward()
            assert taps.collect(step) == []


def test_a_layer_called_for_one_timestep_at_a_time_is_said_once() -> None:
    body = nn.GRU(INPUTS, UNITS, batch_first=True)
    x = batch()
    with (
        capture_torch.attach(body, every=1, samples=None) as taps,
        told(r"'gru' is called for one timestep at a time.*to 'gru/call_4'.*torch\.nn\.LSTMCell"),
    ):
        for step in range(2):
            state = None
            for t in range(TIMESTEPS):
                output, state = body(x[:, t : t + 1], state)
            output.sum().backward()
            assert len(taps.collect(step)) == TIMESTEPS
