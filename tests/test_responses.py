"""What every route has in common, over HTTP and under both loaders."""

import urllib.parse
from typing import Any

import pytest

from tests import logs
from tests.serving import TensorBoard

QUERY = urllib.parse.urlencode(logs.ARRAYS)
SERIES = "run=small&layer=a/b&quantity=activation"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("route", ["index", f"series?{SERIES}", f"arrays?{QUERY}", "index.js", "static/index.js"])
def test_other_methods_are_405(board: TensorBoard, method: str, route: str) -> None:
    answer = board.get(route, method=method)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert method in answer.json["error"]


def test_a_head_request_has_no_body(board: TensorBoard) -> None:
    answer = board.get("arrays", **logs.ARRAYS, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > logs.records(50)[0].sequences["output_gradient"].nbytes


@pytest.mark.parametrize(
    ("route", "wanted"),
    [("series", logs.ARRAYS), ("arrays", logs.ARRAYS), ("health", {"run": "small"}), ("index.js", {})],
)
def test_a_304_has_the_headers_that_tensorboard_wants(board: TensorBoard, route: str, wanted: dict[str, Any]) -> None:
    first = board.get(route, **wanted)
    again = board.get(route, **wanted, etag=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    for header in ("content-type", "x-content-type-options", "cache-control", "etag"):
        assert again.headers[header] == first.headers[header]


def test_nothing_was_logged_as_failed(board: TensorBoard) -> None:
    log = board.log.read_text()
    assert "Traceback" not in log
    assert "security_validator" not in log  # TensorBoard's word on responses that lack a header
