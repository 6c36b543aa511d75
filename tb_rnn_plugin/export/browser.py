"""A Chromium of the machine, without a window, told what to do by its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/. Unlike `--screenshot`, which takes what is there after a time, it
can wait until the page says that all is drawn.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tb_rnn_plugin.export import loopback
from tb_rnn_plugin.export.web_socket import WebSocket

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge", "microsoft-edge")
_MAC = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
_FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--force-color-profile=srgb",
    "--remote-debugging-port=0",
)
_POLL_SECONDS = 0.05

NO_BROWSER = (
    "browser: there is no Chromium or Chrome on this machine, and a figure is drawn by one. Install it (on Debian: "
    "apt-get install chromium), name one with --browser, or write the arrays alone: -o arrays.npz needs none."
)


class BrowserError(Exception):
    """The browser, or the page in it, did not do what it was to; the message says what."""


def installed_browser() -> Path | None:
    """The first Chromium, Chrome or Edge that is found on this machine; None where there is none."""
    for name in _NAMES:
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    for path in _MAC if sys.platform == "darwin" else ():
        if Path(path).exists():
            return Path(path)
    return None


def find_browser(named: str | None) -> Path:
    """The browser to use: the one that was named, or the first that is found.

    Raises:
        BrowserError: If there is none.
    """
    if named is not None:
        found = shutil.which(named)
        if found is None:
            raise BrowserError(f"browser: {named!r} is no program.")
        return Path(found)
    installed = installed_browser()
    if installed is None:
        raise BrowserError(NO_BROWSER)
    return installed


class Page:
    """A page of a browser."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._commands = 0
        self._events: list[dict[str, Any]] = []

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers to a command.

        Raises:
            BrowserError: If it refuses.
            OSError: If it does not answer in time.
        """
        self._commands += 1
        self._socket.send(json.dumps({"id": self._commands, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.receive())
            if "method" in message:
                self._events.append(message)
            elif message["id"] == self._commands:
                if "error" in message:
                    raise BrowserError(f"the browser refused {method}: {message['error'].get('message')}.")
                result: dict[str, Any] = message["result"]
                return result

    def go_to(self, address: str) -> None:
        """Opens an address, and returns once the page is loaded.

        Raises:
            BrowserError: If there is nothing at that address.
            OSError: If it is not loaded in time.
        """
        self.command("Page.enable")
        answer = self.command("Page.navigate", url=address)
        if answer.get("errorText"):
            raise BrowserError(f"the browser could not open {address}: {answer['errorText']}.")
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._events.append(json.loads(self._socket.receive()))

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, of a promise what it resolves to.

        Raises:
            BrowserError: If it throws, with what it threw.
            OSError: If it takes too long.
        """
        answer = self.command("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        failure = answer.get("exceptionDetails")
        if failure is not None:
            text = failure.get("exception", {}).get("description") or failure.get("text", "")
            raise BrowserError(text.splitlines()[0].removeprefix("Error: ") if text else "the page failed.")
        return answer["result"].get("value")


@contextlib.contextmanager
def open_page(browser: Path, seconds: float) -> Iterator[Page]:
    """A page of a browser of its own, which ends with the block.

    Args:
        browser: The program.
        seconds: How long its start, and each thing that it is told to do, may take.

    Raises:
        BrowserError: If the browser does not start.
    """
    with tempfile.TemporaryDirectory(prefix="tb_rnn_plugin-", ignore_cleanup_errors=True) as profile:
        # As root, as in most containers, Chromium starts without its sandbox only. The page is our own.
        sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command = [str(browser), *_FLAGS, *sandbox, f"--user-data-dir={profile}", "about:blank"]
        log = Path(profile) / "browser.log"
        with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:  # noqa: S603
            try:
                port = _debugging_port(process, Path(profile), log, seconds)
                with contextlib.closing(WebSocket(_page_address(port), seconds)) as socket:
                    yield Page(socket)
            finally:
                process.terminate()
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()


def _debugging_port(process: "subprocess.Popen[bytes]", profile: Path, log: Path, seconds: float) -> int:
    written = profile / "DevToolsActivePort"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(written.read_text().splitlines()[0])
        if process.poll() is not None:
            said = log.read_text(errors="replace").strip()[-1000:]
            raise BrowserError(f"{process.args[0]!r} ended with status {process.returncode}: {said}")  # type: ignore[index]
        time.sleep(_POLL_SECONDS)
    raise BrowserError(f"{process.args[0]!r} did not start within {seconds:g} seconds.")  # type: ignore[index]


def _page_address(port: int) -> str:
    targets = json.loads(loopback.read(f"http://127.0.0.1:{port}/json/list", seconds=10))
    return str(next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page"))
