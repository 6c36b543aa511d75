"""Data that comes while the page is open, and data that TensorBoard's loader left out."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import data
from tests.browser.colours import Colouring
from tests.browser.tab import Tab
from tests.logs import floats
from tests.serving import TensorBoard

pytestmark = pytest.mark.browser


def test_steps_that_were_sampled_away_are_told(live: Tab, growing_board: TensorBoard) -> None:
    kept = growing_board.series("long", "tiny", "output_gradient")["array_steps"]
    assert len(kept) < 12
    live.choose(runs="long")
    live.settled(1, run="long", step=110)
    away = 12 - len(kept)
    note = f"arrays of {away} of 12 steps were sampled away by TensorBoard\u2019s loader; "
    note += "--samples_per_plugin=rnn_arrays=0 keeps all"
    expect(live.frame.get_by_text(note)).to_be_visible()
    gone = next(step for step in range(0, 120, 10) if step not in kept)
    live.choose(runs="long", step=str(gone))
    expect(live.frame.get_by_text(f"step {gone} has no arrays: showing")).to_be_visible()
    nearest = min(kept, key=lambda step: (abs(step - gone), step))
    live.settled(1, step=nearest)


def test_new_step_comes_without_reload(live: Tab, growing: Path) -> None:
    live.choose(runs="short,late")
    live.settled(1, run="short", step=10)
    live.page.evaluate("window.notReloaded = true")
    data.write_steps(growing / "short", range(20, 30, 10))
    canvas = live.settled(1, run="short", step=20)
    array = floats(20, 1, 8, 3)[0]
    assert Colouring.over([array], "symlog", "vik").wrong(live.pixels(canvas), array.T) == 0
    assert live.page.evaluate("window.notReloaded")
    # One that is looked at stays while another comes, and a run that begins only now.
    live.box("follow latest").uncheck()
    data.write_steps(growing / "short", range(30, 40, 10))
    data.write_steps(growing / "late", range(1))
    expect(live.frame.get_by_text("20 of 0…30")).to_be_visible()
    expect(live.heatmap("late")).to_have_attribute("data-step", "0")
    expect(live.heatmap("short")).to_have_attribute("data-step", "20")
    live.box("follow latest").check()
    expect(live.heatmap("short")).to_have_attribute("data-step", "30")


def test_other_tabs_come_and_go(live: Tab) -> None:
    live.choose(colours="bwr")
    expect(live.heatmap("long")).to_have_attribute("data-map", "bwr")
    live.page.get_by_role("tab", name="Scalars").click()
    expect(live.page.locator("iframe[src*='name=rnn']")).to_be_hidden()
    live.page.get_by_role("tab", name="RNN").click()
    expect(live.heatmap("long")).to_be_visible()
    expect(live.heatmap("long")).to_have_attribute("data-map", "bwr")
    assert live.choices == {"view": "heatmap", "colours": "bwr"}


def test_tensorboards_reload_button_reaches_us(live: Tab) -> None:
    """Pressed on another tab: while ours is hidden it asks for nothing of its own accord."""
    expect(live.heatmap("long")).to_be_visible()
    reload = live.page.get_by_role("button", name=re.compile("^Last Updated"))
    expect(reload).to_be_enabled()
    live.page.get_by_role("tab", name="Scalars").click()
    expect(live.page.locator("iframe[src*='name=rnn']")).to_be_hidden()
    with live.page.expect_request(re.compile("/data/plugin/rnn/index$")):
        reload.click()
    live.page.get_by_role("tab", name="RNN").click()
    expect(live.heatmap("long")).to_be_visible()
