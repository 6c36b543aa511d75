"""The snippets of the README run as they stand, in the order in which they stand there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary

_README = Path(__file__).parent.parent / "README.md"
_SNIPPETS: list[str] = re.findall(r"```python\n(.*?)```", _README.read_text(encoding="utf-8"), re.DOTALL)


BOTH = ["activation", "output_gradient"]
GATES = ["gate/cell", "gate/forget", "gate/input", "gate/output"]
RECORDED = ["activation", "bptt_gradient", "cell_state", *GATES, "output_gradient"]


def run(snippet: str, **names: Any) -> list[tuple[int, str, list[str]]]:
    """Steps, layers and quantities of what a snippet wrote into the working directory."""
    exec(compile(snippet, _README.name, "exec"), {"rnn_summary": rnn_summary, **names})
    return [(step, record.name, sorted(record.sequences)) for step, record in rnn_summary.read("logs/lstm")]


def snippet_with(text: str) -> str:
    (found,) = [snippet for snippet in _SNIPPETS if text in snippet]
    return found


@pytest.fixture(autouse=True)
def in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_snippet_is_run_here() -> None:
    words = ("KerasCallback", "attach", "LayerRecord", "on_finding", "describe")
    assert [snippet_with(text) for text in words] == _SNIPPETS


@pytest.mark.tensorflow
@pytest.mark.slow
def test_keras_snippet() -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    model = keras.Sequential([keras.Input((7, 2)), keras.layers.LSTM(3, name="lstm"), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 7, 2)), rng.standard_normal((8, 1))
    # The second fit begins at step 1, where nothing is due.
    assert run(snippet_with("KerasCallback"), model=model, x=x, y=y, xp=x[:4], yp=y[:4]) == [(0, "lstm", RECORDED)]


@pytest.mark.torch
def test_pytorch_snippet() -> None:
    torch = pytest.importorskip("torch")

    class Model(torch.nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.body = torch.nn.LSTM(2, 3, batch_first=True)
            self.head = torch.nn.Linear(3, 1)

        def forward(self, x: Any) -> Any:
            return self.head(self.body(x)[0])

    model = Model()
    batches = [(torch.randn(4, 7, 2), torch.randn(4, 7, 1)) for _ in range(51)]
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    written = run(
        snippet_with("attach"), model=model, batches=batches, criterion=torch.nn.MSELoss(), optimizer=optimizer
    )
    assert written == [(0, "body", RECORDED), (50, "body", RECORDED)]


def test_numpy_snippet() -> None:
    h = np.random.default_rng(0).standard_normal((4, 7, 256))
    assert run(snippet_with("LayerRecord"), h=h, g=h * 1e-3, step=3) == [(3, "decoder/lstm", BOTH)]


def test_finding_snippet(capsys: pytest.CaptureFixture[str]) -> None:
    record = rnn_summary.LayerRecord("decoder/lstm", sequences={"activation": np.full((1, 2, 3), np.nan)})
    run(snippet_with("on_finding"), record=record, step=0)
    with pytest.raises(rnn_summary.TrainingStopped, match="decoder/lstm: NaN since step 0"):
        run(snippet_with("on_finding"), record=record, step=1)
    assert capsys.readouterr().out == "decoder/lstm: NaN since step 0, first in the activation, timestep 0.\n"


@pytest.mark.torch
def test_describe_snippet(capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LSTM(3, 4))
    exec(compile(snippet_with("describe"), _README.name, "exec"), {"rnn_summary": rnn_summary, "model": model})
    printed = capsys.readouterr().out
    assert "input, forget, cell, output" in printed
    assert "A write of 4 samples × 100 timesteps" in printed


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", _README.read_text(encoding="utf-8"))
    assert targets
    assert [target for target in targets if not (_README.parent / target).exists()] == []
