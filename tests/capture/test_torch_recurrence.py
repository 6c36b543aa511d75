# mypy: allow-untyped-calls
"""Gradients through time, gates and cell states of PyTorch's layers, against autograd through loops written out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.recurrence.layer import CAPTURED_QUANTITIES

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:LSTM with projections")]  # PyTorch's own
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence  # noqa: E402

from tests.capture.completion import done  # noqa: E402
from tests.capture.test_torch_tools import case, told, tolerance  # noqa: E402
from tests.capture.unrolled_torch import expected, sample  # noqa: E402

SAMPLES, TIMESTEPS, INPUTS, UNITS = 3, 6, 4, 5
LENGTHS = (4, 6, 1)
TOLERANCE = tolerance()
EVERYTHING = ("activation", "output_gradient", *sorted(CAPTURED_QUANTITIES))
KINDS: dict[str, Any] = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}


class Model(nn.Module):
    """A recurrent module, and a loss on its output, its last output, or its last states."""

    def __init__(self, kind: str, *, of: str = "output", packed: bool = False, starts: bool = False, **options: Any):
        super().__init__()
        self.body = KINDS[kind](INPUTS, UNITS, **options)
        self.of = of
        self.packed = packed
        self.starts = starts
        self.weight = torch.randn(
            TIMESTEPS, (options.get("proj_size") or UNITS) * (2 if self.body.bidirectional else 1)
        )

    def initial(self) -> list[torch.Tensor]:
        rows = self.body.num_layers * (2 if self.body.bidirectional else 1)
        widths = [self.body.proj_size or UNITS, UNITS][: 2 if isinstance(self.body, nn.LSTM) else 1]
        generator = torch.Generator().manual_seed(1)
        make = torch.randn if self.starts else torch.zeros
        options: dict[str, Any] = {"generator": generator} if self.starts else {}
        return [make(rows, SAMPLES, width, **options) for width in widths]

    def loss(self, output: torch.Tensor, last: Any) -> Any:  # a tensor
        """Of some samples; output (samples, timesteps, channels), last states (layers x directions, samples, …)."""
        if self.of == "states":
            return sum((state.pow(2) * (index + 1)).sum() for index, state in enumerate(last))
        if self.of == "last":
            return output[:, -1].pow(2).sum()
        return (output.pow(2) * self.weight[: output.shape[1]]).sum() + last[0].pow(3).sum()

    def forward(self, x: torch.Tensor) -> Any:  # a tensor
        given: Any = x
        if self.packed:
            given = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
        elif not self.body.batch_first:
            given = x.transpose(0, 1)
        initial = self.initial()
        states = (tuple(initial) if len(initial) > 1 else initial[0]) if self.starts else None
        output, last = self.body(given, states)
        if self.packed:
            output, _ = pad_packed_sequence(output, batch_first=True)
        elif not self.body.batch_first:
            output = output.transpose(0, 1)
        return self.loss(output, last if isinstance(last, tuple) else (last,))

    def unrolled(self, x: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        """For each layer quantity to (samples, timesteps, channels)."""
        lengths = LENGTHS if self.packed else [TIMESTEPS] * SAMPLES
        initial = self.initial()
        by_sample = []
        for index, length in enumerate(lengths):
            layers, output, last = sample(self.body, x[index, :length], [state[:, index] for state in initial])
            self.loss(output[None], [state[:, None] for state in last]).backward()
            by_sample.append([expected(halves, TIMESTEPS) for halves in layers])
        return [
            {name: torch.stack([of[layer][name] for of in by_sample]) for name in by_sample[0][layer]}
            for layer in range(self.body.num_layers)
        ]


OF_EVERY_KIND: dict[str, dict[str, Any]] = {
    "": {},
    ", batch_first": {"batch_first": True},
    ", bias=False": {"bias": False},
    ", bidirectional, 2 layers": {"bidirectional": True, "num_layers": 2},
    ", initial states, 2 layers": {"starts": True, "num_layers": 2},
    ", last output only": {"of": "last"},
    ", last states only, bidirectional": {"of": "states", "bidirectional": True},
    ", last states only, PackedSequence": {"of": "states", "packed": True},
    ", PackedSequence": {"packed": True, "batch_first": True},
    ", PackedSequence, bidirectional, initial states": {"packed": True, "bidirectional": True, "starts": True},
}
PROJECTED = {"proj_size": 3, "bidirectional": True, "num_layers": 2, "starts": True}
CASES = [
    *(
        case(f"gradient through time: nn.{kind}{name}", kind, options)
        for name, options in OF_EVERY_KIND.items()
        for kind in KINDS
    ),
    case("gradient through time: nn.LSTM, proj_size, last states only", "LSTM", {"proj_size": 3, "of": "states"}),
    case("gradient through time: nn.LSTM, proj_size, bidirectional, 2 layers, initial states", "LSTM", PROJECTED),
    case("gradient through time: nn.RNN, relu", "RNN", {"nonlinearity": "relu", "num_layers": 2}),
]


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_as_autograd_through_the_unrolled_loop(kind: str, options: dict[str, Any]) -> None:
    model = Model(kind, **options)
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    with rnn_summary.attach(model, every=1, samples=2, quantities=EVERYTHING) as taps:
        model(x).backward()
        made = [done(record) for record in taps.collect(0)]
    wanted = model.unrolled(x)
    assert len(made) == len(wanted)
    for record, of_layer in zip(made, wanted, strict=True):
        assert set(record.sequences) == {"activation", "output_gradient", *of_layer}
        assert len(record.sequences["activation"]) == SAMPLES
        for quantity, values in of_layer.items():
            np.testing.assert_allclose(record.sequences[quantity], values[:2], **TOLERANCE, err_msg=quantity)


@pytest.mark.parametrize("kind", KINDS)
def test_capture_computes_at_once(kind: str) -> None:
    model = Model(kind)
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    (record,) = rnn_summary.capture(model, x, None, loss=lambda value, _: value)
    (wanted,) = model.unrolled(x)
    for quantity, values in wanted.items():
        np.testing.assert_allclose(record.sequences[quantity], values, **TOLERANCE, err_msg=quantity)
    (without,) = rnn_summary.capture(model, x, None, loss=lambda value, _: value, bptt=False)
    assert set(without.sequences) == {"activation", "output_gradient"}


def test_inputs_that_the_loss_depends_on() -> None:
    model = Model("LSTM", bidirectional=True)
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS, requires_grad=True)
    model(x).backward()
    (record,) = rnn_summary.capture(model, x.detach(), None, loss=lambda value, _: value)
    assert record.recurrence is not None
    assert x.grad is not None
    np.testing.assert_allclose(record.recurrence.input_gradient(), x.grad, **TOLERANCE)


@pytest.mark.parametrize(("kind", "options"), [("GRU", {"batch_first": True}), ("LSTM", {"bidirectional": True})])
def test_written_and_read_back(tmp_path: Path, kind: str, options: dict[str, Any]) -> None:
    model = Model(kind, **options)
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    with rnn_summary.attach(model, every=1, samples=2) as taps:
        model(x).backward()
        rnn_summary.write(taps, 0, tmp_path)
    ((_, record),) = rnn_summary.read(tmp_path)
    model.zero_grad()
    (wanted,) = model.unrolled(x)
    del wanted["cell_state_gradient" if kind == "LSTM" else "gate/update"]
    assert ("cell_state_gradient" in record.sequences) is False  # unless it is asked for
    for quantity, values in wanted.items():
        np.testing.assert_allclose(record.sequences[quantity], values[:2], **TOLERANCE, err_msg=quantity)


def test_only_what_is_asked_for_is_computed() -> None:
    model = Model("LSTM")
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    for quantities, bptt, wanted in (
        (("gate/forget",), True, {"gate/forget"}),
        (("activation", "bptt_gradient"), True, {"activation", "bptt_gradient"}),
        (("activation",), True, {"activation"}),
        (None, False, {"activation", "output_gradient"}),
    ):
        with rnn_summary.attach(model, every=1, quantities=quantities, bptt=bptt) as taps:
            model(x).backward()
            (record,) = taps.collect(0)
        assert set(done(record).sequences) == wanted


@pytest.mark.framework_case("PyTorch", "gates of nn.LSTMCell, nn.GRUCell in a loop")
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_gates_of_cells_in_a_loop(kind: str) -> None:
    layer = KINDS[kind](INPUTS, UNITS, batch_first=True)
    cell = {"LSTM": nn.LSTMCell, "GRU": nn.GRUCell}[kind](INPUTS, UNITS)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    with rnn_summary.attach(nn.ModuleDict({"cell": cell}), every=1, samples=2) as taps:
        state: Any = None
        total = torch.zeros(())
        for t in range(TIMESTEPS):
            state = cell(x[:, t], state)
            total = total + (state[0] if kind == "LSTM" else state).pow(2).sum()
        total.backward()
        (record,) = taps.collect(0)
    record = done(record)
    assert len(record.sequences["bptt_gradient"]) == SAMPLES  # recorded, not computed
    zeros = [torch.zeros(1, UNITS)] * (2 if kind == "LSTM" else 1)
    for index in range(2):
        ((went,),), _, _ = sample(layer, x[index], zeros)
        for gate in went.gates[0]:
            wanted = torch.stack([of_step[gate] for of_step in went.gates]).detach()
            np.testing.assert_allclose(record.sequences[f"gate/{gate}"][index], wanted, **TOLERANCE, err_msg=gate)


def test_a_cell_that_does_something_else_is_said_once(tmp_path: Path) -> None:
    cell = nn.GRUCell(INPUTS, UNITS)
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    with rnn_summary.attach(nn.ModuleDict({"cell": cell}), every=1) as taps:
        for step in range(2):
            state = torch.zeros(SAMPLES, UNITS)
            for t in range(TIMESTEPS):
                state = nn.functional.dropout(cell(x[:, t], state), 0.5)
            state.sum().backward()
            with told("the output gradient is left out", times=1 - step):
                rnn_summary.write(taps, step, tmp_path)
            with told("of 'cell' are left out: the activation that follows", times=1 - step):
                rnn_summary.flush()
    for _, record in rnn_summary.read(tmp_path):
        assert "activation" in record.sequences
        assert "gate/update" not in record.sequences


def test_weights_that_are_no_longer_those_of_the_pass() -> None:
    model = Model("LSTM")
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with rnn_summary.attach(model, every=1) as taps:
        model(torch.randn(SAMPLES, TIMESTEPS, INPUTS)).backward()
        optimizer.step()
        with told("Gradients through time, gates and cell states are left out"):
            (record,) = taps.collect(0)
    assert record.recurrence is None


@pytest.mark.framework_case("PyTorch", "gradient through time: automatic mixed precision, bfloat16")
def test_mixed_precision() -> None:
    model = Model("LSTM", batch_first=True)
    x = torch.randn(SAMPLES, TIMESTEPS, INPUTS)
    with rnn_summary.attach(model, every=1, quantities=EVERYTHING) as taps:
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(x)
        loss.backward()
        (record,) = taps.collect(0)
    (wanted,) = model.unrolled(x)
    for quantity, values in wanted.items():
        largest = float(values.abs().max())
        np.testing.assert_allclose(done(record).sequences[quantity], values, atol=2e-2 * largest, err_msg=quantity)
