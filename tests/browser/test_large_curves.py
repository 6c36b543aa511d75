"""A panel of the Curves view opened large: zoomed into by pointer and keys, read, and brought back by its address."""

import re

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser import data
from tests.browser.curves_page import INSET, RUNS, Axis, expect_curves, gradients, paint, panel, settled
from tests.browser.tab import Tab
from tests.serving import TensorBoard

pytestmark = pytest.mark.browser


@pytest.fixture
def large(tab: Tab) -> Tab:
    """The tab with a channel opened by a click on its panel."""
    tab.choose(view="curves", scale="linear")
    settled(tab, 14)
    panel(tab, "gru", 2).click()
    settled(tab, 1, run="gru", item=2)
    return tab


def test_panel_opens_large_and_escape_goes_back(large: Tab) -> None:
    canvas = panel(large, "gru", 2)
    box = canvas.bounding_box()
    assert box is not None
    assert box["width"] > 900
    expect(canvas).to_be_focused()
    expect(large.frame.get_by_role("heading", name="gru, channel 2")).to_be_visible()
    axis = Axis([array for run in RUNS for array in gradients(run)], "linear")
    expect_curves(canvas, [array[:, 2] for array in gradients("gru")], axis)
    assert large.choices["open"] == "gru,2"
    large.button("Next channel").click()
    settled(large, 1, run="gru", item=3)
    large.page.keyboard.press("Escape")
    settled(large, 14)
    expect(large.button("channel 3, gru: open large")).to_be_focused()
    assert "open" not in large.choices


def test_dragging_zooms_into_timesteps(large: Tab) -> None:
    canvas = panel(large, "gru", 2)
    box = canvas.bounding_box()
    assert box is not None
    width = paint(canvas).shape[1]

    def x(timestep: float) -> float:
        return float(box["x"] + 1 + INSET + timestep / 23 * (width - 2 * INSET))

    large.page.mouse.move(x(5.2), box["y"] + 50)
    large.page.mouse.down()
    large.page.mouse.move(x(14.1), box["y"] + 90, steps=4)
    large.page.mouse.up()
    settled(large, 1, first=5, last=14)
    # The axis fits what is in sight.
    curves = [array[:, 2] for array in gradients("gru")]
    axis = Axis([curve[5:15] for curve in curves], "linear")
    shown = [np.where((np.arange(24) >= 5) & (np.arange(24) <= 14), curve, np.nan) for curve in curves]
    expect_curves(canvas, shown, axis, (5, 14))
    assert large.choices["zoom"] == "5,14"
    large.button("All timesteps").click()
    settled(large, 1, first=0, last=23)


def test_keys_read_and_zoom_in_the_large_chart(large: Tab) -> None:
    press = large.page.keyboard.press
    large.page.mouse.move(5, 5)
    press("ArrowRight")
    expect(large.readout).to_contain_text("gru sample 0, channel 2, t = 0:")
    for _ in range(12):
        press("ArrowRight")
    press("ArrowDown")
    expect(large.readout).to_contain_text("gru sample 1, channel 2, t = 12:")
    value = float(data.gradient("gru", 30)[1, 12, 2])
    read = re.search(r"t = 12: (\S+)", large.readout.inner_text().replace("−", "-"))
    assert read is not None
    assert float(read[1]) == pytest.approx(value, rel=1e-4)
    assert "step" not in large.choices
    press("+")
    settled(large, 1, first=6, last=18)
    press("0")
    settled(large, 1, first=0, last=23)


def test_address_brings_the_large_chart_back(large: Tab, context: BrowserContext, nets_board: TensorBoard) -> None:
    large.page.keyboard.press("+")
    expect(panel(large, "gru", 2)).not_to_have_attribute("data-last", "23")
    other = Tab.on(context, nets_board.port)
    other.page.goto(large.page.url)
    settled(other, 1, run="gru", item=2)
    assert paint(panel(other, "gru", 2)).tobytes() == paint(panel(large, "gru", 2)).tobytes()
    assert other.choices == large.choices
    assert other.errors == []
    other.page.close()
