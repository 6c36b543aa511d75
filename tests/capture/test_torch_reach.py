# mypy: allow-untyped-calls
"""The gradient of PyTorch's inputs and the reach of its states, against autograd through modules and loops of its own.

The gradient by way of one direction is that of the loss when the other one's output is a constant.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence  # noqa: E402

from tests.capture.test_torch_tools import case, told, tolerance  # noqa: E402

SAMPLES, TIMESTEPS, INPUTS, UNITS = 3, 6, 4, 5
LENGTHS = (4, 6, 1)
TOLERANCE = tolerance()
KINDS: dict[str, Any] = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}
CELLS: dict[str, Any] = {"LSTM": nn.LSTMCell, "GRU": nn.GRUCell, "RNN": nn.RNNCell}
# As many as `reach` is said to be estimated with, of a generator that starts anew for each quantity.
COTANGENTS, SEED = 16, 0


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(6)


class Model(nn.Module):
    """A recurrent module whose outputs are squared, weighted and summed."""

    def __init__(self, kind: str, *, bidirectional: bool = False, packed: bool = False):
        super().__init__()
        self.body = KINDS[kind](INPUTS, UNITS, batch_first=True, bidirectional=bidirectional)
        self.packed = packed
        self.weight = torch.randn(TIMESTEPS, UNITS * (2 if bidirectional else 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.packed:
            return self.loss(self.body(x)[0])
        output, _ = self.body(pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False))
        return self.loss(pad_packed_sequence(output, batch_first=True)[0])

    def loss(self, output: torch.Tensor) -> torch.Tensor:
        return (output.pow(2) * self.weight[: output.shape[1]]).sum()

    @property
    def suffixes(self) -> list[str]:
        return ["_l0", "_l0_reverse"] if self.body.bidirectional else ["_l0"]


def alone(model: Model, kind: str, suffix: str, make: Callable[..., Any]) -> Any:
    """A module or a cell with the weights of one direction."""
    ends = "_l0" if make is KINDS[kind] else ""
    of_direction = {
        name.removesuffix(suffix) + ends: value
        for name, value in model.body.state_dict().items()
        if name.endswith(suffix)
    }
    made = make(INPUTS, UNITS, **({"batch_first": True} if ends else {}))
    made.load_state_dict(of_direction)
    return made


def gradient_by_direction(model: Model, kind: str, x: torch.Tensor) -> np.ndarray[Any, Any]:
    """(samples, timesteps, inputs x directions), zeros behind the end."""
    modules = [alone(model, kind, suffix, KINDS[kind]) for suffix in model.suffixes]
    made = torch.zeros(SAMPLES, TIMESTEPS, INPUTS * len(modules))
    for index, length in enumerate(LENGTHS if model.packed else [TIMESTEPS] * SAMPLES):
        for which in range(len(modules)):
            given = x[index : index + 1, :length].clone().requires_grad_()
            outputs = [module(given.flip(1) if at else given)[0] for at, module in enumerate(modules)]
            outputs = [output.flip(1) if at else output for at, output in enumerate(outputs)]
            joined = torch.cat([output if at == which else output.detach() for at, output in enumerate(outputs)], -1)
            model.loss(joined).backward()
            assert given.grad is not None
            made[index, :length, which * INPUTS : (which + 1) * INPUTS] = given.grad[0]
    return made.numpy()


def jacobians(cell: Any, x: torch.Tensor, timestep: int) -> list[torch.Tensor]:
    """∂h_t'/∂h_t of one sample (timesteps, inputs) for t = 0, …, t': (width, width) each; the cell state is held."""
    states: list[Any] = []
    now: Any = None
    for step in x:
        now = cell(step[None], now)
        states.append(now)
    has_cell_state = isinstance(cell, nn.LSTMCell)
    found = []
    for t in range(timestep + 1):
        state = states[t]

        def last(hidden: torch.Tensor, t: int = t, state: Any = state) -> torch.Tensor:
            reached: Any = (hidden[None], state[1]) if has_cell_state else hidden[None]
            for step in x[t + 1 : timestep + 1]:
                reached = cell(step[None], reached)
            return (reached[0] if has_cell_state else reached)[0]  # type: ignore[no-any-return]

        start = (state[0] if has_cell_state else state)[0].detach()
        found.append(torch.autograd.functional.jacobian(last, start))
    return found


def recorded(model: Model, x: torch.Tensor, quantities: Sequence[str], directory: Path) -> rnn_summary.LayerRecord:
    """Written in a training step, and read."""
    with rnn_summary.attach(model, every=1, samples=None, quantities=quantities) as taps:
        model(x).backward()
        rnn_summary.write(taps, 0, directory)
    ((_, record),) = rnn_summary.read(directory)
    assert set(record.sequences) == set(quantities)
    return record


def cases(measured: str) -> list[Any]:
    return [
        case(f"{measured}: nn.{kind}{name}", kind, options)
        for kind in KINDS
        for name, options in (
            ("", {}),
            (", bidirectional", {"bidirectional": True}),
            (", PackedSequence, bidirectional", {"packed": True, "bidirectional": True}),
        )
    ]


@pytest.mark.parametrize(("kind", "options"), cases("gradient of the inputs"))
def test_input_gradient_is_autograds(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    model = Model(kind, **options)
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    record = recorded(model, x, ("input_gradient",), tmp_path)
    found = record.sequences["input_gradient"]
    np.testing.assert_allclose(found, gradient_by_direction(model, kind, x), **TOLERANCE)
    leaf = x.clone().requires_grad_()
    model(leaf).backward()
    assert leaf.grad is not None
    total = sum(found[..., record.channels(direction, "input_gradient")] for direction in record.directions)
    np.testing.assert_allclose(total, leaf.grad, **TOLERANCE)


@pytest.mark.parametrize(("kind", "options"), cases("reach"))
def test_reach_is_the_norm_of_autograds_jacobian(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    model = Model(kind, **options)
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    record = recorded(model, x, ("activation", "reach", "reach/3"), tmp_path)
    random = {quantity: np.random.default_rng(SEED) for quantity in ("reach", "reach/3")}
    lengths = LENGTHS if model.packed else [TIMESTEPS] * SAMPLES
    for direction, suffix in zip(record.directions, model.suffixes, strict=True):
        cell = alone(model, kind, suffix, CELLS[kind])
        is_backward = direction == "backward"
        for quantity, generator in random.items():
            drawn = generator.standard_normal((COTANGENTS, SAMPLES, UNITS))
            found = record.sequences[quantity][:, :, record.channels(direction, quantity)][..., 0]
            for index, length in enumerate(lengths):
                wanted, exact = np.zeros((2, TIMESTEPS))
                # The timestep of the sequence, then when the direction came to it.
                timestep = 3 if quantity == "reach/3" else 0 if is_backward else length - 1
                came = length - 1 - timestep if is_backward else timestep
                steps = x[index, :length].flip(0) if is_backward else x[index, :length]
                for t, jacobian in enumerate(jacobians(cell, steps, came) if timestep < length else ()):
                    at = length - 1 - t if is_backward else t
                    exact[at] = jacobian.norm()
                    wanted[at] = np.sqrt(np.square(drawn[:, index] @ jacobian.numpy()).sum(axis=-1).mean())
                np.testing.assert_allclose(found[index], wanted, **TOLERANCE)
                np.testing.assert_allclose(found[index], exact, rtol=0.6, atol=1e-6)  # an estimate by 16 cotangents


def test_a_timestep_that_is_not_there_is_said_once(tmp_path: Path) -> None:
    model = Model("GRU")
    with rnn_summary.attach(model, every=1, quantities=("activation", "reach/5", "reach/6")) as taps:
        for step in range(3):
            model(torch.randn(SAMPLES, TIMESTEPS, INPUTS)).backward()
            rnn_summary.write(taps, step, tmp_path)
            with told("'reach/6' of 'body' is left out: the sequence has no timestep 6", times=int(step == 0)):
                rnn_summary.flush()
    assert [set(record.sequences) for _, record in rnn_summary.read(tmp_path)] == [{"activation", "reach/5"}] * 3


def test_neither_is_recorded_by_default(tmp_path: Path) -> None:
    model = Model("LSTM", bidirectional=True)
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    with rnn_summary.attach(model, every=1) as taps:
        model(x).backward()
        rnn_summary.write(taps, 0, tmp_path)
    ((_, written),) = rnn_summary.read(tmp_path)
    (captured,) = rnn_summary.capture(model, x, None, loss=lambda value, _: value)
    for record in (written, captured):
        assert "bptt_gradient" in record.sequences
        assert not {"input_gradient", "reach"} & set(record.sequences)
