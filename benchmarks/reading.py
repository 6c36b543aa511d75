"""What reading one step over HTTP costs after few and after many written steps, under both of TensorBoard's loaders."""

import json
import statistics
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np

from benchmarks.table import Row, print_table
from demo.tensorboard_server import free_port, serving
from tb_rnn_plugin import rnn_summary

FEW, MANY = 10, 1000
READS = 60
SAMPLES, TIMESTEPS, CHANNELS = 4, 100, 256
LIMIT = 1.5


def write(directory: Path, steps: int) -> None:
    """Writes `steps` steps of a layer of 256 units."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((SAMPLES, TIMESTEPS, CHANNELS)).astype(np.float32)
    for step in range(steps):
        record = rnn_summary.LayerRecord("lstm", cell="lstm", units=CHANNELS, sequences={"activation": values + step})
        rnn_summary.write(record, step, directory)


def read_milliseconds(address: str, run: str, steps: int) -> list[float]:
    """The time of each of many requests for one step, each for another one."""
    index = f"{address}/data/plugin/rnn/arrays?" + urllib.parse.urlencode(
        {"run": run, "layer": "lstm", "quantity": "activation", "sample": 0}
    )
    milliseconds = []
    for read in range(READS):
        start = time.perf_counter()
        with urllib.request.urlopen(f"{index}&step={read * 7 % steps}") as answer:
            answer.read()
        milliseconds.append(1e3 * (time.perf_counter() - start))
    return milliseconds


def wait_until_loaded(address: str) -> None:
    """Returns when TensorBoard has read both runs to their end."""
    last_steps: set[int] = set()
    while last_steps != {FEW - 1, MANY - 1}:
        time.sleep(0.5)
        with urllib.request.urlopen(f"{address}/data/plugin/rnn/index") as answer:
            runs = json.load(answer)["runs"]
        last_steps = {run["layers"][0]["quantities"][0]["last_step"] for run in runs}


def main() -> None:
    """Writes two runs, reads both in turn, and prints the ratio of their medians for each loader."""
    with tempfile.TemporaryDirectory() as directory:
        for steps in (FEW, MANY):
            write(Path(directory) / f"{steps}", steps)
        rnn_summary.close()
        for name, load_fast in (("data server", "true"), ("Python loader", "false")):
            arguments = ("--load_fast", load_fast, "--samples_per_plugin", "rnn_arrays=0")
            with serving(Path(directory), free_port(), *arguments) as address:
                wait_until_loaded(address)
                medians: dict[int, list[float]] = {FEW: [], MANY: []}
                for _ in range(5):
                    for steps in (FEW, MANY):
                        medians[steps].append(statistics.median(read_milliseconds(address, f"{steps}", steps)))
            few, many = (statistics.median(medians[steps]) for steps in (FEW, MANY))
            print_table(
                f"one sample of 100 × 256 over HTTP, TensorBoard's {name}",
                [Row(f"{FEW} steps kept", few, "ms", 1.0), Row(f"{MANY} steps kept", many, "ms", many / few, LIMIT)],
            )


if __name__ == "__main__":
    main()
