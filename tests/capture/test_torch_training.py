# mypy: allow-untyped-calls
"""Taps in a PyTorch training loop: nothing in it changes, and whatever else goes on there, the numbers are right."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import record, rnn_summary

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402
from tb_rnn_plugin.capture.torch import taps as torch_taps  # noqa: E402
from tests.capture.torch_everything import (  # noqa: E402
    INPUTS,
    NAMES,
    TIMESTEPS,
    TOLERANCE,
    Model,
    batch,
    check,
    plain_gradients,
    train,
)


def test_training_is_bitwise_the_same() -> None:
    model = Model(dropout=0.4)
    untouched = copy.deepcopy(model)
    torch.manual_seed(9)
    expected = [*train(untouched, 20), torch.rand(1)]
    torch.manual_seed(9)
    collected: list[int] = []
    with capture_torch.attach(model, every=3, samples=2) as taps:
        losses = [*train(model, 20, lambda step: collected.append(len(taps.collect(step)))), torch.rand(1)]
    assert collected == [4, 0, 0] * 6 + [4, 0]
    assert losses == expected
    for name, value in untouched.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


@pytest.mark.framework_case("PyTorch", "modules inside modules")
def test_gradients_are_those_before_clipping() -> None:
    model = Model()
    with capture_torch.attach(model, every=1, samples=None) as taps:

        def each(step: int) -> None:
            x, y = batch(step)
            check(taps.collect(step), plain_gradients(model, x, y))

        train(model, 3, each)


@pytest.mark.framework_case("PyTorch", "gradients after clip_grad_norm_")
def test_written_after_clipping_weight_gradients_are_clipped(tmp_path: Path) -> None:
    """And output gradients are not."""
    model = Model()
    x, y = batch()
    expected = plain_gradients(model, x, y)
    names = dict(model.named_parameters())
    norm = torch.stack([expected[name].norm() for name in names]).norm()
    with capture_torch.attach(model, every=1, samples=None) as taps:
        nn.functional.mse_loss(model(x), y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), float(norm) / 4)
        rnn_summary.write(taps, step=0, writer=tmp_path)
    clipped = {name: gradient / 4 if name in names else gradient for name, gradient in expected.items()}
    check([made for _, made in rnn_summary.read(tmp_path)], clipped)


def test_written_and_read_back(tmp_path: Path) -> None:
    model = Model()
    with capture_torch.attach(model, every=2, samples=2) as taps:
        train(model, 5, lambda step: rnn_summary.write(taps, step=step, writer=tmp_path))
    read = list(rnn_summary.read(tmp_path))
    assert [(step, each.name) for step, each in read] == [(step, name) for step in (0, 2, 4) for name in NAMES]
    assert read[0][1].sequences["activation"].shape == (2, TIMESTEPS, 10)
    assert len(list(tmp_path.iterdir())) == 1


def test_quantities() -> None:
    model = Model()
    with capture_torch.attach(model, every=1, samples=None, quantities=["output_gradient"]) as taps:
        made: list[record.LayerRecord] = []
        train(model, 1, lambda step: made.extend(taps.collect(step)))
    assert [each.name for each in made] == NAMES
    assert all(set(each.sequences) == {"output_gradient"} and not each.weights for each in made)


@pytest.mark.framework_case("PyTorch", "gradient accumulation")
def test_gradient_accumulation() -> None:
    """The records of the micro-batches are those of one pass on the whole batch."""
    model = Model().eval()
    x, y = batch(samples=6)
    expected = plain_gradients(model, x, y)
    with capture_torch.attach(model, every=1, samples=None) as taps:
        for number in range(2):
            model.zero_grad()
            for part in range(3):
                chosen = slice(2 * part, 2 * part + 2)
                (nn.functional.mse_loss(model(x[chosen]), y[chosen]) / 3).backward()
            records = taps.collect(number)
            check(records, expected)
            assert records[0].sequences["activation"].shape[0] == 6


@pytest.mark.framework_case("PyTorch", "gradient accumulation, batches of different lengths")
def test_micro_batches_of_different_lengths() -> None:
    body = nn.GRU(INPUTS, 4, batch_first=True)
    taps: Any = capture_torch.attach(body, every=1, samples=None, keep_inputs=True)
    with taps:
        outputs = []
        for timesteps in (3, 5):
            output, _ = body(torch.randn(2, timesteps, INPUTS))
            output.sum().backward()
            outputs.append(output.detach())
        (made,) = taps.collect(0)
    np.testing.assert_array_equal(made.sequences["activation"][:2, :3], outputs[0])
    np.testing.assert_array_equal(made.sequences["activation"][2:], outputs[1])
    assert not made.sequences["activation"][:2, 3:].any()
    mask = taps.inputs["gru"]["mask"]
    np.testing.assert_array_equal(mask, [[1, 1, 1, 0, 0]] * 2 + [[1] * 5] * 2)


@pytest.mark.framework_case("PyTorch", "two backward passes through one forward pass")
def test_two_backward_passes_through_one_forward_pass() -> None:
    body = nn.GRU(INPUTS, 4, batch_first=True)
    with capture_torch.attach(body, every=1, samples=None) as taps:
        output, _ = body(torch.randn(2, 3, INPUTS))
        output.sum().backward(retain_graph=True)
        (2 * output).sum().backward()
        (made,) = taps.collect(0)
    np.testing.assert_array_equal(made.sequences["output_gradient"], np.full((2, 3, 4), 3))


@pytest.mark.framework_case("PyTorch", "a layer called twice")
def test_called_twice() -> None:
    body = nn.GRU(INPUTS, 4, 2, batch_first=True)
    x = torch.randn(2, 3, INPUTS)
    with capture_torch.attach(body, every=1, samples=None) as taps:
        for number in range(2):
            first, second = body(x)[0], body(x[:, :2])[0]
            (first.sum() + 2 * second.sum()).backward()
            records = taps.collect(number)
    assert [each.name for each in records] == ["gru/layer_0", "gru/layer_0/call_1", "gru/layer_1", "gru/layer_1/call_1"]
    np.testing.assert_array_equal(records[2].sequences["activation"], first.detach())
    np.testing.assert_array_equal(records[3].sequences["activation"], second.detach())
    np.testing.assert_array_equal(records[3].sequences["output_gradient"], np.full((2, 2, 4), 2))
    assert [bool(each.weight_gradients) for each in records] == [True, False, True, False]


class Checkpointed(Model):
    """Its recurrent part is computed once more in the backward pass."""

    reentrant = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.encoder(x))
        hidden = checkpoint(lambda x: self.body(x)[0], x, use_reentrant=self.reentrant)
        assert isinstance(hidden, torch.Tensor)
        # Two segments, which are recomputed from the last to the first.
        a, b = (
            checkpoint(lambda x: self.parts["last"](x)[0], part, use_reentrant=self.reentrant)
            for part in (hidden, hidden.flip(1))
        )
        self.seen = {"body/layer_1": hidden, "parts/last": a, "parts/last/call_1": b}
        made: torch.Tensor = self.head(a[:, -1] + 2 * b[:, -1])
        return made


@pytest.mark.framework_case("PyTorch", "activation checkpointing")
@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_activation_checkpointing(reentrant: bool, dropout: float) -> None:
    model = Checkpointed(dropout)
    model.reentrant = reentrant
    x, y = batch()
    torch.manual_seed(1)
    expected = plain_gradients(model, x, y)
    with capture_torch.attach(model, every=1, samples=None, layers=["body", "last"]) as taps:
        torch.manual_seed(1)
        prediction = model(x)
        nn.functional.mse_loss(prediction, y).backward()
        records = taps.collect(0)
    assert [each.name for each in records] == ["body/layer_0", "body/layer_1", "parts/last", "parts/last/call_1"]
    for each in records[1:]:
        np.testing.assert_array_equal(each.sequences["activation"], model.seen[each.name].detach())
        np.testing.assert_allclose(each.sequences["output_gradient"], expected[each.name], **TOLERANCE)
    for name, parameter in model.named_parameters():
        if name in expected:
            assert torch.equal(expected[name], parameter.grad), name  # type: ignore[arg-type]  # it has one


@pytest.mark.framework_case("PyTorch", "torch.compile")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.filterwarnings("ignore:.*torch.compile:UserWarning")
def test_compiled() -> None:
    torch.compiler.reset()
    model = Model()
    compiled: Any = torch.compile(model, backend="eager")
    with capture_torch.attach(compiled, every=2, samples=None) as taps:
        for number in range(4):
            x, y = batch(number)
            expected = plain_gradients(model, x, y)
            model.zero_grad()
            nn.functional.mse_loss(compiled(x), y).backward()
            records = taps.collect(number)
            if number % 2 == 0:
                check(records, expected)
            else:
                assert not records


@pytest.mark.framework_case("PyTorch", "torch.compile before attach")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_compiled_before_it_is_tapped() -> None:
    model = nn.Sequential(nn.Linear(INPUTS, 4), nn.GRU(4, 5, batch_first=True))
    compiled: Any = torch.compile(model, backend="eager")
    x, _ = batch()
    compiled(x)[0].sum().backward()
    with capture_torch.attach(compiled, every=1, samples=None) as taps:
        output, _ = compiled(x)
        output.sum().backward()
        (made,) = taps.collect(0)
    assert made.name == "1"
    np.testing.assert_allclose(made.sequences["activation"], output.detach())
    np.testing.assert_array_equal(made.sequences["output_gradient"], np.ones_like(output.detach()))


@pytest.mark.framework_case("PyTorch", "nn.DataParallel")
def test_data_parallel() -> None:
    """Without GPUs the wrapper calls the model itself; its replicas, here as it makes them, are put together again."""
    model = Model().eval()
    x, y = batch(samples=4)
    expected = plain_gradients(model, x, y)
    with capture_torch.attach(nn.DataParallel(model), every=1, samples=None) as taps:
        nn.functional.mse_loss(nn.DataParallel(model)(x), y).backward()
        check(taps.collect(0), expected)


def test_parts_of_several_devices_are_put_together() -> None:
    """Those of replicas are each on a GPU of its own. Of the devices that every machine has, one holds no numbers."""
    parts = [{"activation": torch.ones(samples, 3, 4, device=device)} for samples, device in ((2, "meta"), (3, "cpu"))]
    assert torch_taps.joined(parts)["activation"].shape == (5, 3, 4)


@pytest.mark.framework_case("PyTorch", "nn.DataParallel, several replicas")
def test_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    body = nn.GRU(INPUTS, 4, 2, batch_first=True)
    x = torch.randn(4, 3, INPUTS)
    replicas = [body._replicate_for_data_parallel() for _ in range(2)]
    for replica in replicas:  # as torch.nn.parallel.replicate does
        for name, parameter in body.named_parameters():
            setattr(replica, name, parameter.view_as(parameter))
    monkeypatch.setattr(torch_taps, "_replica", lambda module: next(i for i in (0, 1) if replicas[i] is module))
    with capture_torch.attach(body, every=1, samples=None) as taps:
        second = replicas[1](x[2:])[0]  # threads may come in any order
        output = torch.cat([replicas[0](x[:2])[0], second])
        output.pow(2).sum().backward()
        _, made = taps.collect(0)
    np.testing.assert_array_equal(made.sequences["activation"], output.detach())
    np.testing.assert_allclose(made.sequences["output_gradient"], 2 * output.detach())
    assert made.weight_gradients
