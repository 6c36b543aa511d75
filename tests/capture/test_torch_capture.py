# mypy: allow-untyped-calls
"""Records of one batch of a PyTorch model, in a pass of its own; and what a model has to record."""

import copy
import random
from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")]
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils.rnn import pack_sequence  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402
from tests.capture.test_torch_tools import told, tolerance  # noqa: E402

TOLERANCE = tolerance()


class Counting(nn.Module):
    """A buffer that is another one after each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.passes: torch.Tensor
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.passes = self.passes + 1
        return x


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.counting = Counting()
        self.norm = nn.BatchNorm1d(5)
        self.body = nn.LSTM(3, 4, 2, batch_first=True, dropout=0.5)
        self.head = nn.Linear(4, 2)
        self.seen: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen, _ = self.body(self.norm(self.counting(x)))
        made: torch.Tensor = self.head(self.seen)
        return made


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(6, 5, 3), torch.randn(6, 5, 2)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("was_training", [False, True])
def test_the_model_is_as_before(training: bool, was_training: bool) -> None:
    model = Model().train(was_training)
    model.body.eval()
    x, y = batch()
    model(x).sum().backward()
    model.seen = None
    gradients = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    buffers = dict(model.named_buffers())
    before = copy.deepcopy(model.state_dict())
    states = torch.get_rng_state(), random.getstate()
    capture_torch.capture(model, x, y, loss=nn.MSELoss(), training=training)
    assert [module.training for module in model.modules()] == [was_training] * 3 + [False, was_training]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(buffer is buffers[name] for name, buffer in model.named_buffers())
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert parameter.grad is not None
        assert gradient is not None
        assert torch.equal(parameter.grad, gradient)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.framework_case("PyTorch", "capture of one batch")
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("outside", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_numbers(training: bool, outside: Any) -> None:
    model = Model()
    x, y = batch()
    plain = copy.deepcopy(model).train(training)
    torch.manual_seed(3)
    prediction = plain(x)
    assert plain.seen is not None
    plain.seen.retain_grad()
    nn.functional.l1_loss(prediction, y).backward()
    torch.manual_seed(3)
    with outside():
        first, second = capture_torch.capture(model, x, y, loss=nn.L1Loss(), training=training)
    assert (first.name, second.name) == ("body/layer_0", "body/layer_1")
    np.testing.assert_array_equal(second.sequences["activation"], plain.seen.detach())
    assert plain.seen.grad is not None
    np.testing.assert_allclose(second.sequences["output_gradient"], plain.seen.grad, **TOLERANCE)
    for number, made in enumerate((first, second)):
        gradient = getattr(plain.body, f"weight_ih_l{number}").grad.T
        np.testing.assert_allclose(made.weight_gradients["forward"]["kernel"], gradient, **TOLERANCE)


@pytest.mark.parametrize("training", [False, True])
def test_cudnn_is_left_out_where_it_has_no_backward_pass(training: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of recurrent layers in evaluation mode. On a GPU they are run once as a whole, and layer by layer when read."""
    from tb_rnn_plugin.capture.torch import fused, fused_function  # noqa: PLC0415

    monkeypatch.setattr(fused, "_COMPOSITE_DEVICES", ())
    seen: list[bool] = []
    one_layer = fused_function.Arguments.one_layer

    def watched(*given: Any) -> Any:
        seen.append(torch.backends.cudnn.enabled)
        return one_layer(*given)

    monkeypatch.setattr(fused_function.Arguments, "one_layer", watched)
    model = Model()
    model.body.dropout = 0.0
    model.body.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.enabled))
    capture_torch.capture(model, *batch(), loss=nn.MSELoss(), training=training)
    assert seen == [training] * 3
    assert torch.backends.cudnn.enabled


@pytest.mark.framework_case("PyTorch", "capture, sample weights")
def test_sample_weights() -> None:
    model = Model()
    x, y = batch()
    weight = np.array([1, 0, 2, 0.5, 3, 0], np.float32)
    plain = copy.deepcopy(model).eval()
    made = capture_torch.capture(model, x, y, loss=nn.MSELoss(reduction="none"), sample_weight=weight)[1]
    prediction = plain(x)
    assert plain.seen is not None
    plain.seen.retain_grad()
    ((prediction - y) ** 2 * torch.tensor(weight)[:, None, None]).mean().backward()
    np.testing.assert_allclose(made.sequences["output_gradient"], plain.seen.grad, **TOLERANCE)  # type: ignore[arg-type]  # it has one
    assert not made.sequences["output_gradient"][[1, 5]].any()
    assert made.sequences["output_gradient"][0].any()


def test_arrays_and_structures() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.GRU(3, 4)

        def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
            made: torch.Tensor = self.body(first + second)[0]
            return made

    x, model = torch.randn(5, 2, 3), Two()
    arrays = x.numpy(), np.zeros_like(x)
    made = [
        capture_torch.capture(model, given, np.zeros((5, 2, 4), np.float32), loss=nn.MSELoss())[0]
        for given in (arrays, list(arrays), {"second": arrays[0], "first": arrays[1]})
    ]
    for each in made:
        np.testing.assert_allclose(each.sequences["activation"], model.body(x)[0].detach().transpose(0, 1), **TOLERANCE)


@pytest.mark.framework_case("PyTorch", "capture, PackedSequence")
def test_packed_input_and_structured_output() -> None:
    body = nn.GRU(3, 4)
    packed = pack_sequence([torch.randn(2, 3), torch.randn(4, 3)], enforce_sorted=False)
    (made,) = capture_torch.capture(body, packed, None, loss=lambda prediction, _: prediction[1].sum())
    gradient = np.zeros((2, 4, 4))
    gradient[0, 1] = gradient[1, 3] = 1
    np.testing.assert_array_equal(made.sequences["output_gradient"], gradient)


def test_wrapped_models() -> None:
    model = Model().eval()
    x, y = batch()
    wanted = capture_torch.capture(model, x, y, loss=nn.MSELoss())
    for wrapped in (nn.DataParallel(model), torch.compile(model, backend="eager")):
        made = capture_torch.capture(wrapped, x, y, loss=nn.MSELoss())  # type: ignore[arg-type]  # compile's type is odd
        assert [each.name for each in made] == [each.name for each in wanted]
        np.testing.assert_array_equal(made[0].sequences["output_gradient"], wanted[0].sequences["output_gradient"])


def test_frozen_weights_and_nothing_to_learn() -> None:
    model = Model()
    model.body.requires_grad_(False)
    x, y = batch()
    first, _ = capture_torch.capture(model, x, y, loss=nn.MSELoss())  # the norm below needs a gradient
    assert first.sequences["output_gradient"].any()
    assert not first.weight_gradients
    model.requires_grad_(False)
    with told("no gradient", times=2):
        first, _ = capture_torch.capture(model, x, y, loss=nn.MSELoss())
    assert set(first.sequences) == {"activation"}
    first, _ = capture_torch.capture(model, x.requires_grad_(), y, loss=nn.MSELoss())
    assert first.sequences["output_gradient"].any()
    assert x.grad is None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"loss": None}, ValueError, "pass loss="),
        ({"loss": "mse"}, TypeError, "expected a callable"),
        ({"loss": lambda *_: 3.0}, TypeError, "expected it to return a tensor"),
        ({"training": 1}, TypeError, "training"),
        ({"layers": "nothing"}, ValueError, "body/layer_0"),
        ({"sample_weight": np.ones(6)}, ValueError, 'reduction="none"'),
        ({"sample_weight": np.ones(5), "loss": nn.MSELoss(reduction="none")}, ValueError, "sample_weight"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], error: type[Exception], message: str) -> None:
    model = Model()
    with pytest.raises(error, match=message):
        capture_torch.capture(model, *batch(), **{"loss": nn.MSELoss(), **options})
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
