"""A TensorBoard of our own on a log directory: on a free port, with every array kept, and everything loaded."""

import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tb_rnn_plugin.export import loopback

_ADDRESS = re.compile(r" at (http://\S+?)/? \(Press")
_POLL_SECONDS = 0.1

# Its data server tells when it has loaded all only to a logger that wants to know.
_START = (
    "import logging; logging.getLogger('tensorboard').setLevel(logging.INFO); "
    "from tensorboard.main import run_main; run_main()"
)
_FLAGS = (
    "--host=127.0.0.1",
    "--port=0",
    "--samples_per_plugin=rnn=0,rnn_arrays=0",
    # Load once. Without the fast data server TensorBoard then answers when it has loaded.
    "--reload_interval=0",
    "--reload_task=blocking",
)
_HAS_DATA_SERVER = "Spawning data server"
_LOADED = "Finished load cycle"


class ServerError(Exception):
    """TensorBoard did not start; the message has what it said."""


@contextlib.contextmanager
def serving(directory: Path, seconds: float) -> Iterator[str]:
    """The address of a TensorBoard, once it has loaded the directory; it ends with the block.

    Args:
        directory: The log directory.
        seconds: How long starting and loading may take.

    Raises:
        ServerError: If TensorBoard ends by itself, or takes longer.
    """
    with tempfile.TemporaryDirectory(prefix="tb_rnn_plugin-", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "tensorboard.log"
        command = [sys.executable, "-c", _START, f"--logdir={directory}", *_FLAGS]
        with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:  # noqa: S603
            try:
                yield _wait_until_loaded(process, log, seconds)
            finally:
                process.terminate()
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()


def _wait_until_loaded(process: "subprocess.Popen[bytes]", log: Path, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        said = log.read_text(errors="replace")
        address = _ADDRESS.search(said)
        if address is not None and (_HAS_DATA_SERVER not in said or _LOADED in said):
            return address[1]
        if process.poll() is not None:
            raise ServerError(f"TensorBoard ended with status {process.returncode}: {said.strip()[-1000:]}")
        time.sleep(_POLL_SECONDS)
    raise ServerError(f"TensorBoard did not load the log directory within {seconds:g} seconds (--timeout allows more).")


def ask(address: str, route: str, parameters: list[tuple[str, str]] | None = None) -> Any:
    """What a route of the plugin answers, parsed from JSON.

    Raises:
        LookupError: If it has not what was asked for, with the plugin's own sentence.
    """
    query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
    try:
        return json.loads(loopback.read(f"{address}/data/plugin/rnn/{route}{query}", seconds=60))
    except urllib.error.HTTPError as error:
        with contextlib.suppress(ValueError, KeyError):
            raise LookupError(json.load(error)["error"]) from None
        raise LookupError(f"the plugin answered {error.code} to {route}.") from None
