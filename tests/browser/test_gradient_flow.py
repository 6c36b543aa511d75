"""The gradient-flow map: its pixels, its numbers and its horizon against what was logged."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from tests import serving
from tests.browser import overview_data
from tests.browser.overview_page import MAPS, Floats, expect_colours, horizon, logged, map_of, maps
from tests.browser.tab import Tab, names, painted_pixels
from tests.logs import floats
from tests.serving import wait_for

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("decades", [6, 3])
def test_flow_map_has_the_colours_of_its_norms(overview: Tab, decades: int) -> None:
    overview.choose(view="overview", decades=str(decades))
    expect(map_of(overview, "healthy")).to_have_attribute("data-decades", str(decades))
    expect_colours(overview, "vik", decades)


def quantile(run: str, share: float) -> Floats:
    norms = [
        np.linalg.norm(overview_data.gradient(run, step).astype(float), axis=-1) for step in overview_data.STEPS[run]
    ]
    return np.asarray(np.quantile(np.array(norms), share, axis=1), float)


def test_quantile_over_the_samples(overview: Tab) -> None:
    overview.select("Over samples", "0.9")
    expect(map_of(overview, "vanishing")).to_have_attribute("data-statistic", "0.9")
    expected = quantile("vanishing", 0.9)
    label = map_of(overview, "vanishing").get_attribute("aria-label") or ""
    assert f"to {expected.max():.2g}" in label.replace("\u2212", "-")
    assert overview.choices["statistic"] == "0.9"


def at_cell(tab: Tab, canvas: Locator, column: int, row: int) -> tuple[float, float]:
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    return box["x"] + (column + 0.5) / 12 * box["width"], box["y"] + (row + 0.5) / 30 * box["height"]


def test_cell_is_read_and_its_step_chosen(overview: Tab) -> None:
    canvas = map_of(overview, "healthy", "backward")
    overview.page.mouse.move(*at_cell(overview, canvas, 4, 6))
    norm = overview_data.profile("healthy", 40, "backward")[6]
    expect(overview.readout).to_contain_text("healthy, backward, step 40, t = 6 (6 steps back): ")
    found = re.search(r"back\): ([\d.e−-]+)", overview.readout.inner_text())
    assert found is not None
    assert float(found[1].replace("\u2212", "-")) == pytest.approx(float(norm), rel=1e-4)
    overview.page.mouse.move(*at_cell(overview, map_of(overview, "vanishing"), 4, 1))
    expect(overview.readout).to_contain_text("vanishing, step 40, t = 28 (1 step back)")
    # The same place of the other runs beside it.
    beside = re.search(r"poisoned ([\d.]+)", overview.readout.inner_text())
    assert beside is not None
    assert float(beside[1]) == pytest.approx(float(overview_data.profile("poisoned", 40, "forward")[18]), rel=1e-4)
    overview.page.mouse.click(*at_cell(overview, map_of(overview, "vanishing"), 4, 1))
    expect(overview.frame.locator(".position strong")).to_have_text("40")
    assert overview.choices["step"] == "40"
    line = map_of(overview, "vanishing").locator("xpath=..").locator(".flow-now").bounding_box()
    box = map_of(overview, "vanishing").bounding_box()
    assert line is not None
    assert box is not None
    assert line["x"] + line["width"] / 2 == pytest.approx(box["x"] + 4.5 / 12 * box["width"], abs=1)


def test_map_is_read_by_keyboard(overview: Tab) -> None:
    canvas = map_of(overview, "vanishing")
    canvas.focus()
    canvas.press("ArrowDown")
    expect(overview.readout).to_contain_text("vanishing, step 110, t = 29 (0 steps back)")
    canvas.press("ArrowDown")
    canvas.press("ArrowLeft")
    expect(overview.readout).to_contain_text("vanishing, step 100, t = 28 (1 step back)")
    canvas.press("Enter")
    expect(overview.frame.locator(".position strong")).to_have_text("100")
    canvas.press("Escape")
    expect(overview.readout).to_contain_text("Point at a map")


def test_horizon_is_drawn_where_it_is(overview: Tab) -> None:
    path = overview.frame.locator(".flow-plot").filter(has=map_of(overview, "vanishing")).locator(".horizon .line")
    points = [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path.get_attribute("d") or "")]
    reach = [horizon(profile, 0.01) for profile in logged("vanishing", "forward")]
    assert [x for x, _ in points] == pytest.approx([(i + 0.5) / 12 * 1000 for i in range(12)], abs=0.01)
    assert [y for _, y in points] == pytest.approx([(value + 1) / 30 * 1000 for value in reach], abs=0.01)


def test_run_without_the_gradient_through_time_says_so(overview: Tab) -> None:
    note = overview.frame.locator(".flow-note")
    expect(note).to_contain_text("direct: the gradient through time was not recorded")
    note.get_by_text("How to record it").click()
    expect(note.get_by_text("rnn_summary.attach(model, every=50)")).to_be_visible()
    overview.button("Show the output gradient instead").click()
    expect(maps(overview)).to_have_count(len(MAPS) + 1)
    expect(overview.frame.get_by_text("the direct path alone, at each timestep")).to_be_visible()
    overview.choose(view="overview", runs="direct")
    expect(overview.frame.get_by_text("No BPTT gradient dL/dh was recorded of this layer.")).to_be_visible()
    expect(maps(overview)).to_have_count(1)
    expect(maps(overview)).to_have_attribute("data-quantity", "output_gradient")


def at_edge(canvas: Locator) -> tuple[float, float]:
    """Within the last column and the first row."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    return box["x"] + box["width"] - 4, box["y"] + 4


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, loader: str) -> Path:
    """Nine runs of three layers each, to which a test adds."""
    directory = tmp_path_factory.mktemp(f"crowd-{loader}") / "logs"
    for run in range(9):
        overview_data.write_small(directory / f"run {run}", range(2), layers=3)
    return directory


@pytest.fixture(scope="module")
def crowd_tab(context: BrowserContext, crowd: Path, loader: str) -> Iterator[Tab]:
    with serving.tensorboard(crowd, loader) as served:
        wait_for("nine runs", lambda: len(served.index()) == 9 and served.last_step("run 8") == 1)
        with Tab.opened(context, served.port, view="overview") as tab:
            yield tab
            assert tab.errors == []


def test_many_runs_and_layers_are_folded(crowd_tab: Tab) -> None:
    expect(maps(crowd_tab)).to_have_count(8)
    rows = crowd_tab.frame.locator("tbody tr")
    expect(rows).to_have_count(8)
    crowd_tab.button("Show 16 more rows").click()
    expect(rows).to_have_count(24)
    assert crowd_tab.choices["rows"] == "all"
    boxes = [canvas.bounding_box() for canvas in maps(crowd_tab).all()]
    widths = {round(box["width"]) for box in boxes if box is not None}
    assert len(widths) == 1
    assert len({round(box["y"]) for box in boxes if box is not None}) == 2


def test_new_step_comes_without_reload(crowd_tab: Tab, crowd: Path) -> None:
    crowd_tab.choose(view="overview", runs=names(["run 0", "late"]))
    expect(maps(crowd_tab)).to_have_count(1)
    crowd_tab.page.evaluate("window.notReloaded = true")
    overview_data.write_small(crowd / "run 0", range(2, 4), layers=3)
    canvas = map_of(crowd_tab, "run 0")
    expect(canvas).to_have_attribute("data-steps", "4")
    expect(crowd_tab.frame.locator(".position strong")).to_have_text("3")
    assert painted_pixels(canvas).shape[:2] == (6, 4)
    last = np.linalg.norm(0.1 + floats(3, 1, 6, 2)[0].astype(float) ** 2, axis=-1)
    crowd_tab.page.mouse.move(*at_edge(canvas))
    expect(crowd_tab.readout).to_contain_text(f"step 3, t = 5 (0 steps back): {last[5]:.4f}"[:-1])
    overview_data.write_small(crowd / "late", range(1))
    expect(maps(crowd_tab)).to_have_count(2)
    expect(crowd_tab.frame.locator("tbody tr")).to_have_count(4)
    assert crowd_tab.page.evaluate("window.notReloaded")
