"""The tab as notebooks show it: TensorBoard in a frame of a page of another origin, or behind a proxy at a path."""

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import BrowserContext, FrameLocator, Page, expect

from tests.browser import data
from tests.browser.colours import Colouring
from tests.browser.tab import FRAME, address, painted_pixels
from tests.serving import TensorBoard

pytestmark = pytest.mark.browser

PROXY = "/user/me/proxy/6006"


class _Notebook(BaseHTTPRequestHandler):
    """A page with a frame, and below PROXY what TensorBoard answers, as jupyter-server-proxy forwards it."""

    board: int

    def do_GET(self) -> None:
        if self.path.startswith(PROXY):
            self._forward(self.path.removeprefix(PROXY))
            return
        source = f"http://127.0.0.1:{self.board}/" if self.path == "/other-origin" else f"{PROXY}/"
        page = f'<title>notebook</title><iframe width="1200" height="800" src="{source}{address()}"></iframe>'
        self._answer(200, [("Content-Type", "text/html")], page.encode())

    def do_POST(self) -> None:
        self._forward(self.path.removeprefix(PROXY))

    def _forward(self, path: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.board, timeout=60)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kept = {name: value for name, value in self.headers.items() if name in {"Accept-Encoding", "Content-Type"}}
        connection.request(self.command, path, body=body or None, headers=kept)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        headers = [
            (name, value)
            for name, value in response.getheaders()
            if name.lower() not in {"connection", "content-length"}
        ]
        self._answer(response.status, headers, body)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def notebook(nets_board: TensorBoard) -> Iterator[str]:
    handler = type("Notebook", (_Notebook,), {"board": nets_board.port})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        # Another port is another origin, as of Jupyter and its TensorBoard.
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    page.set_default_timeout(20_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    page.close()
    # The tab may try the clipboard; the browser complains before it refuses.
    assert [error for error in errors if "Clipboard API has been blocked" not in error] == []


def within(page: Page) -> FrameLocator:
    return page.frame_locator("iframe").frame_locator(FRAME)


@pytest.mark.parametrize("where", ["other-origin", "proxy"])
def test_tab_works_in_a_notebook(notebook: str, page: Page, where: str, nets_board: TensorBoard) -> None:
    page.goto(f"{notebook}/{where}")
    tab = within(page)
    exact = "canvas.heatmap[data-stale='false'][data-dtype='float32']"
    # The scale is that of all drawings: the first one has its colours when the last one has come.
    expect(tab.locator(f"{exact}[data-step='30']")).to_have_count(4)
    tab.get_by_role("button", name="Previous step").click()
    expect(tab.locator(f"{exact}[data-step='20']")).to_have_count(4)
    canvas = tab.locator(f"{exact}[data-run='lstm'][data-sample='0']")
    arrays = [data.gradient(run, 20)[sample] for run in ("lstm", "gru") for sample in (0, 1)]
    colouring = Colouring.over([*arrays], "symlog", "vik")
    assert colouring.wrong(painted_pixels(canvas)[..., :3], arrays[0].T) == 0
    with page.expect_download() as found:
        tab.get_by_role("button", name="SVG", exact=True).click()
    assert found.value.suggested_filename.startswith("heatmap_")
    tab.get_by_role("button", name="Copy link").click()
    said = tab.get_by_role("group", name="Download").get_by_role("status")
    expect(said).not_to_be_empty()
    # A frame of another origin may not reach the clipboard: then the link is there to be copied by hand.
    text = said.inner_text()
    link = page.evaluate("navigator.clipboard.readText()") if text == "Link copied" else text
    address = f"{notebook}{PROXY}" if where == "proxy" else f"http://127.0.0.1:{nets_board.port}"
    assert link.startswith(f"{address}/#rnn&")
    assert "p.rnn.step=20" in link
