# mypy: allow-untyped-calls
"""Which layers a PyTorch model has, and what is said of them before anything is recorded."""

import warnings
from pathlib import Path
from typing import Any

import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.derivation import completed

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")]
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402
from tb_rnn_plugin.capture.torch import model as torch_model  # noqa: E402


class Model(nn.Module):
    """Of every way of having parameters something."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.zeros(5, 4))
        self.scales = nn.ParameterList([nn.Parameter(torch.ones(2)), nn.Parameter(torch.tensor(1.0))])
        self.stem = nn.Sequential(nn.Conv1d(4, 4, 1), nn.ReLU(), nn.Conv1d(4, 4, 1, bias=False))
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.body = nn.LSTM(4, 3, 2, bidirectional=True, batch_first=True, dropout=0.25)
        self.cells = nn.ModuleList([nn.LSTMCell(6, 3), nn.RNNCell(3, 2, nonlinearity="relu")])
        self.head = nn.Linear(2, 1)
        self.tied = self.head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x.transpose(1, 2)).transpose(1, 2) * self.scales[1] + self.position
        x, _ = self.body(self.attention(x, x, x)[0])
        first, second = None, None
        for t in range(x.shape[1]):
            first = self.cells[0](x[:, t], first)
            second = self.cells[1](first[0], second)
        assert second is not None
        made: torch.Tensor = self.head(second) * self.scales[0].sum()
        return made


RECURRENT = ["body/layer_0", "body/layer_1", "cells/0", "cells/1"]
OTHERS = ["stem/0", "stem/2", "attention"]


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        (None, RECURRENT),
        ("*", ["model", *OTHERS, *RECURRENT, "head"]),
        ("stem", ["stem"]),
        ("ste", ["stem/0", "stem/2"]),
        ("stem/1", ["stem/1"]),
        (["head", "cells"], [*RECURRENT[2:], "head"]),
        (["model", -1], ["model", "cells/1"]),
        ("scales", None),
        ("attention/out_proj", None),
        ("e", ["body/layer_0", "body/layer_1", "cells/0", "cells/1"]),
    ],
)
def test_layers(layers: Any, names: list[str] | None) -> None:
    if names is None:
        with pytest.raises(ValueError, match="none of the model's"):
            torch_model.find(Model(), layers)
    else:
        assert [layer.name for layer in torch_model.find(Model(), layers)] == names


def test_an_index_counts_the_others_where_nothing_is_recurrent() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert [layer.name for layer in torch_model.find(model, [1])] == ["2"]
    with pytest.raises(ValueError, match=r"Sequential has no recurrent layer.*layers=\"\*\".*'0', '2'"):
        torch_model.find(model)


def test_a_parameter_belongs_to_one_layer_unless_a_module_is_named_in_full() -> None:
    model = Model()
    shapes = {layer.name: layer.shapes.get("forward", {}) for layer in rnn_summary.describe(model, "*")}
    assert shapes["model"] == {"position": (5, 4), "scales/0": (2,), "scales/1": (1,)}
    assert shapes["attention"] == {
        "in_proj_weight": (12, 4),
        "in_proj_bias": (12,),
        "out_proj/weight": (4, 4),
        "out_proj/bias": (4,),
    }
    (stem,) = rnn_summary.describe(model, "stem")
    assert stem.shapes["forward"] == {"0/weight": (4, 4, 1), "0/bias": (4,), "2/weight": (4, 4, 1)}
    (whole,) = rnn_summary.describe(model, "model")
    assert len(whole.shapes["forward"]) == len(list(model.named_parameters()))


def test_a_model_is_told_from_its_part_of_the_same_name() -> None:
    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.GRU(2, 3)
            self.scale = nn.Parameter(torch.ones(3))

    assert [layer.name for layer in torch_model.find(Body(), "body")] == ["body"]
    assert [layer.name for layer in torch_model.find(Body(), "*")] == ["Body", "body"]


@pytest.mark.parametrize("layers", [None, "*"])
def test_the_description_is_that_of_the_records(layers: Any, tmp_path: Path) -> None:
    model, x = Model(), torch.randn(6, 5, 4)
    described = rnn_summary.describe(model, layers, samples=6, timesteps=5)
    with capture_torch.attach(model, every=1, samples=None, layers=layers) as taps:
        model(x).pow(2).mean().backward()
        records = [made for record in taps.collect(0) if (made := completed(record, print)) is not None]
    assert [layer.name for layer in described] == [made.name for made in records]
    for layer, made in zip(described, records, strict=True):
        assert (layer.cell, layer.units, layer.directions, layer.gates) == (
            made.cell,
            made.units,
            made.directions,
            made.gates,
        )
        for matrices in (made.weights, made.weight_gradients):
            assert layer.shapes == {d: {name: m.shape for name, m in of.items()} for d, of in matrices.items()}
        assert {*layer.sequences, *layer.derived} == set(made.sequences)
        arrays = sum(array.nbytes for array in made.sequences.values())
        matrices_ = sum(array.nbytes for of in made.weights.values() for array in of.values())
        if layer.channels is None:
            assert layer.name == "model"
            continue
        assert {array.shape[-1] for array in made.sequences.values()} == {layer.channels}
        if layer.name != "head":  # of one timestep, which nobody knows before
            assert layer.size(6, 5) == arrays + 2 * matrices_
    rnn_summary.write(records, 0, tmp_path)
    rnn_summary.close()
    (path,) = tmp_path.iterdir()
    statistics = 4096 * sum(len(made.sequences) + 2 for made in records)
    assert described.size - 100 < path.stat().st_size < described.size + statistics


def test_what_it_says() -> None:
    described = rnn_summary.describe(Model(), ["body", "cells/1"])
    first, _, cell = described
    assert first.kind == "LSTM(4, 3, num_layers=2, batch_first=True, dropout=0.25, bidirectional=True)"
    assert (cell.kind, cell.channels) == ("RNNCell(3, 2, nonlinearity=relu)", 2)
    assert described.left_out == dict.fromkeys(["cells/0", "model", *OTHERS, "head"], "not in layers=")
    assert rnn_summary.describe(nn.RNN(2, 3, nonlinearity="relu"))[0].settings == {"nonlinearity": "relu"}
    left_out = rnn_summary.describe(Model()).left_out
    assert set(left_out) == {"model", *OTHERS, "head"}
    assert set(left_out.values()) == {'not recurrent; its name, or layers="*", picks it'}
    with pytest.raises(ValueError, match="'nothing' is none"):
        rnn_summary.describe(Model(), "nothing")
    with pytest.raises(TypeError, match=r"torch\.nn\.Module"):
        capture_torch.describe({}, None, samples=1, timesteps=1)  # type: ignore[arg-type]  # on purpose


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:.*torch.jit:FutureWarning")
def test_what_cannot_be_recorded_is_said() -> None:
    scripted = nn.Sequential(torch.jit.script(nn.GRU(3, 4)))
    described = rnn_summary.describe(scripted)
    assert not described
    assert "TorchScript" in described.left_out["0"]
    with pytest.raises(ValueError, match="TorchScript"):
        capture_torch.attach(scripted, every=1, samples=None)
    scripted.append(nn.GRU(3, 4))
    with pytest.warns(UserWarning, match=r"rnn_summary: left out is .* 0: a GRU of TorchScript"):
        assert [layer.name for layer in torch_model.find(scripted)] == ["1"]


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature:UserWarning")
def test_lazy_modules_are_left_out_until_they_are_made() -> None:
    model = nn.Sequential(nn.LazyConv1d(3, 1), nn.Linear(5, 2))
    reason = "made in the first forward pass: attach after one"
    assert reason in rnn_summary.describe(model, "*").left_out["0"]
    with pytest.raises(ValueError, match=f"layers: '0' can't be recorded.*{reason}"):
        torch_model.find(model, "0")
    with pytest.warns(UserWarning, match=reason):
        assert [layer.name for layer in torch_model.find(model, "*")] == ["1"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [layer.name for layer in torch_model.find(model, "1")] == ["1"]
    model(torch.randn(2, 4, 5))
    assert [layer.name for layer in torch_model.find(model, "*")] == ["0", "1"]


def test_parameters_that_are_no_real_numbers_are_left_out() -> None:
    class Spectral(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.poles = nn.Parameter(torch.zeros(3, dtype=torch.complex64))
            self.gain = nn.Parameter(torch.zeros(3, 2))

    with pytest.warns(UserWarning, match=r"spectral/poles: it is of torch\.complex64, no real numbers"):
        (layer,) = torch_model.find(Spectral(), "*")
    assert list(layer.parameters()["forward"]) == ["gain"]
    assert "spectral/poles" in rnn_summary.describe(Spectral(), "*").left_out
