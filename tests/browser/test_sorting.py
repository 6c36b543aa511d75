"""Channels in order: what is drawn, how it is labelled and read."""

import math
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser import data
from tests.browser.colours import Colouring, Floats
from tests.browser.tab import Tab

pytestmark = pytest.mark.browser


def mean_magnitude(channel: Floats) -> float:
    finite = [abs(value) for value in channel.tolist() if math.isfinite(value)]
    return math.fsum(finite) / len(finite)


def first_active(channel: Floats) -> int:
    magnitudes = [abs(value) if math.isfinite(value) else 0 for value in channel.tolist()]
    return next(t for t, value in enumerate(magnitudes) if value >= max(magnitudes) / 100)


MEASURES = {"magnitude": lambda channel: -mean_magnitude(channel), "first_active": first_active}


def order_of(array: Floats, by: str, split: int | None) -> list[int]:
    """Each direction by itself; equal ones by their numbers."""
    halves = [range(array.shape[1])] if split is None else [range(split), range(split, array.shape[1])]
    return [channel for half in halves for channel in sorted(half, key=lambda one: MEASURES[by](array[:, one]))]


def labels(tab: Tab, run: str, sample: int = 0) -> list[int]:
    """The numbers beside a drawing, from the top."""
    ticks = tab.heatmap(run, sample).locator("xpath=ancestor::div[contains(@class, 'axes')]").locator(".ticks.down")
    return [int(found) for found in ticks.locator("span").all_inner_texts()]


@pytest.mark.parametrize("by", MEASURES)
@pytest.mark.parametrize("reflect", ["off", "on"])
def test_rows_stand_in_the_order_of_each_runs_first_sample(tab: Tab, by: str, reflect: str) -> None:
    tab.choose(sort=by, scale="symlog", reflect=reflect)
    tab.settled(4, order=by)
    arrays = {(run, i): data.gradient(run, 30)[i] for run in ("lstm", "gru") for i in (0, 1)}
    colouring = Colouring.over(list(arrays.values()), "symlog", "vik")
    for (run, sample), array in arrays.items():
        split = 4 if run == "lstm" else None
        order = order_of(data.gradient(run, 30)[0], by, split)
        assert order != sorted(order)
        seen = array if split is None or reflect == "off" else np.concatenate([array[:, :4], array[::-1, 4:]], axis=1)
        assert colouring.wrong(tab.pixels(tab.heatmap(run, sample)), seen[:, order].T) == 0, (run, sample)


def test_labels_and_readout_keep_the_channels_own_numbers(tab: Tab) -> None:
    tab.choose(sort="magnitude", runs="gru", samples="0,1", quantity="activation", region="0,23,0,3")
    tab.settled(2, order="magnitude")
    order = order_of(data.activation("gru", 30)[0], "magnitude", None)
    assert labels(tab, "gru") == order[:4]
    tab.point(tab.heatmap("gru", 1), 7, 2)
    expect(tab.readout).to_contain_text(f"sample 1, channel {order[2]}, t = 7:")
    value = float(data.activation("gru", 30)[1, 7, order[2]])
    read = re.search(r": (−?[\d.e−-]+)", tab.readout.inner_text())
    assert read is not None
    assert float(read[1].replace("−", "-")) == pytest.approx(value, rel=1e-4)


def test_the_first_sample_shown_gives_the_order(tab: Tab) -> None:
    tab.choose(sort="magnitude", runs="gru", samples="0,1", quantity="activation")
    tab.settled(2, order="magnitude")
    tab.box("Sample 0").uncheck()
    canvas = tab.settled(1, order="magnitude")
    array = data.activation("gru", 30)[1]
    order = order_of(array, "magnitude", None)
    assert order != order_of(data.activation("gru", 30)[0], "magnitude", None)
    colouring = Colouring.over([array], "linear", "vik")
    assert colouring.wrong(tab.pixels(canvas), array[:, order].T) == 0


def test_like_stands_by_like_and_back_by_number(tab: Tab) -> None:
    tab.choose(runs="gru", samples="0")
    tab.settled(1)
    tab.select("Sort channels", "similarity")
    canvas = tab.settled(1, order="similarity")
    pixels = tab.pixels(canvas)
    expect(tab.frame.get_by_text("Channels by similarity (down) by timesteps (right)")).to_be_visible()
    tab.select("Sort channels", "number")
    tab.settled(1)
    expect(tab.heatmaps.first).not_to_have_attribute("data-order", re.compile("."))
    plain = tab.pixels(tab.heatmap("gru"))
    # The same rows, otherwise placed.
    assert sorted(row.tobytes() for row in pixels) == sorted(row.tobytes() for row in plain)
    assert tab.choices.get("sort") is None


def test_two_steps_of_a_run_have_one_order(tab: Tab) -> None:
    tab.choose(runs="gru", samples="0", quantity="activation", sort="magnitude", step="30", earlier="12")
    tab.settled(2, order="magnitude")
    order = order_of(data.activation("gru", 30)[0], "magnitude", None)
    arrays = {step: data.activation("gru", step)[0] for step in (12, 30)}
    colouring = Colouring.over(list(arrays.values()), "linear", "vik")
    for step, array in arrays.items():
        canvas = tab.heatmaps.and_(tab.frame.locator(f"[data-step='{step}']"))
        assert colouring.wrong(tab.pixels(canvas), array[:, order].T) == 0, step
