# mypy: allow-untyped-calls
"""Taps on PyTorch modules of any kind: a loss that weighs every output by a number of its own has it as gradient."""

import copy
import warnings
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin.record import LayerRecord

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402
from tests.capture.test_torch_tools import case, told, tolerance  # noqa: E402

SAMPLES, TIMESTEPS, INPUTS = 4, 6, 4
TOLERANCE = tolerance()


class StateSpace(nn.Module):
    """A diagonal state space h_t = a h_{t-1} + B x_t, y_t = C h_t + d x_t."""

    def __init__(self, states: int = 3) -> None:
        super().__init__()
        self.decay = nn.Parameter(torch.rand(states))
        self.inward = nn.Parameter(torch.randn(INPUTS, states))
        self.outward = nn.Parameter(torch.randn(states, INPUTS))
        self.skip = nn.Parameter(torch.tensor(0.5))
        self.mix = nn.Linear(INPUTS, INPUTS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = torch.zeros(len(x), len(self.decay))
        made = []
        for t in range(x.shape[1]):
            state = self.decay * state + x[:, t] @ self.inward
            made.append(state @ self.outward)
        return self.mix(torch.stack(made, 1)) + self.skip * x  # type: ignore[no-any-return]


class Structured(nn.Module):
    """What others return beside their output."""

    def __init__(self, shape: str) -> None:
        super().__init__()
        self.linear = nn.Linear(INPUTS, 3)
        self.shape = shape

    def forward(self, x: torch.Tensor) -> Any:
        made = self.linear(x)
        return {"dict": {"last": made, "all": [made]}, "list": [made, made], "nested": ((made, None), 3)}[self.shape]


def sequence(*axes: int) -> torch.Tensor:
    return torch.randn(*axes, requires_grad=True)


def nested(module: nn.Module) -> list[str]:
    return [name.replace(".", "/") for name, _ in module.named_parameters()]


def first(output: Any) -> torch.Tensor:
    while not isinstance(output, torch.Tensor):
        output = next(iter(output.values() if isinstance(output, dict) else output))
    return output


class Holder(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *arguments: Any, **options: Any) -> Any:
        return self.inner(*arguments, **options)


ENCODER: dict[str, Any] = {"d_model": INPUTS, "nhead": 2, "dim_feedforward": 5, "dropout": 0.0}


CASES = [
    case("nn.Linear over time", lambda: nn.Linear(INPUTS, 3), (SAMPLES, TIMESTEPS, INPUTS), (0, 1, 2)),
    case("nn.Linear of one timestep", lambda: nn.Linear(INPUTS, 3), (SAMPLES, INPUTS), (0, None, 1)),
    case("nn.Conv1d", lambda: nn.Conv1d(INPUTS, 3, 2), (SAMPLES, INPUTS, TIMESTEPS), (0, 2, 1)),
    case("nn.Conv1d, unbatched", lambda: nn.Conv1d(INPUTS, 3, 2), (INPUTS, TIMESTEPS), (None, 1, 0)),
    case("nn.ConvTranspose1d", lambda: nn.ConvTranspose1d(INPUTS, 3, 2), (SAMPLES, INPUTS, TIMESTEPS), (0, 2, 1)),
    case("nn.BatchNorm1d", lambda: nn.BatchNorm1d(INPUTS), (SAMPLES, INPUTS, TIMESTEPS), (0, 2, 1)),
    case("nn.BatchNorm1d of one timestep", lambda: nn.BatchNorm1d(INPUTS), (SAMPLES, INPUTS), (0, None, 1)),
    case("nn.LayerNorm", lambda: nn.LayerNorm(INPUTS), (SAMPLES, TIMESTEPS, INPUTS), (0, 1, 2)),
    case("a state-space block of one's own", StateSpace, (SAMPLES, TIMESTEPS, INPUTS), (0, 1, 2)),
    case(
        "nn.TransformerEncoderLayer, batch_first=True",
        lambda: nn.TransformerEncoderLayer(**ENCODER, batch_first=True),
        (SAMPLES, TIMESTEPS, INPUTS),
        (0, 1, 2),
    ),
    case(
        "nn.TransformerEncoderLayer, batch_first=False",
        lambda: nn.TransformerEncoderLayer(**ENCODER),
        (TIMESTEPS, SAMPLES, INPUTS),
        (1, 0, 2),
    ),
    case(
        "nn.TransformerEncoderLayer, unbatched",
        lambda: nn.TransformerEncoderLayer(**ENCODER),
        (TIMESTEPS, INPUTS),
        (None, 0, 1),
    ),
    case("a module that returns a dict", lambda: Structured("dict"), (SAMPLES, TIMESTEPS, INPUTS), (0, 1, 2)),
    case("a module that returns a list", lambda: Structured("list"), (SAMPLES, TIMESTEPS, INPUTS), (0, 1, 2)),
    case("a module that returns tuples", lambda: Structured("nested"), (SAMPLES, TIMESTEPS, INPUTS), (0, 1, 2)),
]


def in_time(tensor: torch.Tensor, axes: tuple[int | None, ...]) -> torch.Tensor:
    """An array (samples, timesteps, channels) with these axes of a tensor; None for one that it doesn't have."""
    made = tensor.detach().permute([axis for axis in axes if axis is not None])
    return made.unsqueeze(axes.index(None)) if None in axes else made


def check(made: LayerRecord, plain: nn.Module, output: torch.Tensor, gradient: torch.Tensor, axes: Any) -> None:
    np.testing.assert_allclose(made.sequences["activation"], in_time(output, axes), **TOLERANCE)
    np.testing.assert_allclose(made.sequences["output_gradient"], in_time(gradient, axes), **TOLERANCE)
    assert (made.cell, made.units, made.gates, made.directions) == (None, None, (), ("forward",))
    assert list(made.weights["forward"]) == list(made.weight_gradients["forward"]) == nested(plain)
    for name, parameter in plain.named_parameters():
        weight, weight_gradient = (
            of["forward"][name.replace(".", "/")] for of in (made.weights, made.weight_gradients)
        )
        np.testing.assert_array_equal(weight, np.atleast_1d(parameter.detach()))
        assert parameter.grad is not None
        np.testing.assert_allclose(weight_gradient, np.atleast_1d(parameter.grad), **TOLERANCE, err_msg=name)


@pytest.mark.parametrize(("make", "shape", "axes"), CASES)
@pytest.mark.parametrize("way", ["attach", "capture"])
def test_numbers(make: Any, shape: tuple[int, ...], axes: Any, way: str) -> None:
    module = make()
    plain = copy.deepcopy(module)
    x = torch.randn(*shape)
    output = first(plain(x))
    gradient = torch.randn_like(output)
    (output * gradient).sum().backward()
    if way == "capture":
        weighted: Any = lambda prediction, _: (first(prediction) * gradient).sum()  # noqa: E731
        (made,) = capture_torch.capture(Holder(module), [x], None, loss=weighted, layers="inner", training=True)
    else:
        with capture_torch.attach(Holder(module), every=1, samples=None, layers="inner") as taps:
            (first(module(x)) * gradient).sum().backward()
            (made,) = taps.collect(0)
    assert (made.name, made.framework) == ("inner", "torch")
    check(made, plain, output, gradient, axes)


@pytest.mark.parametrize(
    ("batch_first", "shape", "axes"),
    [
        case("nn.MultiheadAttention, batch_first=True", True, (SAMPLES, TIMESTEPS, INPUTS), (0, 1, 2)),
        case("nn.MultiheadAttention, batch_first=False", False, (TIMESTEPS, SAMPLES, INPUTS), (1, 0, 2)),
        case("nn.MultiheadAttention, unbatched", True, (TIMESTEPS, INPUTS), (None, 0, 1)),
    ],
)
def test_attention(batch_first: bool, shape: tuple[int, ...], axes: Any) -> None:
    """Its first output; and with "*" too its inner layer, which is never called, is no layer of its own."""
    module = nn.MultiheadAttention(INPUTS, 2, batch_first=batch_first)
    plain = copy.deepcopy(module)
    x = torch.randn(*shape)
    output, _ = plain(x, x, x)
    gradient = torch.randn_like(output)
    (output * gradient).sum().backward()
    with capture_torch.attach(Holder(module), every=1, samples=None, layers="*") as taps:
        (module(x, x, x)[0] * gradient).sum().backward()
        (made,) = taps.collect(0)
    check(made, plain, output, gradient, axes)


@pytest.mark.framework_case("PyTorch", "layers inside nn.TransformerEncoder, batch_first=False")
def test_layers_inside_take_the_order_of_those_around_them() -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(**ENCODER), 2, enable_nested_tensor=False)
    x = torch.randn(TIMESTEPS, SAMPLES, INPUTS)
    outputs: list[torch.Tensor] = []
    plain: Any = copy.deepcopy(model)
    plain.layers[1].linear2.register_forward_hook(lambda *given: outputs.append(given[2]))
    output = plain(x)
    outputs[0].retain_grad()
    output.pow(2).sum().backward()
    with capture_torch.attach(model, every=1, samples=None, layers="1/linear2") as taps:
        model(x).pow(2).sum().backward()
        (made,) = taps.collect(0)
    assert made.name == "layers/1/linear2"
    assert outputs[0].grad is not None
    check(made, plain.layers[1].linear2, outputs[0], outputs[0].grad, (1, 0, 2))


class OwnCell(nn.Module):
    """A recurrent cell that nobody knows, in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.inward = nn.Linear(INPUTS, 3)
        self.recurrent = nn.Parameter(torch.randn(3, 3))

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.inward(x) + state @ self.recurrent)


def unroll(cell: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    states = [torch.zeros(len(x), 3)]
    for t in range(x.shape[1]):
        states.append(cell(x[:, t], states[-1]))
    return states[1:]


@pytest.mark.framework_case("PyTorch", "a cell of one's own in a loop")
def test_calls_of_one_timestep_each_are_one_sequence() -> None:
    cell = OwnCell()
    plain = copy.deepcopy(cell)
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    states = unroll(plain, x)
    for state in states:
        state.retain_grad()
    states[2].pow(2).sum().backward()
    with capture_torch.attach(Holder(cell), every=1, samples=None, layers="*") as taps:
        for number in range(2):
            cell.zero_grad()
            unroll(cell, x)[2].pow(2).sum().backward()
            made, inner = taps.collect(number)
    assert (made.name, inner.name) == ("inner", "inner/inward")
    np.testing.assert_allclose(made.sequences["activation"], torch.stack(states, 1).detach(), **TOLERANCE)
    arrived = torch.stack([torch.zeros_like(s) if s.grad is None else s.grad for s in states], 1)
    np.testing.assert_allclose(made.sequences["output_gradient"], arrived, **TOLERANCE)
    assert not made.sequences["output_gradient"][:, 3:].any()
    assert inner.sequences["activation"].shape == (SAMPLES, TIMESTEPS, 3)
    # Each parameter belongs to one of the layers.
    assert (list(made.weights["forward"]), list(inner.weights["forward"])) == (["recurrent"], ["weight", "bias"])
    assert plain.recurrent.grad is not None
    np.testing.assert_allclose(made.weight_gradients["forward"]["recurrent"], plain.recurrent.grad, **TOLERANCE)


def test_what_no_sequence_comes_out_of_is_said_once() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image = nn.Conv2d(1, 2, 3)
            self.body = nn.GRU(4, 3, batch_first=True)
            self.pair = Structured("list")
            self.unused = nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            made: torch.Tensor = self.body(self.image(x[:, None]).flatten(2))[0]
            return made

    model = Net()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with capture_torch.attach(model, every=1, samples=None, layers=["image", "body", "unused"]) as taps:
            for number in range(3):
                model(torch.randn(2, 4, 4)).sum().backward()
                image, body, unused = taps.collect(number)
    refused, uncalled = (str(each.message) for each in said)
    assert "'image' returns a torch.float32 (2, 2, 2, 2)" in refused
    assert "'unused' isn't called" in uncalled
    assert (dict(image.sequences), dict(unused.sequences)) == ({}, {})
    assert image.weights["forward"]["weight"].shape == (2, 1, 3, 3)
    assert image.weight_gradients["forward"]["weight"].any()
    assert body.sequences


def test_a_frozen_layer_has_no_gradient() -> None:
    model = nn.Sequential(nn.Linear(INPUTS, 3).requires_grad_(False), nn.Linear(3, 2))
    with capture_torch.attach(model, every=1, samples=None, layers="*") as taps, told("no gradient reaches '0'"):
        model(torch.randn(SAMPLES, INPUTS)).sum().backward()
        frozen, head = taps.collect(0)
    assert set(frozen.sequences) == {"activation"}
    assert not frozen.weight_gradients
    assert head.weight_gradients


@pytest.mark.framework_case("PyTorch", "other layers with activation checkpointing")
@pytest.mark.parametrize("reentrant", [False, True])
def test_activation_checkpointing(reentrant: bool) -> None:
    block = StateSpace()
    plain = copy.deepcopy(block)
    x = sequence(SAMPLES, TIMESTEPS, INPUTS)
    output = plain(x)
    gradient = torch.randn_like(output)
    (output * gradient).sum().backward()
    with capture_torch.attach(Holder(block), every=1, samples=None, layers="inner") as taps:
        made = torch.utils.checkpoint.checkpoint(block, x, use_reentrant=reentrant)
        assert isinstance(made, torch.Tensor)
        (made * gradient).sum().backward()
        (record,) = taps.collect(0)
    check(record, plain, output, gradient, (0, 1, 2))


@pytest.mark.framework_case("PyTorch", "other layers under torch.compile")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_compiled() -> None:
    torch.compiler.reset()
    model = nn.Sequential(nn.Linear(INPUTS, 3), nn.Tanh(), nn.Linear(3, 2))
    compiled: Any = torch.compile(model, backend="eager")
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    plain = copy.deepcopy(model)
    inner = plain[0](x)
    inner.retain_grad()
    output = plain[2](torch.tanh(inner))
    output.pow(2).sum().backward()
    with capture_torch.attach(compiled, every=1, samples=None, layers="*") as taps:
        compiled(x).pow(2).sum().backward()
        made, head = taps.collect(0)
    assert inner.grad is not None
    check(made, plain[0], inner, inner.grad, (0, 1, 2))
    check(head, plain[2], output, 2 * output, (0, 1, 2))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_compiled_before_it_is_tapped_is_said() -> None:
    torch.compiler.reset()
    model: Any = Holder(nn.GRU(INPUTS, 3, batch_first=True))
    model.head = nn.Linear(3, 2)

    def run(x: torch.Tensor) -> Any:
        return model.head(model(x)[0])

    compiled: Any = torch.compile(run, backend="eager")
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    compiled(x)
    with capture_torch.attach(model, every=1, samples=None, layers="*") as taps, told("torch.compile"):
        compiled(x).sum().backward()
        body, head = taps.collect(0)
    assert body.sequences
    assert not head.sequences
    assert head.weight_gradients
