"""Real TensorBoards, and an answer of the plugin taken apart without the plugin's code."""

import contextlib
import dataclasses
import http.client
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_PATIENCE = 60.0
_ADDRESS = re.compile(r"at http://127\.0\.0\.1:(\d+)/")


def wait_for(what: str, found: Callable[[], Any]) -> Any:
    """What `found` returns, as soon as it is something: asked again and again, up to a deadline."""
    deadline = time.monotonic() + _PATIENCE
    while not (value := found()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
    return value


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers["content-type"].startswith("application/json"), self
        return json.loads(self.body)


@dataclasses.dataclass(frozen=True)
class Array:
    """An entry of the answer of `arrays`: what JSON says of it, and its bytes."""

    info: Mapping[str, Any]
    data: bytes

    @property
    def values(self) -> npt.NDArray[np.float32]:
        if self.info["dtype"] == "bfloat16":
            bits = np.frombuffer(self.data, "<u2").astype(np.uint32) << 16
            return bits.view(np.float32).reshape(self.info["shape"])
        return np.frombuffer(self.data, "<f4").reshape(self.info["shape"])


@dataclasses.dataclass(frozen=True)
class TensorBoard:
    port: int
    loader: str
    log: Path

    def get(self, route: str, *, method: str = "GET", etag: str | None = None, **parameters: Any) -> Answer:
        """The answer of a route of the plugin; of another path, where `route` begins with a slash."""
        path = route if route.startswith("/") else f"/data/plugin/rnn/{route}"
        if parameters:
            path += "?" + urllib.parse.urlencode(parameters, doseq=True)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, headers={"If-None-Match": etag} if etag else {})
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())

    def index(self) -> dict[str, Any]:
        """Run to what the index says of it."""
        return {run["run"]: run for run in self.get("index").json["runs"]}

    def last_step(self, run: str, layer: str = "") -> int | None:
        layers = self.index().get(run, {"layers": []})["layers"]
        steps = [q["last_step"] for one in layers if layer in ("", one["layer"]) for q in one["quantities"]]
        return max(steps, default=None)

    def series(self, run: str, layer: str, quantity: str) -> dict[str, Any]:
        answer = self.get("series", run=run, layer=layer, quantity=quantity)
        assert answer.status == 200, answer
        (series,) = answer.json["series"]
        assert isinstance(series, dict)
        return series

    def arrays(self, **parameters: Any) -> list[Array]:
        answer = self.get("arrays", **parameters)
        assert answer.status == 200, answer
        return decoded(answer)[0]


def decoded(answer: Answer) -> tuple[list[Array], list[dict[str, Any]]]:
    """Arrays and what is missing, as http_api.md describes the bytes."""
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int.from_bytes(answer.body[:4], "little")
    start = 4 + length
    assert start % 8 == 0
    head = json.loads(answer.body[4:start].decode())
    arrays = []
    for info in head["arrays"]:
        assert info["offset"] % 8 == 0
        first = start + info["offset"]
        assert first + info["bytes"] <= len(answer.body)
        arrays.append(Array(info, answer.body[first : first + info["bytes"]]))
    return arrays, head["missing"]


@contextlib.contextmanager
def with_all_steps(logdir: Path, loader: str, last_steps: Mapping[str, int]) -> Iterator[TensorBoard]:
    """A TensorBoard that keeps all arrays, and has read each of these runs up to its last step."""
    with tensorboard(logdir, loader, "--samples_per_plugin=rnn_arrays=0") as served:
        wait_for(
            f"the runs {last_steps}",
            lambda: all(served.last_step(run) == step for run, step in last_steps.items()),
        )
        yield served


@contextlib.contextmanager
def tensorboard(
    logdir: Path, loader: str, *flags: str, environment: Mapping[str, str] | None = None
) -> Iterator[TensorBoard]:
    """A TensorBoard on a port that the system chose, stopped at the end. `loader`: "rust" or "python"."""
    log = logdir.with_name(f"{logdir.name}-{loader}-{time.monotonic_ns()}.log")
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--host", "127.0.0.1", "--port", "0"]
    command += [f"--load_fast={'true' if loader == 'rust' else 'false'}", "--reload_interval=1", *flags]
    with (
        log.open("wb") as file,
        subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, cwd=logdir.parent, env={**os.environ, **(environment or {})}
        ) as process,
    ):
        try:

            def port() -> int | None:
                text = log.read_text(errors="replace")
                assert process.poll() is None, text
                found = _ADDRESS.search(text)
                return int(found[1]) if found else None

            yield TensorBoard(wait_for("TensorBoard to start", port), loader, log)
        finally:
            process.terminate()
