"""Requests that make no sense, over HTTP and under both loaders."""

import re
import urllib.parse

import pytest

from tests import logs
from tests.serving import TensorBoard

QUERY = urllib.parse.urlencode(logs.ARRAYS)
SERIES = "run=small&layer=a/b&quantity=activation"

BAD = {
    "series": 400,
    "series?run=small": 400,
    "series?run=small&layer=a/b": 400,
    "series?" + "&".join(["run=small"] * 65) + "&layer=a/b&quantity=activation": 400,
    f"series?{SERIES}&layer=c&layer=d": 400,
    "series?run=none&layer=a/b&quantity=activation": 404,
    "series?run=small&layer=none&quantity=activation": 404,
    "series?run=small&layer=a/b&quantity=none": 404,
    "series?run=%ff%fe&layer=%00&quantity=%f0%9f%98%80": 404,
    "series?run=" + "x" * 5000 + "&layer=a/b&quantity=activation": 404,
    f"statistics?{SERIES}&step=-1": 400,
    f"statistics?{SERIES}&bins=9&step=1": 400,
    f"statistics?{SERIES}&bins=16": 400,
    f"statistics?{SERIES}&bins=16" + "".join(f"&step={step}" for step in range(65)): 400,
    f"statistics?{SERIES}&bins=16&step=1" + "&run=small" * 8: 400,
    f"statistics?{SERIES}&field=linear" + "&run=small" * 8: 400,
    f"statistics?{SERIES}" + "&run=small" * 64: 400,
    "health?run=small&growing_gradient=1e999": 400,
    f"timescales?{SERIES}&step=1e3": 400,
    "arrays": 400,
    f"arrays?{SERIES}": 400,
    f"arrays?{SERIES}&step=": 400,
    f"arrays?{SERIES}&step=-1": 400,
    f"arrays?{SERIES}&step=1.5": 400,
    f"arrays?{SERIES}&step=1e3": 400,
    f"arrays?{SERIES}&step=%2B1": 400,
    f"arrays?{SERIES}&step=0x1": 400,
    f"arrays?{SERIES}&step=1_0": 400,
    f"arrays?{SERIES}&step=+11": 400,
    f"arrays?{SERIES}&step=%D9%A1": 400,  # an Arabic digit
    f"arrays?{SERIES}&step=%C2%B2": 400,  # a superscript, which is a digit to str.isdigit
    f"arrays?{SERIES}&step=" + "9" * 30: 400,
    f"arrays?{SERIES}&step=" + "9" * 18: 404,
    f"arrays?{SERIES}&step=12": 404,
    f"arrays?{SERIES}&step=11&step=10": 400,
    f"arrays?{QUERY}&sample=-1": 400,
    f"arrays?{QUERY}&sample=x": 400,
    f"arrays?{QUERY}&sample=6": 404,
    f"arrays?{QUERY}&sample=99999999999999999999": 400,
    f"arrays?{QUERY}" + "&sample=0" * 65: 400,
    f"arrays?{QUERY}&matrix=forward/kernel": 404,
    f"arrays?{QUERY}&matrix=kernel": 400,
    f"arrays?{QUERY}&matrix=/": 400,
    f"arrays?{QUERY}&sample=0&matrix=forward/kernel": 400,
    f"arrays?{QUERY}&max_rows=0": 400,
    f"arrays?{QUERY}&max_rows=8193": 400,
    f"arrays?{QUERY}&max_columns=1000000000": 400,
    f"arrays?{QUERY}&max_columns=1e9": 400,
    f"arrays?{QUERY}&max_columns=-5": 400,
    f"arrays?{QUERY}&max_columns=": 400,
    f"arrays?{QUERY}&dtype=float16": 400,
    f"arrays?{QUERY}&dtype=": 400,
    f"arrays?{QUERY}&first_row=-1": 400,
    f"arrays?{QUERY}&first_row=": 400,
    f"arrays?{QUERY}&first_row=1.5": 400,
    f"arrays?{QUERY}&first_row=" + "9" * 18: 404,
    f"arrays?{QUERY}&first_row=" + "9" * 19: 400,
    f"arrays?{QUERY}&first_row=40": 404,
    f"arrays?{QUERY}&first_column=512": 404,
    f"arrays?{QUERY}&rows=0": 400,
    f"arrays?{QUERY}&rows=x": 400,
    f"arrays?{QUERY}&columns=0": 400,
    f"arrays?{QUERY}&columns=-3": 400,
    f"arrays?{QUERY}&split=0": 400,
    f"arrays?{QUERY}&split=half": 400,
    f"arrays?{QUERY}&reflect=on": 400,
    f"arrays?{QUERY}&reflect=1&split=256": 400,
    f"arrays?{QUERY}&order=size": 400,
    f"arrays?{QUERY}&order_sample=1": 400,
    f"arrays?{QUERY}&order_step=50": 400,
    f"arrays?{QUERY}&order=magnitude&order_step=x": 400,
    f"arrays?{QUERY}&order=magnitude&order_step=50&order_step=100": 400,
    f"arrays?{QUERY}&order=magnitude&order_step=51": 404,
    f"arrays?{QUERY}&order=magnitude&order_sample=-1": 400,
    f"arrays?{QUERY}&order=magnitude&order_sample=6": 404,
    "arrays?run=directory&layer=encoder/bilstm&quantity=weights&step=50&order=magnitude": 400,
    "arrays?" + "&".join(["run=directory"] * 9) + f"&{QUERY}": 400,
}


@pytest.mark.parametrize("route", BAD, ids=lambda route: re.sub(r"(.{60}).*", r"\1…", route))
def test_nonsense_is_answered_as_json(board: TensorBoard, route: str) -> None:
    answer = board.get(route)
    assert (answer.status, list(answer.json)) == (BAD[route], ["error"]), answer
    assert answer.json["error"]


@pytest.mark.parametrize("route", list(BAD)[::5])
def test_nonsense_and_no_data_at_all(empty_board: TensorBoard, route: str) -> None:
    answer = empty_board.get(route)
    assert answer.status in {400, 404}
    assert answer.json["error"]
