"""Values in numbers: under the pointer, and by the keyboard."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser import data
from tests.browser.tab import Tab

pytestmark = pytest.mark.browser


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def value_in(text: str) -> float:
    """The number after the last colon of the first sentence: that of the cell itself."""
    found = re.search(r": (−?(?:[\d.]+(?:e[−-]?\d+)?|NaN|Inf))", text)
    assert found is not None, text
    return number(found[1])


@pytest.mark.parametrize(("sample", "channel", "timestep"), [(0, 0, 0), (0, 7, 19), (1, 3, 11), (1, 6, 6), (0, 2, 3)])
def test_pointing_reads_the_exact_value(tab: Tab, sample: int, channel: int, timestep: int) -> None:
    tab.settled(4)
    tab.point(tab.heatmap("lstm", sample), timestep, channel)
    direction = "forward" if channel < 4 else "backward"
    expect(tab.readout).to_contain_text(f"lstm sample {sample}, channel {channel} ({direction}), t = {timestep}:")
    expected = data.gradient("lstm", 30)[sample, timestep, channel]
    text = tab.readout.inner_text()
    if np.isfinite(expected):
        assert value_in(text) == pytest.approx(float(expected), rel=1e-4, abs=0)
    else:
        assert value_in(text) == expected
    # The same cell of the other run, where it has one: it has 6 channels.
    if channel < 6:
        beside = re.search(r"gru (−?[\d.e−-]+)", text)
        assert beside is not None, text
        other = float(data.gradient("gru", 30)[sample, timestep, channel])
        assert number(beside[1]) == pytest.approx(other, rel=1e-4, abs=0)
    else:
        assert "gru has no such cell" in text


def test_not_a_number_is_read_as_such(tab: Tab) -> None:
    tab.settled(4)
    tab.point(tab.heatmap("lstm", 1), 4, 1)
    expect(tab.readout).to_contain_text("t = 4: NaN")


def test_reflected_half_is_read_in_input_time(tab: Tab) -> None:
    tab.choose(reflect="on", runs="lstm")
    tab.settled(2, reflected="true")
    tab.point(tab.heatmap("lstm"), 2, 5)
    expect(tab.readout).to_contain_text("channel 5 (backward), t = 17:")
    expected = float(data.gradient("lstm", 30)[0, 17, 5])
    assert value_in(tab.readout.inner_text()) == pytest.approx(expected, rel=1e-4)


def test_matrix_is_read_by_gate_and_unit(tab: Tab) -> None:
    tab.choose(quantity="weights", runs="lstm")
    tab.settled(6, quantity="weights")
    tab.point(tab.heatmap("lstm", "backward/recurrent_kernel"), 9, 2)
    expect(tab.readout).to_contain_text("backward/recurrent_kernel, row 2, cell gate, unit 1:")
    expected = float(data.matrices("lstm", 30)["backward"]["recurrent_kernel"][2, 9])
    assert value_in(tab.readout.inner_text()) == pytest.approx(expected, rel=1e-4)


def test_every_cell_lies_where_it_is_pointed_at(tab: Tab) -> None:
    """Also where a cell is no whole number of pixels wide: its first and its last pixel are its own."""
    tab.choose(runs="gru", samples="0")
    canvas = tab.settled(1)
    box = canvas.bounding_box()
    assert box is not None
    cell = box["width"] / 24
    for timestep in (0, 7, 16, 23):
        for offset in (0.08, 0.92):
            tab.page.mouse.move(box["x"] + (timestep + offset) * cell, box["y"] + 1)
            expect(tab.readout).to_contain_text(f"channel 0, t = {timestep}:")


def test_keys_move_the_crosshair_within_a_drawing(tab: Tab) -> None:
    tab.settled(4)
    tab.heatmap("lstm").focus()
    tab.page.keyboard.press("Escape")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowUp"):
        tab.page.keyboard.press(key)
    # The first key puts the crosshair on the first cell.
    expect(tab.readout).to_contain_text("lstm sample 0, channel 2 (forward), t = 0:")
    expected = float(data.gradient("lstm", 30)[0, 0, 2])
    assert value_in(tab.readout.inner_text()) == pytest.approx(expected, rel=1e-4)
    assert "step" not in tab.choices
    tab.page.keyboard.press("Escape")
    expect(tab.readout).to_contain_text("Point at a cell")
