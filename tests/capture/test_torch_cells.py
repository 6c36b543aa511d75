# mypy: allow-untyped-calls
"""Taps on LSTMCell, GRUCell and RNNCell in loops, against the same loops with every path's gradient asked for."""

from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import record

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402
from tests.capture.test_torch_tools import case, told, tolerance  # noqa: E402

CELLS: dict[str, Any] = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}
SAMPLES, TIMESTEPS, INPUTS, UNITS = 3, 5, 4, 4
TOLERANCE = tolerance()


class Loop(nn.Module):
    """A cell run over a sequence; `direct` are aliases of h_t that only what follows the loop uses."""

    def __init__(self, kind: str, *, bias: bool = True) -> None:
        super().__init__()
        self.kind = kind
        self.cell = CELLS[kind](INPUTS, UNITS, bias=bias)
        self.states: list[Any] = []
        self.direct: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor, state: Any = None) -> torch.Tensor:
        self.states, self.direct = [], []
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
            self.states.append(state if isinstance(state, tuple) else (state,))
            self.direct.append(self.states[-1][0].view_as(self.states[-1][0]))
        return torch.stack(self.direct, 1)

    def retain(self) -> None:
        for tensor in [*self.direct, *(s for state in self.states for s in state)]:
            tensor.retain_grad()

    def expected(self) -> dict[str, torch.Tensor]:
        """By retain_grad."""
        names = {"activation": 0, "cell_state": 1} if self.kind == "lstm" else {"activation": 0}
        gradients = {"activation": "bptt_gradient", "cell_state": "cell_state_gradient"}
        made = {}
        for name, index in names.items():
            tensors = [state[index] for state in self.states]
            made[name] = torch.stack(tensors, 1).detach()
            made[gradients[name]] = torch.stack([over(tensor) for tensor in tensors], 1)
        made["output_gradient"] = torch.stack([over(tensor) for tensor in self.direct], 1)
        return made


def over(tensor: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


def check(made: record.LayerRecord, loop: Loop) -> None:
    expected = loop.expected()
    assert set(made.sequences) == set(expected)
    for quantity, values in expected.items():
        np.testing.assert_allclose(made.sequences[quantity], values, **TOLERANCE, err_msg=quantity)
    wanted = {"kernel": loop.cell.weight_ih, "recurrent_kernel": loop.cell.weight_hh}
    for matrix, parameter in wanted.items():
        np.testing.assert_array_equal(made.weights["forward"][matrix], parameter.detach().T)
        np.testing.assert_array_equal(made.weight_gradients["forward"][matrix], parameter.grad.T)
    if loop.cell.bias:
        rows = [loop.cell.bias_ih.grad, loop.cell.bias_hh.grad]
        np.testing.assert_array_equal(made.weight_gradients["forward"]["bias"], torch.stack(rows))


@pytest.mark.parametrize("kind", [case(f"nn.{CELLS[kind].__name__} in a loop", kind) for kind in CELLS])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("starts", [True, False], ids=["state given", "no state"])
def test_direct_and_total_gradients(kind: str, bias: bool, starts: bool) -> None:
    loop = Loop(kind, bias=bias)
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS, requires_grad=True)
    for _ in range(300):  # whatever comes before the loop
        x = x * 1
    state: Any = torch.randn(SAMPLES, UNITS, requires_grad=True) if starts else None
    if starts and kind == "lstm":
        state = (state, torch.randn(SAMPLES, UNITS))
    with capture_torch.attach(loop, every=1, samples=None) as taps:
        output = loop(x, state)
        loop.retain()
        (output[:, 1].sum() + output[:, -1].pow(2).sum()).backward()
        (made,) = taps.collect(0)
    assert made.name == "cell"
    check(made, loop)
    unused = np.delete(made.sequences["output_gradient"], [1, TIMESTEPS - 1], axis=1)
    assert not unused.any()  # exactly: what comes through time leaves no trace
    assert made.sequences["bptt_gradient"].all()


@pytest.mark.parametrize("kind", CELLS)
def test_recording_changes_nothing(kind: str) -> None:
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    loop = Loop(kind)
    results = []
    for tapped in (False, True):
        loop.zero_grad()
        taps = capture_torch.attach(loop, every=1, samples=None) if tapped else None
        loop(x).pow(2).sum().backward()
        results.append([p.grad.clone() for p in loop.parameters() if p.grad is not None])
        if taps is not None:
            taps.detach()
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


@pytest.mark.framework_case("PyTorch", "nn.GRUCell, unbatched")
def test_one_sample_and_keywords() -> None:
    cell = nn.GRUCell(INPUTS, UNITS)
    with capture_torch.attach(cell, every=1, samples=None) as taps:
        first = cell(input=torch.randn(INPUTS))
        second = cell(torch.randn(INPUTS), hx=first)
        (first.sum() * 3 + second.sum()).backward()
        (made,) = taps.collect(0)
    assert made.name == "grucell"
    np.testing.assert_array_equal(made.sequences["activation"], torch.stack([first, second])[None].detach())
    np.testing.assert_allclose(made.sequences["output_gradient"][0], [[3.0] * UNITS, [1.0] * UNITS], rtol=1e-5)


@pytest.mark.framework_case("PyTorch", "nn.LSTMCell over two sequences")
def test_two_sequences_with_one_cell() -> None:
    loop = Loop("lstm")
    a, b = torch.randn(SAMPLES, TIMESTEPS, INPUTS), torch.randn(SAMPLES, 2, INPUTS)
    with capture_torch.attach(loop, every=1, samples=None) as taps:
        output, other = loop(a), loop(b)
        (output.sum() + other.pow(2).sum()).backward()
        first, second = taps.collect(0)
    assert (first.name, second.name) == ("cell", "cell/call_1")
    np.testing.assert_array_equal(first.sequences["activation"], output.detach())
    np.testing.assert_array_equal(second.sequences["activation"], other.detach())
    assert first.weights
    assert not second.weights


@pytest.mark.framework_case("PyTorch", "nn.RNNCell, state detached between timesteps")
def test_state_is_detached_between() -> None:
    """One sequence still; and nothing comes back through time."""
    cell = nn.RNNCell(INPUTS, UNITS)
    with capture_torch.attach(cell, every=1, samples=None) as taps:
        first = cell(torch.randn(SAMPLES, INPUTS))
        second = cell(torch.randn(SAMPLES, INPUTS), first.detach())
        (first.sum() * 3 + second.sum()).backward()
        (made,) = taps.collect(0)
    np.testing.assert_array_equal(made.sequences["bptt_gradient"][:, 0], np.full((SAMPLES, UNITS), 3))
    np.testing.assert_array_equal(made.sequences["bptt_gradient"], made.sequences["output_gradient"])


@pytest.mark.parametrize("how", ["dropout", "input"])
def test_direct_path_that_cannot_be_told(how: str) -> None:
    cell = nn.GRUCell(INPUTS, UNITS)
    with (
        capture_torch.attach(cell, every=1, samples=None) as taps,
        told("direct path"),
    ):
        for number in range(2):
            state = cell(torch.randn(SAMPLES, INPUTS))
            first = state
            state = cell(state, state) if how == "input" else cell(torch.randn(SAMPLES, INPUTS), state * 0.5)
            first.retain_grad()
            state.sum().backward()
            (made,) = taps.collect(number)
            assert "output_gradient" not in made.sequences
            np.testing.assert_array_equal(made.sequences["bptt_gradient"][:, 0], over(first))


@pytest.mark.framework_case("PyTorch", "nn.LSTMCell, attention on its state")
def test_attention_on_the_state_is_a_direct_path() -> None:
    """The next input is made of h_t: that is outside of the layer."""
    cell, attention = nn.LSTMCell(INPUTS, UNITS), nn.Linear(UNITS, INPUTS)
    with capture_torch.attach(cell, every=1, samples=None) as taps:
        state = cell(torch.randn(SAMPLES, INPUTS))
        used = attention(state[0])
        used.retain_grad()
        cell(used, state)[0].sum().backward()
        (made,) = taps.collect(0)
    np.testing.assert_allclose(
        made.sequences["output_gradient"][:, 0], over(used) @ attention.weight.detach(), **TOLERANCE
    )
    assert np.abs(made.sequences["output_gradient"] - made.sequences["bptt_gradient"])[:, 0].max() > 1e-4


@pytest.mark.framework_case("PyTorch", "nn.GRUCell, activation checkpointing")
@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointed_loop(reentrant: bool) -> None:
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS, requires_grad=True)
    loop = Loop("gru")
    plain = loop(x)
    loop.retain()
    plain.pow(2).sum().backward()
    expected = loop.expected()
    with capture_torch.attach(loop, every=1, samples=None) as taps:
        output = checkpoint(loop, x, use_reentrant=reentrant)
        output.pow(2).sum().backward()
        (made,) = taps.collect(0)
    for quantity, values in expected.items():
        np.testing.assert_allclose(made.sequences[quantity], values, **TOLERANCE, err_msg=quantity)


@pytest.mark.framework_case("PyTorch", "nn.LSTMCell, gradient accumulation")
def test_micro_batches() -> None:
    loop = Loop("lstm")
    x = torch.randn(2 * SAMPLES, TIMESTEPS, INPUTS)
    loop(x)
    with capture_torch.attach(loop, every=1, samples=None) as taps:
        for part in x.chunk(2):
            loop(part).pow(2).mean().div(2).backward()
        (made,) = taps.collect(0)
    loop.zero_grad()
    output = loop(x)
    loop.retain()
    output.pow(2).mean().backward()
    for quantity, values in loop.expected().items():
        np.testing.assert_allclose(made.sequences[quantity], values, **TOLERANCE, err_msg=quantity)
    np.testing.assert_allclose(made.weight_gradients["forward"]["kernel"], loop.cell.weight_ih.grad.T, **TOLERANCE)


# torch.compile looks at the .grad of what comes into a frame.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize("kind", [case(f"nn.{CELLS[kind].__name__} under torch.compile", kind) for kind in CELLS])
def test_compiled(kind: str) -> None:
    loop = Loop(kind)
    x = torch.randn(SAMPLES, 3, INPUTS)

    def model(x: torch.Tensor) -> torch.Tensor:
        state, outputs = None, []
        for t in range(3):
            state = loop.cell(x[:, t], state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outputs, 1)

    compiled = torch.compile(model, backend="eager")
    with capture_torch.attach(loop, every=2, samples=None) as taps:
        for number in range(4):
            loop.zero_grad()
            compiled(x).pow(2).sum().backward()
            records = taps.collect(number)
            assert len(records) == (number % 2 == 0)
            if records:
                loop.zero_grad()
                plain = loop(x)
                loop.retain()
                plain.pow(2).sum().backward()
                for quantity, values in loop.expected().items():
                    np.testing.assert_allclose(
                        records[0].sequences[quantity], values, **TOLERANCE, err_msg=f"{number} {quantity}"
                    )
                taps.arm(armed=False)


@pytest.mark.parametrize("kind", [case(f"nn.{CELLS[kind].__name__}, each gate by its name", kind) for kind in CELLS])
def test_a_step_is_made_of_gates_by_their_names(kind: str) -> None:
    """From the record alone, by the formulas of each gate; swapped gates would give another state."""
    cell = CELLS[kind](INPUTS, UNITS)
    x, h, c = torch.randn(SAMPLES, INPUTS), torch.randn(SAMPLES, UNITS), torch.randn(SAMPLES, UNITS)
    with capture_torch.attach(cell, every=1, samples=None) as taps:
        made = cell(x, (h, c) if kind == "lstm" else h)
        (made[0] if kind == "lstm" else made).sum().backward()
        (recorded,) = taps.collect(0)

    def sums(gate: str) -> tuple[Any, Any]:
        """What comes from the input, and from the state."""
        kernel, recurrent, (inward, around) = (
            recorded.gate(gate, matrix) for matrix in ("kernel", "recurrent_kernel", "bias")
        )
        return x.numpy() @ kernel + inward, h.numpy() @ recurrent + around

    def sigmoid(gate: str) -> Any:
        return 1 / (1 + np.exp(-sum(sums(gate))))

    if kind == "lstm":
        state = sigmoid("forget") * c.numpy() + sigmoid("input") * np.tanh(sum(sums("cell")))
        expected = sigmoid("output") * np.tanh(state)
    elif kind == "gru":
        inward, around = sums("candidate")
        candidate = np.tanh(inward + sigmoid("reset") * around)
        expected = sigmoid("update") * h.numpy() + (1 - sigmoid("update")) * candidate
    else:
        expected = np.tanh(sum(sums("")))
    np.testing.assert_allclose(recorded.sequences["activation"][:, 0], expected, **TOLERANCE)
