"""docs/see_rnn.md: what it names as tests are tests."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "see_rnn.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| see-rnn", "| ---"))]

#: see-rnn's functions, each of which has a row.
FUNCTIONS = (
    "features_0D",
    "features_1D",
    "features_2D",
    "features_hist",
    "features_hist_v2",
    "hist_clipped",
    "rnn_histogram",
    "rnn_heatmap",
    "get_outputs",
    "get_gradients",
    "get_rnn_weights",
    "get_weights",
    "get_layer",
    "get_full_name",
    "detect_nans",
    "weights_norm",
    "get_weight_penalties",
    "weight_loss",
    "rnn_summary",
)


def test_every_row_names_a_test() -> None:
    for row in ROWS:
        (named,) = re.findall(r"`([\w/.]+\.(?:py|ts))(?:::(\w+))?` \|$", row) or [("", "")]
        path = ROOT / named[0]
        assert path.is_file(), row
        if named[1]:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            assert named[1] in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, row


def test_every_function_has_a_row() -> None:
    for function in FUNCTIONS:
        assert f"`{function}" in PAGE, function
