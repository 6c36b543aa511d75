"""How long a large board takes to its first drawing: 100 runs of 5 layers, 7 quantities, 100 steps."""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from benchmarks.drawing import launched
from benchmarks.table import Row, print_table
from demo.tensorboard_server import free_port, serving
from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import FloatArray

RUNS, LAYERS, STEPS = 100, 5, 100
SAMPLES, TIMESTEPS, UNITS = 2, 20, 8
GATES = ("input", "forget", "cell", "output")
SEQUENCES = ("activation", "output_gradient", "bptt_gradient", "cell_state", "gate/forget")
LIMIT_SECONDS = 2.0
OPENINGS = 5

_LOADED_SECONDS = 120


def write(directory: Path) -> None:
    """Writes all runs."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> FloatArray:
        values = rng.standard_normal(shape, dtype=np.float32)
        values.flags.writeable = False
        return values

    def matrices() -> dict[str, dict[str, FloatArray]]:
        width = UNITS * len(GATES)
        return {
            "forward": {"kernel": normal(4, width), "recurrent_kernel": normal(UNITS, width), "bias": normal(width)}
        }

    records = [
        rnn_summary.LayerRecord(
            f"layer_{layer}",
            cell="lstm",
            units=UNITS,
            sequences={quantity: normal(SAMPLES, TIMESTEPS, UNITS) for quantity in SEQUENCES},
            weights=matrices(),
            weight_gradients=matrices(),
        )
        for layer in range(LAYERS)
    ]
    for run in range(RUNS):
        print(f"\rwriting run {run + 1} of {RUNS} …", end="", flush=True)
        for step in range(STEPS):
            rnn_summary.write(records, step, directory / f"run {run:03}", scalars=False)
        rnn_summary.close()
    print()


def opened(browser: Browser, address: str, view: str) -> float:
    """Seconds from asking TensorBoard, open at another tab, for ours to the first drawing; in a new browser context."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.goto(f"{address}/#timeseries")
    page.get_by_role("tab", name="RNN").wait_for(timeout=60_000)
    start = time.perf_counter()
    page.goto(f"{address}/#rnn&p.rnn.view={view}")
    tab = page.frame_locator("iframe[src*='name=rnn']")
    tab.locator(".view canvas[role=img], .view svg[role=img]").first.wait_for(timeout=60_000)
    seconds = time.perf_counter() - start
    context.close()
    return seconds


def main() -> None:
    """Writes, serves, opens."""
    with tempfile.TemporaryDirectory() as directory:
        logs = Path(directory)
        write(logs)
        with serving(logs, free_port(), "--reload_interval", "0") as address, sync_playwright() as playwright:
            browser = launched(playwright)
            _wait_until_loaded(browser, address)
            rows = []
            for view in ("overview", "heatmap"):
                seconds = statistics.median(opened(browser, address, view) for _ in range(OPENINGS))
                rows.append(Row(f"{view}, seconds of {LIMIT_SECONDS}", seconds, "s", seconds / LIMIT_SECONDS, 1.0))
            browser.close()
    print_table(f"Opening {RUNS} runs × {LAYERS} layers × 7 quantities × {STEPS} steps; median of {OPENINGS}", rows)


def _wait_until_loaded(browser: Browser, address: str) -> None:
    """TensorBoard answers before it has read everything.

    Raises:
        TimeoutError: If it goes on for too long: what is opened would be a smaller board.
    """
    page = browser.new_page()
    deadline = time.monotonic() + _LOADED_SECONDS
    while time.monotonic() < deadline:
        index = page.request.get(f"{address}/data/plugin/rnn/index").json()
        steps = [q["last_step"] for run in index["runs"] for layer in run["layers"] for q in layer["quantities"]]
        if len(index["runs"]) == RUNS and len(steps) == RUNS * LAYERS * 7 and min(steps) == STEPS - 1:
            page.close()
            return
        page.wait_for_timeout(500)
    raise TimeoutError(f"TensorBoard did not read {RUNS} runs within {_LOADED_SECONDS} s.")


if __name__ == "__main__":
    main()
