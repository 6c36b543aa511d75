"""How many frames a second the tab draws: 8 heatmaps while steps are scrubbed, 512 panels of curves while scrolled.

The peers draw the same numbers in the same browser: Plotly, and TensorBoard's own histograms in place of the curves.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Frame, Page, sync_playwright
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.histogram import summary_v2

from benchmarks.table import Row, print_table
from demo.tensorboard_server import free_port, serving
from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.event_file import write_record
from tb_rnn_plugin.export.browser import installed_browser

RUNS, HEATMAP_SAMPLES, STEPS = 2, 4, 6
HEATMAP_TIMESTEPS, HEATMAP_CHANNELS = 1000, 512
CURVE_TIMESTEPS, CURVE_CHANNELS, CURVE_SAMPLES = 100, 512, 16
SECONDS = 4
ROUNDS = 3
SCRUB_LEAST, SCROLL_LEAST = 55, 50

_PLOTLY = Path(__file__).parents[1] / "frontend/node_modules/plotly.js-dist-min/plotly.min.js"
_QUIET = "--no-sandbox --disable-quic --disable-gpu --no-first-run --disable-background-networking"

_COUNT_FRAMES = """async ([seconds, prepare]) => {
  const frame = eval(prepare);
  const begin = performance.now();
  let [frames, now] = [0, begin];
  while (now < begin + 1000 * seconds) {
    frame(frames++);
    now = await new Promise(requestAnimationFrame);
  }
  return frames / ((now - begin) / 1000);
}"""

# Each step in turn, as if the slider's thumb was dragged over all of them sixty times a second.
_SCRUB = """(() => {
  const slider = document.querySelector("input[type=range]");
  return (frame) => {
    slider.valueAsNumber = frame % (Number(slider.max) + 1);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  };
})()"""

# Forth and back, 40 pixels a frame.
_SCROLL = """(() => {
  const view = SELECTED;
  const room = view.scrollHeight - view.clientHeight;
  return (frame) => {
    const way = (40 * frame) % (2 * room);
    view.scrollTop = Math.min(way, 2 * room - way);
  };
})()"""

# What scrolls TensorBoard's cards: it has no name of its own to be relied on.
_SCROLLED_BY_TENSORBOARD = """[...document.querySelectorAll("*")].find((one) =>
  one.scrollHeight > one.clientHeight + 200 && getComputedStyle(one).overflowY !== "visible" &&
  one.contains(document.querySelector("histogram-card")))"""

_PLOTLY_HEATMAPS = """(() => {
  const [rows, columns, count] = [512, 1000, 8];
  const steps = [0, 1].map((step) =>
    Array.from({ length: rows }, (_, row) =>
      Float32Array.from({ length: columns }, (_, at) => Math.sin(row * at + step))));
  const places = Array.from({ length: count }, () => document.body.appendChild(document.createElement("div")));
  const layout = { width: 340, height: 200, margin: { t: 0, b: 20, l: 30, r: 0 } };
  return (frame) => {
    const trace = { type: "heatmap", z: steps[frame % 2], showscale: false };
    for (const place of places) Plotly.react(place, [trace], layout);
  };
})()"""


def write(directory: Path) -> None:
    """Writes what is drawn: gradients of a few runs, curves of one, and its histograms for TensorBoard."""
    rng = np.random.default_rng(0)
    for run in range(RUNS):
        for step in range(STEPS):
            values = rng.standard_normal((HEATMAP_SAMPLES, HEATMAP_TIMESTEPS, HEATMAP_CHANNELS), dtype=np.float32)
            values *= np.logspace(-6, 0, HEATMAP_TIMESTEPS, dtype=np.float32)[:, None]
            record = rnn_summary.LayerRecord(
                "heatmaps", cell="lstm", units=HEATMAP_CHANNELS, sequences={"output_gradient": values}
            )
            rnn_summary.write(record, step, directory / f"run {run}")
    curves = rng.standard_normal((CURVE_SAMPLES, CURVE_TIMESTEPS, CURVE_CHANNELS)).cumsum(axis=1).astype(np.float32)
    record = rnn_summary.LayerRecord("curves", cell="lstm", units=CURVE_CHANNELS, sequences={"activation": curves})
    rnn_summary.write(record, 0, directory / "curves", samples=CURVE_SAMPLES)
    rnn_summary.close()
    write_histograms(directory / "histograms", curves)


def write_histograms(directory: Path, curves: Any) -> None:
    """A histogram of each channel, as TensorBoard's own tab shows them."""
    directory.mkdir()
    with (directory / "events.out.tfevents.1.host").open("wb") as file:
        write_record(file, event_pb2.Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())
        for channel in range(CURVE_CHANNELS):
            summary = summary_v2.histogram_pb(f"channels/{channel}", curves[:, :, channel])
            event = event_pb2.Event(wall_time=1.0, step=0, summary=summary_pb2.Summary(value=summary.value))
            write_record(file, event.SerializeToString())


def frames_of(frame: Frame | Page, prepare: str) -> float:
    """Frames a second of what `prepare` gives: a function that is called once a frame."""
    frame.evaluate(_COUNT_FRAMES, [1, prepare])
    return float(frame.evaluate(_COUNT_FRAMES, [SECONDS, prepare]))


def own_frame(page: Page, address: str, drawn: str, count: int) -> Frame:
    """The tab's frame, once so many drawings are there and none is on its way."""
    page.goto("about:blank")
    page.goto(address)
    located = page.frame_locator("iframe[src*='name=rnn']")
    located.locator(f"{drawn}[data-stale=false]").nth(count - 1).wait_for(timeout=120_000)
    (frame,) = (frame for frame in page.frames if "name=rnn" in frame.url)
    return frame


def scrubbed(page: Page, address: str) -> float:
    """8 heatmaps of 512 × 1000 while all steps are scrubbed; every step was fetched before."""
    runs = ",".join(f"run%20{run}" for run in range(RUNS))
    samples = ",".join(map(str, range(HEATMAP_SAMPLES)))
    choices = f"#rnn&p.rnn.view=heatmap&p.rnn.runs={runs.replace('%', '%25')}&p.rnn.samples={samples}"
    frame = own_frame(page, f"{address}/{choices}", "canvas.heatmap", RUNS * HEATMAP_SAMPLES)
    for step in range(STEPS):
        frame.evaluate(_COUNT_FRAMES, [0.5, _SCRUB.replace("frame % (Number(slider.max) + 1)", str(step))])
        frame.locator(f"canvas.heatmap[data-stale=false][data-step='{step}']").nth(7).wait_for(timeout=60_000)
    return frames_of(frame, _SCRUB)


def scrolled(page: Page, address: str) -> float:
    """512 panels of 16 curves while the view is scrolled."""
    samples = ",".join(map(str, range(CURVE_SAMPLES)))
    choices = f"#rnn&p.rnn.view=curves&p.rnn.runs=curves&p.rnn.layer=curves&p.rnn.samples={samples}"
    frame = own_frame(page, f"{address}/{choices}", "canvas.curves", 8)
    return frames_of(frame, _SCROLL.replace("SELECTED", 'document.querySelector(".curves-view")'))


def histograms_scrolled(page: Page, address: str) -> float:
    """The peer: TensorBoard's histograms of the same 512 channels."""
    page.goto("about:blank")
    page.goto(f"{address}/#timeseries&pinnedCards=&runFilter=histograms")
    page.locator("histogram-card svg").first.wait_for(timeout=120_000)
    return frames_of(page, _SCROLL.replace("SELECTED", _SCROLLED_BY_TENSORBOARD))


def empty(page: Page, _: str) -> float:
    """Nothing at all: what the machine gives just now."""
    page.goto("about:blank")
    return frames_of(page, "() => {}")


def plotly_scrubbed(page: Page, _: str) -> float:
    """The peer: Plotly drawing 8 heatmaps of the same size anew each frame."""
    page.goto("about:blank")
    page.add_script_tag(path=_PLOTLY)
    return frames_of(page, _PLOTLY_HEATMAPS)


def wait_until_loaded(page: Page, address: str) -> None:
    """Returns when TensorBoard has read all runs to their end."""
    while True:
        runs = page.request.get(f"{address}/data/plugin/rnn/index").json()["runs"]
        last = {run["run"]: run["layers"][0]["quantities"][0]["last_step"] for run in runs}
        if len(last) == RUNS + 1 and all(step == STEPS - 1 for run, step in last.items() if run != "curves"):
            return
        time.sleep(0.5)


#: What measures each variant, given a page and TensorBoard's address.
Variants = dict[str, Callable[[Page, str], float]]


def medians(page: Page, address: str, variants: Variants) -> dict[str, float]:
    """Frames a second of each variant, measured in turn."""
    found: dict[str, list[float]] = {name: [] for name in variants}
    for round_ in range(ROUNDS):
        print(f"round {round_ + 1} of {ROUNDS} …", flush=True)
        for name, measure in variants.items():
            found[name].append(measure(page, address))
    return {name: statistics.median(values) for name, values in found.items()}


def report(title: str, found: dict[str, float], least: int) -> None:
    """Prints the first variant with its limit, and its peers."""
    own = next(iter(found.values()))
    rows = [Row(name, value, "frames/s", value / own) for name, value in found.items()]
    rows[0] = Row(rows[0].name, own, "frames/s", 1.0, least=least)
    print_table(title, rows)


def launched(playwright: Any) -> Browser:
    """The machine's own browser, where there is one; else the one that Playwright installed."""
    browser: Browser = playwright.chromium.launch(executable_path=installed_browser(), args=_QUIET.split())
    return browser


def main() -> None:
    """Measures both, each beside its peer."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        directory = Path(name)
        write(directory)
        browser = launched(playwright)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        with serving(directory, free_port(), "--samples_per_plugin", "rnn_arrays=0") as address:
            wait_until_loaded(page, address)
            scrubs: Variants = {"RNN tab, each frame another step": scrubbed}
            if _PLOTLY.exists():
                scrubs["peer: Plotly"] = plotly_scrubbed
            scrubs["an empty page"] = empty
            report("8 heatmaps of 512 × 1000 scrubbed", medians(page, address, scrubs), SCRUB_LEAST)
            scrolls: Variants = {
                "RNN tab, 512 panels of 16 curves": scrolled,
                "peer: TensorBoard's histograms, 512 cards": histograms_scrolled,
                "an empty page": empty,
            }
            report("512 panels scrolled", medians(page, address, scrolls), SCROLL_LEAST)
        browser.close()


if __name__ == "__main__":
    main()
