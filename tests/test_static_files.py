"""The built frontend, over HTTP and under both loaders: its entry, and nothing that lies outside of it."""

import re

import pytest

from tb_rnn_plugin.serving import static_files
from tests.serving import TensorBoard

NOWHERE = [
    "static/nothing.js",
    "static/../plugin.py",
    "static/%2e%2e/plugin.py",
    "static/..%2fplugin.py",
    "static/..%5cplugin.py",
    "static/%2e%2e%2f%2e%2e%2fetc/passwd",
    "static//etc/passwd",
    "static/%2fetc%2fpasswd",
    "static/./../__init__.py",
    "static/%00",
    "static/" + "x" * 5000,
    "static/a/static/../../../plugin.py",
]


@pytest.mark.parametrize("route", NOWHERE, ids=lambda route: re.sub(r"(.{60}).*", r"\1…", route))
def test_what_is_not_there_or_outside_is_a_404(board: TensorBoard, route: str) -> None:
    answer = board.get(route)
    assert (answer.status, list(answer.json)) == (404, ["error"]), answer
    assert answer.json["error"]


def test_the_entry_is_a_module(board: TensorBoard) -> None:
    answer = board.get("index.js")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert b"render" in answer.body
    assert board.get("index.js", etag=answer.headers["etag"]).status == 304


def test_the_note_in_place_of_a_missing_frontend_is_sound_javascript() -> None:
    lines = static_files._NOT_BUILT.splitlines()
    assert all(line.count('"') % 2 == 0 for line in lines)
    assert static_files._NOT_BUILT.count("{") == static_files._NOT_BUILT.count("}")
