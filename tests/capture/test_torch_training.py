# mypy: allow-untyped-calls
"""Taps in a PyTorch training loop: nothing in it changes, and whatever else goes on there, the numbers are right."""

import copy
import pickle
import warnings
from collections.abc import Callable, Iterator
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
from tests.capture.test_torch_tools import told, tolerance  # noqa: E402

SAMPLES, TIMESTEPS, INPUTS = 4, 6, 3
TOLERANCE = tolerance()


@pytest.fixture(autouse=True)
def _small() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(6)
    yield
    torch.set_num_threads(threads)


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


@pytest.mark.framework_case("PyTorch", "evaluation between steps")
@pytest.mark.parametrize("with_gradients", [False, True])
def test_evaluation_in_between(with_gradients: bool) -> None:
    model = Model()
    x, y = batch()
    expected = plain_gradients(model, x, y)

    def evaluate() -> None:
        with torch.set_grad_enabled(with_gradients):
            model(batch(5, samples=7)[0])

    with capture_torch.attach(model, every=1, samples=None) as taps:
        evaluate()
        prediction = model(x)
        evaluate()
        nn.functional.mse_loss(prediction, y).backward()
        evaluate()
        check(taps.collect(0), expected)


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


@pytest.mark.framework_case("PyTorch", "automatic mixed precision, bfloat16")
def test_bfloat16() -> None:
    model = Model().eval()
    x, y = batch()
    expected = plain_gradients(model, x, y)
    with capture_torch.attach(model, every=1, samples=None) as taps:
        with torch.autocast("cpu", torch.bfloat16):
            prediction = model(x)
        nn.functional.mse_loss(prediction.float(), y).backward()
        records = taps.collect(0)
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    check(records, expected, tolerance(1e-2, 1e-2 * largest))


@pytest.mark.framework_case("PyTorch", "GradScaler")
@pytest.mark.parametrize("order", ["write first", "unscale first", "between step and update"])
@pytest.mark.parametrize("skipped", [False, True])
def test_gradient_scaler(order: str, skipped: bool) -> None:
    """Gradients are divided by the scale of their own step; the scaler changes it at every step here."""
    model = Model().eval()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=1)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with capture_torch.attach(model, every=1, samples=None, grad_scaler=scaler) as taps:
        for number in range(3):
            x, y = batch(number)
            expected = plain_gradients(model, x, y)
            optimizer.zero_grad()
            scaler.scale(nn.functional.mse_loss(model(x), y)).backward()
            if skipped and number == 1:
                model.head.weight.grad[0, 0] = torch.inf  # type: ignore[index]  # it has one
            if order == "write first":
                check(taps.collect(number), expected)
            scaler.unscale_(optimizer)
            if order == "unscale first":
                check(taps.collect(number), expected)
            if order == "between step and update":
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    scaler.step(optimizer)
                    records = taps.collect(number)
                if number == 0:  # weights may have changed, and gradients with them
                    assert not records[0].weight_gradients
                gradient = records[2].sequences["output_gradient"]
                np.testing.assert_allclose(gradient, expected["parts/last"], **TOLERANCE)
            else:
                scaler.step(optimizer)
            scaler.update()
    assert scaler.get_scale() != 2.0**10


@pytest.mark.framework_case("PyTorch", "automatic mixed precision, float16 with GradScaler")
def test_half_precision_with_a_scaler() -> None:
    model = Model().eval()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)
    x, y = batch()
    expected = plain_gradients(model, x, y)
    with capture_torch.attach(model, every=1, samples=None, grad_scaler=scaler) as taps:
        with torch.autocast("cpu", torch.float16):
            prediction = model(x)
        scaler.scale(nn.functional.mse_loss(prediction.float(), y)).backward()
        records = taps.collect(0)
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    check(records, expected, tolerance(1e-2, 1e-2 * largest))


@pytest.mark.framework_case("PyTorch", "GradScaler with two optimizers")
def test_two_optimizers_with_one_scaler() -> None:
    model = Model().eval()
    recurrent = [p for name, p in model.named_parameters() if name.startswith(("body", "parts", "cell"))]
    optimizer, other = torch.optim.SGD(recurrent, 0.1), torch.optim.SGD(model.head.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    x, y = batch()
    expected = plain_gradients(model, x, y)
    scaler.scale(nn.functional.mse_loss(model(x), y)).backward()
    for given in (None, optimizer):
        with capture_torch.attach(model, every=1, samples=None, grad_scaler=scaler, optimizer=given) as taps:
            model.zero_grad()
            scaler.scale(nn.functional.mse_loss(model(x), y)).backward()
            if given is None:
                scaler.unscale_(other)
                # The recurrent layers' optimizer has a state from here on, as it has after a step.
                scaler._per_optimizer_states[id(optimizer)]
                with told("Pass that of"):
                    records = taps.collect(0)
                assert not records[0].weight_gradients
            else:
                check(taps.collect(0), expected)


def test_half_precision_without_a_scaler() -> None:
    body = nn.GRU(INPUTS, 4, batch_first=True).half()
    with capture_torch.attach(body, every=1, samples=None) as taps, told("grad_scaler="):
        body(torch.randn(2, 3, INPUTS).half())[0].sum().backward()
        assert taps.collect(0)


def test_frozen_layer() -> None:
    model = Model()
    x, y = batch()
    for part in (model.encoder, model.norm, model.body):
        part.requires_grad_(False)
    with (
        capture_torch.attach(model, every=1, samples=None) as taps,
        told("no gradient", times=2),
    ):
        for number in range(3):
            nn.functional.mse_loss(model(x), y).backward()
            records = taps.collect(number)
            model.zero_grad()
    assert [set(each.sequences) for each in records[:3]] == [{"activation"}] * 2 + [{"activation", "output_gradient"}]
    assert records[0].weights
    assert not records[0].weight_gradients
    assert records[2].weight_gradients


def test_nothing_needs_a_gradient() -> None:
    body = nn.GRU(INPUTS, 4).requires_grad_(False)
    with capture_torch.attach(body, every=1, samples=None) as taps, told("no gradient"):
        body(torch.randn(2, 3, INPUTS))
        (made,) = taps.collect(0)
    assert set(made.sequences) == {"activation"}


def test_no_backward_pass() -> None:
    model = Model()
    with (
        capture_torch.attach(model, every=2, samples=None) as taps,
        told("after backward"),
    ):
        assert not taps.collect(0)
        model(batch()[0])
        assert not taps.collect(1)
        made: list[record.LayerRecord] = []
        train(model, 1, lambda _: made.extend(taps.collect(2)))
    assert [each.name for each in made] == NAMES


def test_write_too_late() -> None:
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with capture_torch.attach(model, every=1, samples=None) as taps, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for number in range(2):
            x, y = batch(number)
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            if number:
                optimizer.zero_grad()
            records = taps.collect(number)
    assert ["optimizer.step()" in str(each.message) for each in said] == [True]
    assert not records[0].weight_gradients


def test_write_after_zero_grad() -> None:
    model = Model()
    with capture_torch.attach(model, every=1, samples=None) as taps, told("zero_grad"):
        x, y = batch()
        nn.functional.mse_loss(model(x), y).backward()
        model.zero_grad()
        records = taps.collect(0)
    assert records[0].sequences
    assert not records[0].weight_gradients


def test_weights_that_are_computed() -> None:
    body = nn.utils.parametrizations.weight_norm(nn.GRU(INPUTS, 4), "weight_hh_l0")
    with capture_torch.attach(body, every=1, samples=None) as taps, told("weight_norm"):
        body(torch.randn(2, 3, INPUTS))[0].sum().backward()
        (made,) = taps.collect(0)
    assert made.name.endswith("gru")
    assert set(made.weights["forward"]) == {"kernel", "recurrent_kernel", "bias"}
    assert set(made.weight_gradients["forward"]) == {"kernel", "bias"}


def test_write_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has a bound."""
    monkeypatch.setattr(torch_taps, "_MOST_PASSES", 5)
    model = Model()
    with capture_torch.attach(model, every=1, samples=None) as taps, told("without a write"):
        train(model, 8)
        tap = next(iter(taps._recorder._taps.values()))  # type: ignore[attr-defined]  # of TorchTaps
        assert len(tap._calls) <= 6


def test_a_failure_does_not_end_training(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model()
    monkeypatch.setattr(torch_taps, "joined", lambda _: 1 / 0)
    with (
        capture_torch.attach(model, every=1, samples=None) as taps,
        told("ZeroDivision"),
    ):
        train(model, 3, taps.collect)


class _LoopError(Exception):
    pass


def test_detached_leaves_no_trace() -> None:
    model = Model()
    seen: list[int] = []
    model.body.register_forward_hook(lambda *_: seen.append(1))
    before = traces(model)
    taps = capture_torch.attach(model, every=1, samples=None)
    assert traces(model) != before
    train(model, 1, taps.collect)
    taps.detach()
    taps.detach()
    assert traces(model) == before
    assert taps.collect(1) == []
    train(model, 1)
    assert len(seen) == 2


@pytest.mark.parametrize("where", ["loop", "layer"])
@pytest.mark.parametrize("layers", [None, "*"])
def test_an_exception_leaves_no_trace(where: str, layers: Any) -> None:
    model = Model()
    before = traces(model)

    def loop() -> None:
        with capture_torch.attach(model, every=1, samples=None, layers=layers):
            model(batch()[0])
            if where == "loop":
                raise _LoopError
            model.body(torch.randn(2, 2, 99))

    with pytest.raises(_LoopError if where == "loop" else RuntimeError):
        loop()
    assert traces(model) == before
    assert torch.overrides._get_current_function_mode_stack() == []


def test_an_exception_in_a_layer_is_survived() -> None:
    model = Model()
    x, y = batch()
    expected = plain_gradients(model, x, y)
    with capture_torch.attach(model, every=1, samples=None) as taps:
        with pytest.raises(RuntimeError):
            model.body(torch.randn(2, 2, 99))
        assert torch.overrides._get_current_function_mode_stack() == []
        nn.functional.mse_loss(model(x), y).backward()
        check(taps.collect(0), expected)


def test_copied_and_saved_while_attached(tmp_path: Path) -> None:
    model = Model()
    before = traces(model)
    state = copy.deepcopy(model.state_dict())
    with capture_torch.attach(model, every=1, samples=None) as taps:
        model.seen = {}
        torch.save(model, tmp_path / "model.pt")
        copies = [
            copy.deepcopy(model),
            pickle.loads(pickle.dumps(model)),
            torch.load(tmp_path / "model.pt", weights_only=False),
        ]
        assert b"tb_rnn_plugin" not in pickle.dumps(model)
        for made in copies:
            assert traces(made) == before
            train(made, 1)
        assert list(model.state_dict()) == list(state)
        torch.save(model.state_dict(), tmp_path / "state.pt")
        loaded = Model()
        loaded.load_state_dict(torch.load(tmp_path / "state.pt"))
        train(loaded, 1)
        copies.append(loaded)
        train(model, 1, taps.collect)
        for made in copies:
            assert all(torch.equal(a, b) for a, b in zip(model.parameters(), made.parameters(), strict=True))


def test_two_taps_on_one_model() -> None:
    model = Model()
    x, y = batch()
    expected = plain_gradients(model, x, y)
    before = traces(model)
    first = capture_torch.attach(model, every=1, samples=None)
    second = capture_torch.attach(model, every=1, samples=None)
    nn.functional.mse_loss(model(x), y).backward()
    check(first.collect(0), expected)
    check(second.collect(0), expected)
    first.detach()
    copy.deepcopy(model.body)
    second.detach()
    assert traces(model) == before


@pytest.mark.framework_case("PyTorch", "nn.DataParallel")
def test_data_parallel() -> None:
    """Without GPUs the wrapper calls the model itself; its replicas, here as it makes them, are put together again."""
    model = Model().eval()
    x, y = batch(samples=4)
    expected = plain_gradients(model, x, y)
    with capture_torch.attach(nn.DataParallel(model), every=1, samples=None) as taps:
        nn.functional.mse_loss(nn.DataParallel(model)(x), y).backward()
        check(taps.collect(0), expected)


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


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (None, NAMES),
        ("*", ["encoder/0", "norm", *NAMES, "head"]),
        ("head", ["head"]),
        ("body", NAMES[:2]),
        ("layer_1", NAMES[1:2]),
        ("parts/last", NAMES[2:3]),
        (-1, NAMES[3:]),
        ([2, "body/layer_0"], [NAMES[0], NAMES[2]]),
    ],
)
def test_layers(layers: Any, expected: list[str]) -> None:
    model = Model()
    with capture_torch.attach(model, every=1, samples=None, layers=layers) as taps:
        made: list[record.LayerRecord] = []
        train(model, 1, lambda step: made.extend(taps.collect(step)))
    assert [each.name for each in made] == expected


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layers": "nothing"}, ValueError, "'body/layer_0', 'body/layer_1', 'parts/last', 'cell'"),
        ({"layers": 4}, ValueError, "none of the model's"),
        ({"layers": "nothing"}, ValueError, "nor of its other layers: 'encoder/0', 'norm', 'head'"),
        ({"layers": []}, ValueError, "empty list"),
        ({"layers": True}, TypeError, "layers"),
        ({"layers": 1.5}, TypeError, "layers"),
        ({"every": 0}, ValueError, "every"),
        ({"samples": 0}, ValueError, "samples"),
        ({"optimizer": "adam"}, TypeError, "optimizer"),
        ({"grad_scaler": 2.0}, TypeError, "grad_scaler"),
        ({"quantities": ["gate"]}, ValueError, "quantities"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], error: type[Exception], message: str) -> None:
    model = Model()
    before = traces(model)
    with pytest.raises(error, match=message):
        capture_torch.attach(model, **{"every": 1, "samples": None, **options})
    assert traces(model) == before


def test_wrong_models() -> None:
    with pytest.raises(ValueError, match="Linear has no recurrent layer"):
        capture_torch.attach(nn.Linear(2, 2), every=1, samples=None)
    with pytest.raises(TypeError, match=r"expected a torch.nn.Module, got dict"):
        capture_torch.attach({}, every=1, samples=None)  # type: ignore[arg-type]  # on purpose
