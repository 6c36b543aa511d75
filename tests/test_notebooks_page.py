"""The snippets of docs/notebooks.md that read, as they stand there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.__main__ import main
from tb_rnn_plugin.record import LayerRecord
from tests.logs import floats

_PAGE = Path(__file__).parent.parent / "docs/notebooks.md"
_SNIPPETS: list[str] = re.findall(r"```python\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)


def snippet_with(text: str) -> str:
    (found,) = [snippet for snippet in _SNIPPETS if text in snippet]
    return found


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for step in (0, 50):
        record = LayerRecord(
            "encoder",
            cell="lstm",
            units=3,
            sequences={"output_gradient": floats(step, 4, 7, 3), "bptt_gradient": floats(step + 1, 4, 7, 3)},
            weights={"forward": {"kernel": floats(1, 2, 12)}},
        )
        rnn_summary.write(record, step, "logs/lstm")
    rnn_summary.close()


def run(snippet: str, **names: Any) -> dict[str, Any]:
    exec(compile(snippet, _PAGE.name, "exec"), names)
    return names


def test_reading() -> None:
    names = run(snippet_with("kernel ="))
    assert (names["gradient"] == floats(50, 4, 7, 3)).all()
    assert (names["kernel"] == floats(1, 2, 12)).all()
    reach = run(snippet_with("reach ="), rnn_summary=rnn_summary)
    assert reach["steps"] == [0, 50]
    wanted = [np.sqrt((floats(step + 1, 4, 7, 3).astype(float) ** 2).sum(axis=2)).mean(axis=0) for step in (0, 50)]
    assert reach["reach"] == pytest.approx(np.array(wanted), rel=1e-5)


def test_arrays_of_a_figure() -> None:
    assert main(["export", "logs", "--step", "0", "-o", "arrays.npz"]) == 0
    with np.load("arrays.npz") as arrays:
        assert (arrays["lstm/encoder/output_gradient"] == floats(0, 4, 7, 3)).all()
    run(snippet_with("arrays.npz"), np=np)["arrays"].close()
