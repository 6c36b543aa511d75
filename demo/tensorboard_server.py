"""A TensorBoard of our own, on a free port: for the demo and the benchmarks."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tb_rnn_plugin.export import loopback

_USUAL_PORT = 6006
_START_SECONDS = 120
_POLL_SECONDS = 0.2


def free_port() -> int:
    """TensorBoard's usual port, or any other when that is taken."""
    for port in (_USUAL_PORT, 0):
        with socket.socket() as candidate, contextlib.suppress(OSError):
            candidate.bind(("127.0.0.1", port))
            return int(candidate.getsockname()[1])
    raise OSError("port: none is free on this machine.")


@contextlib.contextmanager
def serving(log_directory: Path, port: int, *arguments: str) -> Iterator[str]:
    """TensorBoard with further arguments, while the block runs; gives its address once the plugin answers.

    Raises:
        OSError: If TensorBoard ends instead of answering.
    """
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(log_directory), "--port", str(port)]
    command += arguments
    log = log_directory / "tensorboard.log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            _wait_until_answering(process, port, log)
            yield f"http://localhost:{port}"
        finally:
            process.terminate()


def _wait_until_answering(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise OSError(
                f"TensorBoard ended with status {process.returncode}; {log} says why:\n{log.read_text()[-2000:]}"
            )
        with contextlib.suppress(OSError):
            loopback.read(f"http://localhost:{port}/data/plugin/rnn/index", seconds=5)
            return
        time.sleep(_POLL_SECONDS)
    raise OSError(f"TensorBoard did not answer on port {port} within {_START_SECONDS} seconds; see {log}.")
