# mypy: allow-untyped-calls
"""Where one step of training ends and the next one begins: in loops with several updates, or with few writes."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import record
from tb_rnn_plugin.derivation import completed_at_once

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402
from tb_rnn_plugin.capture.torch import taps as torch_taps  # noqa: E402
from tests.capture.test_torch_tools import case, told, tolerance  # noqa: E402
from tests.capture.unrolled_torch import expected, sample  # noqa: E402

SAMPLES, TIMESTEPS, INPUTS, UNITS = 2, 4, 3, 5
TOLERANCE = tolerance()


def batch() -> torch.Tensor:
    return torch.randn(SAMPLES, TIMESTEPS, INPUTS)


@contextlib.contextmanager
def nothing_said() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def gru() -> tuple[nn.GRU, torch.optim.Optimizer]:
    body = nn.GRU(INPUTS, UNITS, batch_first=True)
    return body, torch.optim.SGD(body.parameters(), 0.1)


def check(made: record.LayerRecord, output: torch.Tensor) -> None:
    """Of one pass whose loss was Σ output²; gradients through time are there, and finite, as all else."""
    np.testing.assert_array_equal(made.sequences["activation"], output.detach())
    np.testing.assert_allclose(made.sequences["output_gradient"], 2 * output.detach(), **TOLERANCE)
    done = completed_at_once(made)
    assert done is not None
    assert "bptt_gradient" in done.sequences


@pytest.mark.framework_case("PyTorch", "write called on some steps only")
@pytest.mark.parametrize("frozen", [False, True])
def test_write_is_called_on_some_steps_only(frozen: bool) -> None:
    """The step that is written is the last one, not all since the write before it; what isn't trained as well."""
    first = nn.RNN(INPUTS, INPUTS, batch_first=True).requires_grad_(not frozen)
    body, optimizer = gru()
    seen = []
    with (
        capture_torch.attach(nn.ModuleList([first, body]), every=1, samples=None) as taps,
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "rnn_summary: no gradient reaches '0'")
        for step in range(10):
            optimizer.zero_grad()
            inner, _ = first(batch())
            output, _ = body(inner)
            output.square().sum().backward()
            if step % 3 == 0:
                records = taps.collect(step)
                seen.append(len(records))
                np.testing.assert_array_equal(records[0].sequences["activation"], inner.detach())
                check(records[1], output)
            optimizer.step()
            if not frozen:
                torch.optim.SGD(first.parameters(), 0.1).step()
                first.zero_grad()
    assert seen == [2] * 4


def test_no_more_is_kept_than_of_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_taps, "_MOST_PASSES", 5)
    body, optimizer = gru()
    with capture_torch.attach(body, every=1, samples=None) as taps, told("5 backward passes came without a write"):
        (tap,) = taps._recorder._taps.values()  # type: ignore[attr-defined]  # of TorchTaps
        for _ in range(12):
            optimizer.zero_grad()
            body(batch())[0].sum().backward()
            optimizer.step()
            assert len(tap._calls) == 1
        for _ in range(12):  # gradients are accumulated, and weights stay as they are
            body(batch())[0].sum().backward()
            assert len(tap._calls) <= 5


@pytest.mark.framework_case("PyTorch", "sharpness-aware minimisation: two passes a step")
def test_two_passes_with_other_weights_each() -> None:
    """Foret et al. 2020: the weights' gradients are those of the second pass, and so is what is recorded."""
    body, optimizer = gru()
    x = batch()
    with capture_torch.attach(body, every=1, samples=None) as taps, nothing_said():
        for step in range(3):
            optimizer.zero_grad()
            body(x)[0].square().sum().backward()
            away = [parameter.grad.clone() for parameter in body.parameters() if parameter.grad is not None]
            with torch.no_grad():
                for parameter, by in zip(body.parameters(), away, strict=True):
                    parameter.add_(by, alpha=0.05)
            optimizer.zero_grad()
            output, _ = body(x)
            output.square().sum().backward()
            (made,) = taps.collect(step)
            check(made, output)
            with torch.no_grad():
                for parameter, by in zip(body.parameters(), away, strict=True):
                    parameter.sub_(by, alpha=0.05)
            optimizer.step()


@pytest.mark.framework_case("PyTorch", "torch.optim.LBFGS")
def test_an_optimizer_that_evaluates_the_loss_itself() -> None:
    """What is written in its closure is the evaluation just made; behind `step`, it comes too late."""
    body, _ = gru()
    optimizer = torch.optim.LBFGS(body.parameters(), max_iter=4)
    x = batch()
    number = 0

    def closure() -> torch.Tensor:
        nonlocal number
        optimizer.zero_grad()
        output, _ = body(x)
        loss: torch.Tensor = output.square().sum()
        loss.backward()
        (made,) = taps.collect(number)
        check(made, output)
        number += 1
        return loss

    with capture_torch.attach(body, every=1, samples=None) as taps, nothing_said():
        optimizer.step(closure)
    assert number > 2


class Adversaries(nn.Module):
    """A generator, and what tells its sequences from real ones."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.GRU(INPUTS, INPUTS, batch_first=True)
        self.critic = nn.GRU(INPUTS, UNITS, batch_first=True)


@pytest.mark.framework_case("PyTorch", "two optimizers in turns, as in adversarial training")
@pytest.mark.parametrize("of", ["critic", "generator"])
def test_two_optimizers_in_turns(of: str) -> None:
    """What the critic did for the generator's step is no part of its own, whose gradients were thrown away since."""
    model = Adversaries()
    of_generator, of_critic = (torch.optim.SGD(part.parameters(), 0.1) for part in (model.generator, model.critic))
    tapped = model.critic if of == "critic" else model
    with capture_torch.attach(tapped, every=1, samples=None) as taps, nothing_said():
        for step in range(3):
            fake, _ = model.generator(batch())
            of_critic.zero_grad()
            outputs = [model.critic(given)[0] for given in (fake.detach(), batch())]
            sum(output.square().sum() for output in outputs).backward()
            if of == "critic":
                for made, output in zip(taps.collect(step), outputs, strict=True):
                    check(made, output)
            of_critic.step()
            of_generator.zero_grad()
            judged, _ = model.critic(fake)
            judged.square().sum().backward()
            if of == "generator":
                generator, critic = taps.collect(step)
                check(critic, judged)
                np.testing.assert_array_equal(generator.sequences["activation"], fake.detach())
                assert {"output_gradient"} <= generator.sequences.keys()
                assert generator.weight_gradients
                assert generator.recurrence is not None
            of_generator.step()


@pytest.mark.framework_case("PyTorch", "two optimizers, one of which has made its step")
def test_only_layers_that_were_updated_lack_something() -> None:
    model = nn.ModuleList([nn.GRU(INPUTS, UNITS, batch_first=True), nn.GRU(UNITS, UNITS, batch_first=True)])
    first, second = (torch.optim.SGD(part.parameters(), 0.1) for part in model)
    with (
        capture_torch.attach(model, every=1, samples=None) as taps,
        told(r"weights of '0' are those after the update\. Gradients through time"),
    ):
        for step in range(2):
            model.zero_grad()
            inner, _ = model[0](batch())
            output, _ = model[1](inner.detach())
            inner.sum().backward()
            first.step()
            output.square().sum().backward()
            early, late = taps.collect(step)
            assert early.recurrence is None
            check(late, output)
            second.step()


CHECKPOINTED = pytest.mark.parametrize(
    "reentrant",
    [
        case("gradient accumulation, checkpoint(use_reentrant=False)", False),
        case("gradient accumulation, checkpoint(use_reentrant=True)", True),
    ],
)


class Checkpointed(nn.Module):
    """All that is tapped is computed once more in the backward pass."""

    def __init__(self, *, reentrant: bool) -> None:
        super().__init__()
        self.body = nn.GRU(INPUTS, UNITS, batch_first=True)
        self.reentrant = reentrant

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output = checkpoint(lambda x: self.body(x)[0], x.requires_grad_(), use_reentrant=self.reentrant)
        assert isinstance(output, torch.Tensor)
        return output


@CHECKPOINTED
def test_micro_batches_that_are_computed_once_more(reentrant: bool) -> None:
    model = Checkpointed(reentrant=reentrant)
    with capture_torch.attach(model, every=1, samples=None) as taps, nothing_said():
        for step in range(2):
            model.zero_grad()
            outputs = []
            for _ in range(3):
                output = model(batch())
                output.square().sum().backward()
                outputs.append(output)
            (made,) = taps.collect(step)
            check(made, torch.cat(outputs))


@CHECKPOINTED
def test_steps_that_are_computed_once_more_and_not_written(reentrant: bool) -> None:
    model = Checkpointed(reentrant=reentrant)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with capture_torch.attach(model, every=1, samples=None) as taps, nothing_said():
        for step in range(7):
            optimizer.zero_grad()
            output = model(batch())
            output.square().sum().backward()
            if step % 3 == 0:
                (made,) = taps.collect(step)
                check(made, output)
            optimizer.step()


WINDOWS = [
    case("truncated backpropagation through time, a backward pass for each window", False),
    case("truncated backpropagation through time, windows and states in the same memory", True),
]


@pytest.mark.parametrize("in_place", WINDOWS)
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_windows_with_carried_states(kind: Any, in_place: bool) -> None:
    """Three windows a step, each from the states, detached, that the one before it ended with."""
    body: Any = kind(INPUTS, UNITS, batch_first=True)
    optimizer = torch.optim.SGD(body.parameters(), 0.1)
    memory = batch()
    with capture_torch.attach(body, every=1, samples=None) as taps, nothing_said():
        for step in range(2):
            optimizer.zero_grad()
            states = [torch.zeros(1, SAMPLES, UNITS) for _ in range(2 if kind is nn.LSTM else 1)]
            wanted = []
            for _ in range(3):
                x = memory.copy_(batch()) if in_place else batch()
                wanted += window(body, x, states)
                output, last = body(x, tuple(states) if len(states) > 1 else states[0])
                last = last if isinstance(last, tuple) else (last,)
                (output.square().sum() + last[0].sum()).backward()
                carried = [state.detach() for state in last]
                states = [old.copy_(new) for old, new in zip(states, carried, strict=True)] if in_place else carried
            (made,) = taps.collect(step)
            done = completed_at_once(made)
            assert done is not None
            for quantity in wanted[0]:
                of_all = torch.stack([of[quantity] for of in wanted])
                if quantity in done.sequences:  # dL/dc_t is not by default
                    np.testing.assert_allclose(done.sequences[quantity], of_all, err_msg=quantity, **TOLERANCE)
            optimizer.step()


def window(body: Any, x: torch.Tensor, states: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    """Sample by sample what a loop written out says."""
    before = {name: parameter.grad for name, parameter in body.named_parameters()}
    body.zero_grad()
    made = []
    for index in range(SAMPLES):
        layers, output, last = sample(body, x[index], [state[:, index] for state in states])
        (output.square().sum() + last[0].sum()).backward()
        made.append(expected(layers[0], TIMESTEPS))
    for name, parameter in body.named_parameters():
        parameter.grad = before[name]
    return made
