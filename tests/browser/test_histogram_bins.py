"""Histograms in as many bins as are asked for, against numpy's of the logged numbers."""

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.histograms_page import PANELS, attributes, expect_heights, histograms, parsed, paths, values_of
from tests.browser.tab import Tab

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("bins", [10, 100])
def test_bins_that_are_asked_for_are_those_of_numpy(weights: Tab, bins: int) -> None:
    weights.choose(view="histograms", quantity="weights", clip="off")
    histograms(weights, PANELS)
    weights.frame.get_by_label("Bins", exact=True).fill(str(bins))
    weights.page.keyboard.press("Enter")
    expect(weights.frame.get_by_text(f"Each histogram has {bins} bins, counted from the arrays.")).to_be_visible()
    seen = 0
    for drawing in histograms(weights, PANELS):
        axis = attributes(drawing)
        for path in paths(drawing):
            place = (path["run"], int(path["step"]), axis["direction"], axis["matrix"], axis["gate"])
            counts, edges = np.histogram(values_of("weights", *place), bins)
            filled = np.flatnonzero(counts)
            first, last = filled[0], filled[-1] + 1
            drawn = parsed(path["d"], axis)
            accuracy = (float(axis["high"]) - float(axis["low"])) * 1.1e-5
            np.testing.assert_allclose(drawn.edges, edges[first : last + 1], atol=accuracy)
            density = counts[first:last] / counts.sum() / np.diff(edges)[first:last]
            expect_heights(drawn, density, float(axis["limit"]))
            seen += 1
    assert seen == 12 + 12 + 9
    assert weights.choices["bins"] == str(bins)
    # Emptied, they are those of the light summaries again.
    weights.frame.get_by_label("Bins", exact=True).fill("")
    weights.page.keyboard.press("Enter")
    expect(weights.frame.get_by_text(f"Each histogram has {bins} bins")).to_have_count(0)
    assert "bins" not in weights.choices


def test_bins_out_of_bounds_are_refused_and_other_scales_say_why_there_are_none(weights: Tab) -> None:
    weights.choose(view="histograms", quantity="weights")
    histograms(weights, PANELS)
    field = weights.frame.get_by_label("Bins", exact=True)
    field.fill("513")
    weights.page.keyboard.press("Enter")
    expect(weights.frame.get_by_text("A whole number from 10 to 512, or nothing for automatic.")).to_be_visible()
    assert "bins" not in weights.choices
    weights.select("Scale", "symlog")
    expect(field).to_be_disabled()
    expect(weights.frame.get_by_text("On this scale a bin is an octave")).to_be_visible()


def test_bins_of_steps_without_arrays_are_those_of_the_summary(live: Tab) -> None:
    (series,) = live.page.request.get(
        live.url + "data/plugin/rnn/series?run=long&layer=tiny&quantity=output_gradient"
    ).json()["series"]
    away = next(step for step in series["steps"] if step not in series["array_steps"])
    live.choose(view="histograms", runs="long", scale="linear", bins="12", step=str(away))
    sentence = f"There are no arrays of long at step {away}: the bins there are those of the light summary."
    expect(live.frame.get_by_text(sentence)).to_be_visible()
    histograms(live, 1)
    live.choose(view="histograms", runs="long", scale="linear", bins="12", step=str(series["array_steps"][-1]))
    expect(live.frame.get_by_text("Each histogram has 12 bins, counted from the arrays.")).to_be_visible()
