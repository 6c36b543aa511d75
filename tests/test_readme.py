"""The snippets of the README run as they stand, in the order in which they stand there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary

_README = Path(__file__).parent.parent / "README.md"
_SNIPPETS = re.findall(r"```python\n(.*?)```", _README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_snippets_run_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    monkeypatch.chdir(tmp_path)
    model = keras.Sequential([keras.Input((7, 2)), keras.layers.LSTM(3, name="lstm"), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 7, 2)), rng.standard_normal((8, 1))
    h = rng.standard_normal((4, 7, 256))
    names: dict[str, Any] = {"model": model, "x": x, "y": y, "xp": x[:4], "yp": y[:4], "h": h, "g": h * 1e-3, "step": 3}
    for snippet in _SNIPPETS:
        exec(compile(snippet, _README.name, "exec"), names)
    written = [(step, record.name, sorted(record.sequences)) for step, record in rnn_summary.read("logs/lstm")]
    both = ["activation", "output_gradient"]
    # The second fit begins at step 1, where nothing is due.
    assert written == [(0, "lstm", both), (3, "decoder/lstm", both)]


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", _README.read_text(encoding="utf-8"))
    assert targets
    assert [target for target in targets if not (_README.parent / target).exists()] == []
