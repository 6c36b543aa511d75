"""What runs on this machine is asked directly, whatever proxy the environment names."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from tb_rnn_plugin.export import loopback, server

NO_PROXY = "http://127.0.0.1:9"  # nobody answers there


class Plugin(http.server.BaseHTTPRequestHandler):
    """Knows of one route."""

    def do_GET(self) -> None:
        found = self.path == "/data/plugin/rnn/index"
        content = b'{"runs": []}' if found else b'{"error": "there is none."}'
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, NO_PROXY)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Plugin) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def test_an_answer_is_read(address: str) -> None:
    assert loopback.read(f"{address}/data/plugin/rnn/index", seconds=10) == b'{"runs": []}'
    assert server.ask(address, "index") == {"runs": []}


def test_an_error_is_the_plugins_own_sentence(address: str) -> None:
    with pytest.raises(LookupError, match="there is none"):
        server.ask(address, "series", [("run", "none")])


def test_nobody_answers() -> None:
    with pytest.raises(OSError, match="refused"):
        loopback.read(NO_PROXY, seconds=10)
