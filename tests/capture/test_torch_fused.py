# mypy: allow-untyped-calls
"""Taps on torch.nn.LSTM, GRU and RNN, against cells written out in plain autograd, one timestep after the other."""

import itertools
from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")]
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402
from tests.capture.test_torch_tools import case, told  # noqa: E402
from tests.capture.torch_by_hand import (  # noqa: E402
    INPUTS,
    KINDS,
    SAMPLES,
    TIMESTEPS,
    TOLERANCE,
    UNITS,
    Body,
    Unrolled,
    hidden_of,
    loss_of,
)

LENGTHS = (4, 6, 1, 3)

MODULES = [
    case("nn.LSTM", "lstm", {}),
    case("nn.LSTM, 2 layers, bidirectional", "lstm", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    case("nn.LSTM, proj_size", "lstm", {"num_layers": 3, "proj_size": 2, "batch_first": True}),
    case(
        "nn.LSTM, proj_size, bidirectional, bias=False",
        "lstm",
        {"num_layers": 2, "proj_size": 4, "bidirectional": True, "bias": False},
    ),
    case("nn.GRU, batch_first=True", "gru", {"batch_first": True}),
    case("nn.GRU, 3 layers, bidirectional", "gru", {"num_layers": 3, "bidirectional": True}),
    case("nn.GRU, bias=False", "gru", {"num_layers": 2, "bias": False, "batch_first": True}),
    case("nn.RNN, tanh, bidirectional", "rnn", {"bidirectional": True, "batch_first": True}),
    case("nn.RNN, relu, 2 layers", "rnn", {"num_layers": 2, "nonlinearity": "relu"}),
]
PACKED = [
    pytest.param(None, id="dense"),
    case("PackedSequence, enforce_sorted=False", LENGTHS),
    case("PackedSequence, enforce_sorted=True", tuple(sorted(LENGTHS, reverse=True))),
]
USES = [
    pytest.param("output", id="output"),
    case("h_n in place of the output", "hidden"),
    pytest.param("output and hidden", id="output and hidden"),
]


@pytest.mark.parametrize(("kind", "options"), MODULES)
@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("uses", USES)
def test_numbers(kind: str, options: dict[str, Any], packed: tuple[int, ...] | None, uses: str) -> None:
    module = KINDS[kind](INPUTS, UNITS, **options)
    batch_first = module.batch_first
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    lengths = packed or (TIMESTEPS,) * SAMPLES
    expected = Unrolled(module)
    output, hidden = expected(x, lengths)
    loss_of(output, hidden, uses).backward()
    given: Any = x if batch_first else x.transpose(0, 1)
    if packed:
        is_sorted = packed != LENGTHS
        given = pack_padded_sequence(given, torch.tensor(lengths), batch_first=batch_first, enforce_sorted=is_sorted)
    with capture_torch.attach(Body(module), every=1, samples=None) as taps:
        output, states = module(given)
        if isinstance(output, PackedSequence):
            output, _ = pad_packed_sequence(output, batch_first=batch_first)
        loss_of(output if batch_first else output.transpose(0, 1), hidden_of(states), uses).backward()
        expected.check(taps.collect(0))


@pytest.mark.framework_case("PyTorch", "unbatched, with initial states")
@pytest.mark.parametrize("kind", KINDS)
def test_initial_states_and_no_batch(kind: str) -> None:
    module = KINDS[kind](INPUTS, UNITS, 2, bidirectional=True)
    x, hidden, cell = torch.randn(TIMESTEPS, INPUTS), torch.randn(4, UNITS), torch.randn(4, UNITS)
    expected = Unrolled(module)
    last = expected(x[None], [TIMESTEPS], [hidden[:, None], cell[:, None]])
    loss_of(last[0], last[1], "output and hidden").backward()
    with capture_torch.attach(Body(module), every=1, samples=None) as taps:
        output, states = module(x, (hidden, cell) if kind == "lstm" else hidden)
        loss_of(output[None], hidden_of(states)[:, None], "output and hidden").backward()
        expected.check(taps.collect(0))


def test_only_the_last_cell_state_is_used() -> None:
    module = nn.LSTM(INPUTS, UNITS, batch_first=True)
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    taps: Any = capture_torch.attach(Body(module), every=1, samples=None, keep_inputs=True)
    with taps:
        module(x)[1][1].sum().backward()
        (made,) = taps.collect(0)
    assert not made.sequences["output_gradient"].any()  # none comes by way of the output
    np.testing.assert_array_equal(taps.inputs["body"]["state_gradient/1"], np.ones((SAMPLES, UNITS)))
    gradient = module.weight_ih_l0.grad
    assert isinstance(gradient, torch.Tensor)
    np.testing.assert_allclose(made.weight_gradients["forward"]["kernel"], gradient.T)


@pytest.mark.framework_case("PyTorch", "torch.set_default_device")
@pytest.mark.parametrize("packed", [None, LENGTHS], ids=["dense", "packed"])
def test_a_default_device(packed: tuple[int, ...] | None) -> None:
    """Tensors of ours are where they are needed: on "meta" here, which every test has, none would hold a number."""
    module = nn.LSTM(INPUTS, UNITS, 2, bidirectional=True, batch_first=True)
    x = [torch.randn(SAMPLES, TIMESTEPS - index, INPUTS) for index in range(2)]
    lengths = [torch.tensor(packed or (TIMESTEPS,) * SAMPLES).clamp(max=TIMESTEPS - index) for index in range(2)]
    expected = Unrolled(module)
    for of_part, length in zip(x, lengths, strict=True):
        output, _ = expected(of_part, length.tolist())
        output.pow(2).sum().backward()
    outputs = expected.outputs
    with capture_torch.attach(Body(module), every=1, samples=None) as taps, torch.device("meta"):
        for of_part, length in zip(x, lengths, strict=True):
            given: Any = of_part
            if packed:
                given = pack_padded_sequence(of_part, length, batch_first=True, enforce_sorted=False)
            output, _ = module(given)
            (output.data if packed else output).pow(2).sum().backward()
        _, made = taps.collect(0)
    gradient = outputs[-1].grad
    assert gradient is not None
    np.testing.assert_allclose(made.sequences["output_gradient"][SAMPLES:, : TIMESTEPS - 1], gradient, **TOLERANCE)
    assert made.recurrence is not None
    assert "gate/forget" in made.recurrence.sequences()
    expected.check_weights(made, 1)


@pytest.mark.framework_case("PyTorch", "output changed in place")
@pytest.mark.parametrize("samples", [1, SAMPLES])
def test_output_changed_in_place(samples: int) -> None:
    module = nn.GRU(INPUTS, UNITS, batch_first=True)
    x = torch.randn(samples, TIMESTEPS, INPUTS)
    expected, _ = module(x)
    with capture_torch.attach(module, every=1, samples=None) as taps:
        output, _ = module(x)
        output.mul_(2).sum().backward()
        (made,) = taps.collect(0)
    np.testing.assert_array_equal(made.sequences["activation"], expected.detach())
    np.testing.assert_array_equal(made.sequences["output_gradient"], np.full_like(expected.detach(), 2))


@pytest.mark.framework_case("PyTorch", "nn.LSTM, dropout between layers")
def test_dropout_between_layers() -> None:
    """The same random numbers give the same masks in a stack of modules of one layer each."""
    module = nn.LSTM(INPUTS, UNITS, 3, dropout=0.5)
    x = torch.randn(TIMESTEPS, SAMPLES, INPUTS)
    with capture_torch.attach(Body(module), every=1, samples=None) as taps:
        torch.manual_seed(11)
        module(x)[0].pow(2).sum().backward()
        records = taps.collect(0)
    singles = [nn.LSTM(UNITS if layer else INPUTS, UNITS) for layer in range(3)]
    inner, outputs = x, []
    torch.manual_seed(11)
    for layer, single in enumerate(singles):
        for name, parameter in single.named_parameters():
            parameter.data = getattr(module, name.replace("_l0", f"_l{layer}")).data
        inner, _ = single(inner)
        inner.retain_grad()
        outputs.append(inner)
        inner = nn.functional.dropout(inner, 0.5) if layer < 2 else inner
    inner.pow(2).sum().backward()
    for made, output in zip(records, outputs, strict=True):
        assert output.grad is not None
        np.testing.assert_array_equal(made.sequences["activation"], output.detach().transpose(0, 1))
        np.testing.assert_array_equal(made.sequences["output_gradient"], output.grad.transpose(0, 1))
    assert np.mean(records[0].sequences["output_gradient"] == 0) > 0.3


FUSED_CALLS = [
    (kind, bidirectional, batch_first, packed)
    for kind, bidirectional, batch_first, packed in itertools.product(
        KINDS, (False, True), (False, True), (False, True)
    )
]


@pytest.mark.parametrize(("kind", "bidirectional", "batch_first", "packed"), FUSED_CALLS)
@pytest.mark.parametrize("half", [False, True], ids=["float32", "bfloat16"])
def test_layer_by_layer_is_bitwise_the_fused_function(
    kind: str, bidirectional: bool, batch_first: bool, packed: bool, half: bool
) -> None:
    """Which is what lets inner layers be tapped at all: random numbers and gradients, of initial states too."""
    module = KINDS[kind](INPUTS, 17, 3, dropout=0.5, bidirectional=bidirectional, batch_first=batch_first)
    x = torch.randn(SAMPLES, SAMPLES, INPUTS, requires_grad=True)
    hidden = torch.randn(6 if bidirectional else 3, SAMPLES, 17, requires_grad=True)
    made = []
    for tapped in (False, True):
        module.zero_grad()
        x.grad = hidden.grad = None
        taps = capture_torch.attach(module, every=1, samples=None) if tapped else None
        torch.manual_seed(5)
        lengths = torch.tensor([3, 1, 4, 2])
        given: Any = x
        if packed:
            given = pack_padded_sequence(x, lengths, batch_first=batch_first, enforce_sorted=False)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            output, states = module(given, (hidden, hidden * 2) if kind == "lstm" else hidden)
        output = output.data if packed else output
        (output.float().pow(2).sum() + hidden_of(states).float().pow(3).sum()).backward()
        gradients = [x.grad, hidden.grad, *[p.grad for p in module.parameters()]]
        made.append([output, *states, *gradients, torch.rand(1)])
        if taps is not None:
            assert len(taps.collect(0)) == 3
            taps.detach()
    for fused, tapped_ in zip(*made, strict=True):
        assert torch.equal(fused, tapped_)
        assert fused.stride() == tapped_.stride()


@pytest.mark.parametrize("packed", [None, LENGTHS], ids=["dense", "packed"])
@pytest.mark.parametrize("uses", ["output", "hidden", "output and hidden"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_layers_computed_once_more(
    packed: tuple[int, ...] | None, uses: str, batch_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a GPU needs, whose fused function must not be taken apart."""
    from tb_rnn_plugin.capture.torch import fused as torch_fused  # noqa: PLC0415

    monkeypatch.setattr(torch_fused, "_COMPOSITE_DEVICES", ())
    test_numbers("lstm", {"num_layers": 3, "bidirectional": True, "batch_first": batch_first}, packed, uses)
    test_numbers("gru", {"num_layers": 2, "batch_first": batch_first}, packed, uses)


def test_dropout_that_cannot_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    from tb_rnn_plugin.capture.torch import fused as torch_fused  # noqa: PLC0415

    monkeypatch.setattr(torch_fused, "_COMPOSITE_DEVICES", ())
    module = nn.LSTM(INPUTS, UNITS, 2, dropout=0.5)
    x = torch.randn(TIMESTEPS, SAMPLES, INPUTS)
    with (
        capture_torch.attach(module, every=1, samples=None) as taps,
        told("dropout"),
    ):
        for number in range(2):
            output, _ = module(x)
            output.sum().backward()
            inner, top = taps.collect(number)
    assert not inner.sequences
    assert inner.weight_gradients
    np.testing.assert_array_equal(top.sequences["activation"], output.detach().transpose(0, 1))


def test_layers_in_evaluation_mode_are_computed_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the backward pass that cuDNN has in training mode alone, but without its dropout."""
    from tb_rnn_plugin.capture.torch import fused as torch_fused  # noqa: PLC0415
    from tb_rnn_plugin.capture.torch.fused_function import Arguments  # noqa: PLC0415

    one_layer = Arguments.one_layer

    def as_cudnn(given: Arguments, index: int, input_: torch.Tensor) -> Any:
        assert given.training, "cudnn RNN backward can only be called in training mode"
        return one_layer(given, index, input_)

    monkeypatch.setattr(torch_fused, "_COMPOSITE_DEVICES", ())
    monkeypatch.setattr(Arguments, "one_layer", as_cudnn)
    module = nn.LSTM(INPUTS, UNITS, 2, dropout=0.5, batch_first=True).eval()
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    expected = Unrolled(module)
    expected(x, [TIMESTEPS] * SAMPLES)[0].pow(2).sum().backward()
    with capture_torch.attach(Body(module), every=1, samples=None) as taps:
        module(x)[0].pow(2).sum().backward()
        expected.check(taps.collect(0))


def test_layers_that_can_no_longer_be_computed_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with the weights of the next step."""
    from tb_rnn_plugin.capture.torch import fused as torch_fused  # noqa: PLC0415

    monkeypatch.setattr(torch_fused, "_COMPOSITE_DEVICES", ())
    module = nn.LSTM(INPUTS, UNITS, 2)
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    x = torch.randn(TIMESTEPS, SAMPLES, INPUTS)
    with (
        capture_torch.attach(module, every=1, samples=None) as taps,
        told(r"call write between backward and optimizer\.step\(\)|write comes after optimizer\.step\(\)", times=2),
    ):
        for number in range(2):
            output, _ = module(x)
            output.sum().backward()
            optimizer.step()
            inner, top = taps.collect(number)
    assert not inner.sequences
    np.testing.assert_array_equal(top.sequences["activation"], output.detach().transpose(0, 1))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("devices", [("cpu",), ()], ids=["layer by layer", "as a whole"])
def test_an_exception_of_ours_is_said_once_and_survived(
    layers: int, devices: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where there is no memory for a copy: the module's own call goes on."""
    from tb_rnn_plugin.capture.torch import fused as torch_fused  # noqa: PLC0415

    module = nn.LSTM(INPUTS, UNITS, layers)
    x = torch.randn(TIMESTEPS, SAMPLES, INPUTS)
    expected, _ = module(x)
    monkeypatch.setattr(torch_fused, "_COMPOSITE_DEVICES", devices)
    monkeypatch.setattr("tb_rnn_plugin.capture.torch.fused_call.FusedCall.copied", lambda *_, **__: 1 / 0)
    with (
        capture_torch.attach(module, every=1, samples=None) as taps,
        told(r"LSTM 'lstm.*' can't be recorded: ZeroDivisionError"),
    ):
        for step in range(2):
            output, _ = module(x)
            assert torch.equal(output, expected)
            output.sum().backward()
            assert taps.collect(step) == []


@pytest.mark.framework_case("PyTorch", "nn.LSTM with a forward method of one's own")
def test_a_forward_method_of_ones_own() -> None:
    class Mine(nn.LSTM):
        def forward(self, x: torch.Tensor) -> Any:  # type: ignore[override]
            return torch.tanh(x @ dict(self.named_parameters())["weight_ih_l0"][:UNITS].T), None

    module = Mine(INPUTS, UNITS, batch_first=True)
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    with capture_torch.attach(module, every=1, samples=None) as taps, told("of its own"):
        output, _ = module(x)
        output.sum().backward()
        (made,) = taps.collect(0)
    np.testing.assert_array_equal(made.sequences["activation"], output.detach())
    np.testing.assert_array_equal(made.sequences["output_gradient"], np.ones_like(output.detach()))


def test_what_a_layer_was_given() -> None:
    module = nn.LSTM(INPUTS, UNITS, 2, bidirectional=True, batch_first=True)
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    hidden, cell = torch.randn(4, SAMPLES, UNITS), torch.randn(4, SAMPLES, UNITS)
    given = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    taps: Any = capture_torch.attach(Body(module), every=1, samples=None, keep_inputs=True)
    with taps:
        output, states = module(given, (hidden, cell))
        weight = torch.arange(4.0)[:, None, None]
        (output.data.sum() + (weight * states[0]).sum() - (weight * states[1]).sum()).backward()
        first, _ = taps.collect(0)
    mask = torch.arange(TIMESTEPS) < torch.tensor(LENGTHS)[:, None]
    for layer, inputs in enumerate(taps.inputs[f"body/layer_{layer}"] for layer in range(2)):
        np.testing.assert_array_equal(inputs["mask"], mask)
        wanted = x.masked_fill(~mask[..., None], 0) if layer == 0 else first.sequences["activation"]
        np.testing.assert_array_equal(inputs["input"], wanted)
        for direction, (state, values) in itertools.product(range(2), enumerate((hidden, cell))):
            index = 2 * layer + direction
            np.testing.assert_array_equal(inputs[f"initial_state/{2 * direction + state}"], values[index])
            np.testing.assert_array_equal(
                inputs[f"state_gradient/{2 * direction + state}"], np.full((SAMPLES, UNITS), index * (1 - 2 * state))
            )
