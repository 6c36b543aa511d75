"""Channels pinned from a heatmap are those that Curves shows."""

import pytest
from playwright.sync_api import expect

from tests.browser import accessibility
from tests.browser.tab import Tab

# Nothing here depends on how TensorBoard loaded the data.
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("loader", ["rust"], indirect=True)]


def pins(tab: Tab) -> list[str]:
    return tab.frame.get_by_role("group", name="Pinned to Curves").locator(".pins button").all_inner_texts()


def click(tab: Tab, run: str, x: int, y: int) -> None:
    tab.point(tab.heatmap(run), x, y)
    tab.page.mouse.down()
    tab.page.mouse.up()


def test_a_click_pins_the_channel_and_another_takes_it_off(tab: Tab) -> None:
    tab.settled(4)
    click(tab, "lstm", 3, 6)
    click(tab, "gru", 8, 2)
    click(tab, "gru", 9, 3)
    expect(tab.button("Unpin channel 6")).to_be_visible()
    assert [text.split()[0] for text in pins(tab)] == ["2", "3", "6"]
    assert tab.choices["channels"] == "2-3, 6"
    click(tab, "lstm", 12, 3)
    expect(tab.button("Unpin channel 3")).to_have_count(0)
    tab.button("Unpin channel 2").click()
    assert tab.choices["channels"] == "6"
    # It was no drag: nothing was zoomed.
    assert "region" not in tab.choices
    assert accessibility.violations(tab) == []


def test_enter_pins_and_the_link_leads_to_curves(tab: Tab) -> None:
    tab.settled(4)
    tab.heatmap("lstm").focus()
    for key in (
        "Escape",
        "ArrowRight",
        "ArrowDown",
        "ArrowDown",
        "Enter",
        "ArrowDown",
        "ArrowDown",
        "ArrowDown",
        "Enter",
    ):
        tab.page.keyboard.press(key)
    assert [text.split()[0] for text in pins(tab)] == ["2", "5"]
    tab.button("Open Curves").click()
    expect(tab.frame.get_by_role("tab", name="Curves")).to_have_attribute("aria-selected", "true")
    expect(tab.frame.get_by_label("Channels", exact=True)).to_have_value("2, 5")
    panels = tab.frame.locator("canvas.curves[data-run=lstm]")
    expect(panels).to_have_count(2)
    assert [panel.get_attribute("data-item") for panel in panels.all()] == ["2", "5"]


def test_a_sorted_row_pins_its_own_channel(tab: Tab) -> None:
    tab.choose(sort="magnitude", runs="gru")
    tab.settled(2, order="magnitude")
    tab.point(tab.heatmap("gru"), 4, 0)
    channel = tab.readout.inner_text().split("channel ")[1].split(",")[0]
    tab.page.mouse.down()
    tab.page.mouse.up()
    expect(tab.button(f"Unpin channel {channel}")).to_be_visible()


def test_all_are_taken_off_at_once(tab: Tab) -> None:
    tab.choose(channels="0-4")
    tab.settled(4)
    assert len(pins(tab)) == 5
    assert tab.frame.locator(".pin-marks i").count() == 4 * 5
    tab.button("unpin all").click()
    expect(tab.frame.get_by_text("none: click a cell")).to_be_visible()
    assert "channels" not in tab.choices
