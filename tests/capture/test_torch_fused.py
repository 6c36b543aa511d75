# mypy: allow-untyped-calls
"""Taps on torch.nn.LSTM, GRU and RNN, against cells written out in plain autograd, one timestep after the other."""

import copy
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import record

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")]
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402
from tests.capture.test_torch_tools import case, told, tolerance  # noqa: E402

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
SAMPLES, TIMESTEPS, INPUTS, UNITS = 4, 6, 3, 5
LENGTHS = (4, 6, 1, 3)
TOLERANCE = tolerance(absolute=1e-5)
KINDS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def step(module: Any, weights: dict[str, torch.Tensor], x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> Any:
    """One timestep, from the formulas in PyTorch's documentation."""
    none = torch.zeros(())
    inner = x @ weights["weight_ih"].T + weights.get("bias_ih", none)
    recurrent = h @ weights["weight_hh"].T + weights.get("bias_hh", none)
    if isinstance(module, nn.LSTM | nn.LSTMCell):
        i, f, g, o = (inner + recurrent).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return (h @ weights["weight_hr"].T if "weight_hr" in weights else h), c
    if isinstance(module, nn.GRU | nn.GRUCell):
        (r, z, n), (r_h, z_h, n_h) = inner.chunk(3, -1), recurrent.chunk(3, -1)
        n = (n + (r + r_h).sigmoid() * n_h).tanh()
        z = (z + z_h).sigmoid()
        return (1 - z) * n + z * h, c
    return getattr(torch, module.nonlinearity)(inner + recurrent), c


class Unrolled:
    """A recurrent module written out; `outputs` of each layer get gradients by the direct path only."""

    def __init__(self, module: nn.RNNBase) -> None:
        self.module = module
        self.parameters = {n: p.detach().clone().requires_grad_() for n, p in module.named_parameters()}
        self.outputs: list[torch.Tensor] = []

    def __call__(self, x: torch.Tensor, lengths: Sequence[int], states: Sequence[torch.Tensor] = ()) -> Any:
        """Output, h_n and c_n of x (samples, timesteps, channels)."""
        self.outputs = []
        last: list[torch.Tensor] = []
        for layer in range(self.module.num_layers):
            halves = [self.direction(x, lengths, layer, suffix, states) for suffix in self.suffixes]
            x = torch.cat([output for output, _ in halves], -1)
            x.retain_grad()
            self.outputs.append(x)
            width = halves[0][0].shape[-1]
            rows = torch.arange(len(x))
            last.append(x[rows, torch.tensor(lengths) - 1, :width])
            if len(halves) > 1:
                last.append(x[:, 0, width:])
        return x, torch.stack(last)

    @property
    def suffixes(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.module.bidirectional else ("",)

    def direction(
        self, x: torch.Tensor, lengths: Sequence[int], layer: int, suffix: str, states: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        end = f"_l{layer}{suffix}"
        weights = {n.removesuffix(end): p for n, p in self.parameters.items() if n.endswith(end)}
        module = self.module
        index = layer * len(self.suffixes) + bool(suffix)
        h = states[0][index] if states else torch.zeros(len(x), module.proj_size or module.hidden_size)
        c = states[-1][index] if states else torch.zeros(len(x), module.hidden_size)
        made: list[torch.Tensor] = []
        steps = range(x.shape[1])
        for t in reversed(steps) if suffix else steps:
            new_h, new_c = step(module, weights, x[:, t], h, c)
            runs = (torch.tensor(lengths) > t)[:, None]
            h, c = torch.where(runs, new_h, h), torch.where(runs, new_c, c)
            made.append(torch.where(runs, h, torch.zeros(())))
        return torch.stack(made[::-1] if suffix else made, 1), c

    def check(self, records: list[record.LayerRecord], name: str = "body") -> None:
        """Everything there is in the records, with everything there is to know."""
        layers = self.module.num_layers
        names = [name] if layers == 1 else [f"{name}/layer_{index}" for index in range(layers)]
        assert [each.name for each in records] == names
        for index, (each, output) in enumerate(zip(records, self.outputs, strict=True)):
            np.testing.assert_allclose(each.sequences["activation"], output.detach(), **TOLERANCE)
            gradient = torch.zeros_like(output) if output.grad is None else output.grad
            np.testing.assert_allclose(each.sequences["output_gradient"], gradient, **TOLERANCE)
            self.check_weights(each, index)

    def check_weights(self, each: record.LayerRecord, layer: int) -> None:
        assert each.framework == "torch"
        assert each.units == self.module.hidden_size
        assert each.projection == (self.module.proj_size or None)
        assert each.directions == ("forward", "backward")[: len(self.suffixes)]
        gates = {
            "lstm": ("input", "forget", "cell", "output"),
            "gru": ("reset", "update", "candidate"),
            "rnn": (),
        }
        assert each.gates == gates[str(each.cell)]
        for direction, suffix in zip(each.directions, self.suffixes, strict=True):
            end = f"_l{layer}{suffix}"
            expected = {n.removesuffix(end): p for n, p in self.parameters.items() if n.endswith(end)}
            rows = {
                "kernel": ["weight_ih"],
                "recurrent_kernel": ["weight_hh"],
                "bias": ["bias_ih", "bias_hh"] if self.module.bias else [],
                "projection_kernel": ["weight_hr"] if self.module.proj_size else [],
            }
            of_direction = each.weights[direction], each.weight_gradients[direction]
            assert set(of_direction[0]) == set(of_direction[1]) == {matrix for matrix, names in rows.items() if names}
            for matrix, names in rows.items():
                for values, actual in zip(("data", "grad"), of_direction, strict=True):
                    parts = [getattr(expected[name], values).numpy().T for name in names]
                    if parts:
                        wanted = parts[0] if len(parts) == 1 else np.stack(parts)
                        np.testing.assert_allclose(actual[matrix], wanted, **TOLERANCE, err_msg=f"{matrix} {values}")


def loss_of(output: torch.Tensor, hidden: torch.Tensor, uses: str) -> torch.Tensor:
    """A loss in which every number counts differently."""
    made = torch.zeros(())
    if "output" in uses:
        made = made + (output * torch.linspace(-1, 2, output.numel()).reshape(output.shape)).pow(2).mean()
    if "hidden" in uses:
        made = made + (hidden * torch.linspace(1, 3, hidden.numel()).reshape(hidden.shape)).pow(2).mean()
    return made


class Body(nn.Module):
    """A model around one recurrent module."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, *arguments: Any) -> Any:
        return self.body(*arguments)


def hidden_of(states: Any) -> Any:
    return states[0] if isinstance(states, tuple) else states


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
