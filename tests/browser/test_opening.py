import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.tab import FRAME, Tab
from tests.serving import TensorBoard

pytestmark = pytest.mark.browser


def test_overview_and_heatmap_are_drawn_with_no_click_beyond_their_tabs(
    browser: Browser, nets_board: TensorBoard
) -> None:
    # One that remembers nothing of what other tests chose.
    tab = Tab.on(browser.new_context(viewport={"width": 1400, "height": 900}), nets_board.port)
    tab.page.goto(tab.url)
    tab.page.get_by_role("tab", name="RNN").click()
    expect(tab.frame.get_by_role("tab", name="Overview")).to_have_attribute("aria-selected", "true")
    maps = tab.frame.get_by_role("img", name="encoder/bilstm output gradient, forward: norm at")
    expect(maps).to_have_count(2)
    assert len({bytes(colour) for row in tab.pixels(maps.first) for colour in row}) > 20
    expect(tab.frame.get_by_role("row", name="lstm / encoder/bilstm")).to_be_visible()
    tab.frame.get_by_role("tab", name="Heatmap").click()
    first = tab.heatmap("lstm")
    expect(first).to_have_attribute("data-quantity", "output_gradient")
    expect(first).to_have_attribute("data-layer", "encoder/bilstm")
    expect(first).to_have_attribute("data-step", "30")
    expect(first).to_have_attribute("data-stale", "false")
    pixels = tab.pixels(first)
    assert len({bytes(colour) for row in pixels for colour in row}) > 20
    expect(tab.frame.get_by_role("tab", name="Heatmap")).to_have_attribute("aria-selected", "true")
    assert tab.errors == []
    assert {urlsplit(url).netloc for url in tab.requests if not url.startswith(("data:", "blob:"))} == {
        f"127.0.0.1:{nets_board.port}"
    }
    tab.page.context.close()


def test_panel_says_what_it_shows(tab: Tab) -> None:
    tab.settled(4)
    expect(tab.heatmap("lstm", 1)).to_have_accessible_name(
        re.compile(
            r"^lstm, step 30, encoder/bilstm output gradient, sample 1: channels by timesteps, "
            r"from −.* to .*, 1 NaN, 2 Inf$"
        )
    )
    expect(tab.frame.get_by_text("1 NaN, 2 Inf")).to_be_visible()
    assert tab.page.locator(FRAME).count() == 1
