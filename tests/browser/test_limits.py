"""Where the colours end: of all panels, a run's, each its own, from 0 to 1, or as typed."""

import dataclasses

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser import data
from tests.browser.colours import Colouring, Floats
from tests.browser.tab import Tab

pytestmark = pytest.mark.browser

RUNS = ("lstm", "gru")


def arrays() -> dict[tuple[str, int], Floats]:
    return {(run, i): data.activation(run, 30)[i] for run in RUNS for i in (0, 1)}


def magnitudes(array: Floats) -> Floats:
    return np.abs(array)


def test_one_for_each_run(tab: Tab) -> None:
    tab.choose(quantity="output_gradient", limits="run", scale="symlog")
    tab.settled(4)
    for run in RUNS:
        own = [data.gradient(run, 30)[i] for i in (0, 1)]
        colouring = Colouring.over(own, "symlog", "vik")
        for sample, array in enumerate(own):
            assert colouring.wrong(tab.pixels(tab.heatmap(run, sample)), array.T) == 0


@pytest.mark.parametrize("map_", ["cividis", "bwr", "grey"])
def test_each_panel_from_0_to_1(tab: Tab, map_: str) -> None:
    tab.choose(quantity="activation", limits="unit", colours=map_)
    tab.settled(4, map=map_, scale="linear")
    for (run, sample), array in arrays().items():
        colouring = dataclasses.replace(Colouring.over([array], "linear", map_), range=True)
        assert colouring.wrong(tab.pixels(tab.heatmap(run, sample)), array.T) == 0
    expect(tab.frame.get_by_role("img", name=f"Colour bar, {map_} from 0 to 1, linear")).to_have_count(1)
    expect(tab.frame.get_by_label("Scale", exact=True)).to_have_count(0)


def test_each_panel_from_0_to_1_without_signs(tab: Tab) -> None:
    """As see-rnn's absolute, normalised, grey weight gradients."""
    tab.choose(quantity="activation", limits="unit", colours="grey", absolute="on")
    tab.settled(4, map="grey", absolute="true")
    for (run, sample), array in arrays().items():
        colouring = dataclasses.replace(Colouring.over([magnitudes(array)], "linear", "grey"), low=0.0, range=True)
        assert colouring.wrong(tab.pixels(tab.heatmap(run, sample)), magnitudes(array).T) == 0


@pytest.mark.parametrize("scale", ["symlog", "linear", "log"])
def test_typed_the_same_on_both_sides_of_zero(tab: Tab, scale: str) -> None:
    tab.choose(quantity="activation", scale=scale, colours="vik")
    tab.settled(4, scale=scale)
    tab.wait_until_all_is_fetched()
    tab.requests.clear()
    tab.select("Limits", "typed")
    tab.frame.get_by_label("Typed limits").fill("0.5")
    tab.settled(4, limit="0.5")
    for (run, sample), array in arrays().items():
        colouring = Colouring(scale, 6, "vik", 0.5, -0.5, 0.5)
        assert colouring.wrong(tab.pixels(tab.heatmap(run, sample)), np.clip(array, -0.5, 0.5).T) == 0
    assert tab.asked("arrays") == []
    assert tab.choices["typed"] == "0.5"


@pytest.mark.parametrize("map_", ["bwr", "cividis"])
def test_typed_as_a_range(tab: Tab, map_: str) -> None:
    tab.choose(quantity="activation", scale="linear", colours=map_, limits="typed", typed="-0.25 to 1")
    tab.settled(4, low="-0.25", high="1", map=map_)
    colouring = Colouring("linear", 6, map_, 1, -0.25, 1, range=True)
    for (run, sample), array in arrays().items():
        assert colouring.wrong(tab.pixels(tab.heatmap(run, sample)), array.T) == 0


def test_what_makes_no_sense_is_said_and_changes_nothing(tab: Tab) -> None:
    tab.choose(quantity="activation", scale="linear")
    limit = tab.settled(4, scale="linear").first.get_attribute("data-limit")
    tab.select("Limits", "typed")
    expect(tab.frame.get_by_text("Until then, those of the data.")).to_be_visible()
    tab.frame.get_by_label("Typed limits").fill("much")
    expect(tab.frame.get_by_text("Write one number, as 0.5")).to_be_visible()
    tab.settled(4, limit=limit)
