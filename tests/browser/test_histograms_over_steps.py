"""What the histograms of all steps show, as ridgelines and as density maps, against counts of the logged numbers."""

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from tests.browser import weight_data
from tests.browser.colours import Colouring
from tests.browser.histograms_page import (
    Values,
    attributes,
    exact,
    histograms,
    is_one_value,
    parsed,
    paths,
    shares,
    values_of,
)
from tests.browser.tab import Tab
from tests.serving import TensorBoard

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("equal", "different"), [("runs", 1), ("directions", 2), ("direction", 3), ("none", 11)])
def test_equal_axes(weights: Tab, equal: str, different: int) -> None:
    weights.choose(view="histograms", quantity="weights", over="ridges", equal=equal)
    found = [attributes(drawing) for drawing in histograms(weights, 33, "ridgeline over steps")]
    ours = [one for one in found if one["matrix"] == "recurrent_kernel"]
    assert len({(one["low"], one["high"], one["limit"]) for one in ours}) == different


def test_ridgeline_has_every_step(weights: Tab) -> None:
    weights.choose(view="histograms", quantity="weights", runs="gru", over="ridges")
    for drawing in histograms(weights, 9, "ridgeline over steps"):
        axis = attributes(drawing)
        ridges = paths(drawing)
        assert [int(path["step"]) for path in ridges] == [0, 12, 20, 30]
        grounds = []
        for path in ridges:
            drawn = parsed(path["d"], axis)
            grounds.append(float(path["d"].split("V")[0].split(" ")[1]))
            values = values_of("weights", "gru", int(path["step"]), "forward", axis["matrix"], axis["gate"])
            if is_one_value(drawn, values):
                continue
            edges = exact(drawn.edges)
            density = shares(values, edges) / np.diff(edges)
            limit = float(axis["limit"])
            wanted = np.where(density > limit * (1 + 1e-9), 22, density / limit * 0.92 * 22)
            np.testing.assert_allclose(drawn.heights, wanted, atol=0.02)
        np.testing.assert_allclose(grounds, [22, 48, 74, 100], atol=0.02)


def test_density_map_has_the_colours_of_the_shares(weights: Tab, weights_board: TensorBoard) -> None:
    weights.choose(view="histograms", quantity="weights", runs="gru", over="map")
    asked = {"run": "gru", "layer": weight_data.LAYER, "quantity": "weights", "field": "linear"}
    (answer,) = weights_board.get("statistics", **asked).json["statistics"]
    bins = {(block["matrix"], block["gate"]): block["linear"] for block in answer["blocks"]}
    tables: list[tuple[Locator, Values]] = []
    for drawing in histograms(weights, 9, "values by steps"):
        axis = attributes(drawing)
        edges = np.linspace(float(axis["low"]), float(axis["high"]), drawing.evaluate("e => e.height") + 1)
        columns = []
        for histogram in bins[axis["matrix"], axis["gate"]]:
            width = 2.0 ** histogram["exponent"]
            starts = (histogram["first_bin"] + np.arange(len(histogram["counts"]))) * width
            # The share of each bin that lies in each row.
            overlap = np.minimum(starts + width, edges[1:, None]) - np.maximum(starts, edges[:-1, None])
            counts = np.array(histogram["counts"])
            columns.append((np.clip(overlap, 0, None) / width) @ counts / counts.sum())
        tables.append((drawing, np.array(columns).T[::-1]))
    limit = max(float(table.max()) for _, table in tables)
    colouring = Colouring("log", 3, "vik", limit, 0, limit)
    for drawing, table in tables:
        pixels = weights.pixels(drawing)
        assert colouring.wrong(pixels, table) == 0
        assert colouring.wrong(pixels, table[::-1]) > 0


def test_click_on_a_map_looks_at_its_step(weights: Tab) -> None:
    weights.choose(view="histograms", quantity="weights", runs="gru", over="map")
    drawing = histograms(weights, 9, "values by steps")[0]
    box = drawing.bounding_box()
    assert box is not None
    weights.page.mouse.click(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2)
    assert weights.choices["step"] == "12"
    expect(weights.frame.get_by_role("slider", name="Step")).to_have_attribute("aria-valuetext", "step 12")
    # By the keyboard: to the first step, one on, and choose it.
    weights.page.mouse.move(5, 5)
    drawing.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "Enter"):
        drawing.press(key)
    expect(weights.frame.get_by_role("slider", name="Step")).to_have_attribute("aria-valuetext", "step 20")
