"""What the histograms of one step show, against counts of the logged numbers."""

import itertools
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser import accessibility, weight_data
from tests.browser.histograms_page import (
    MATRICES,
    PANELS,
    Drawn,
    Values,
    attributes,
    exact,
    expect_heights,
    histograms,
    is_one_value,
    limit_of,
    panel,
    parsed,
    paths,
    shares,
    values_of,
)
from tests.browser.tab import Tab, switch_theme

pytestmark = pytest.mark.browser

GATES = weight_data.GATES["lstm"]


def test_every_bar_is_as_high_as_the_values_in_it(weights: Tab) -> None:
    weights.choose(view="histograms", quantity="weights")
    found: dict[str, list[tuple[Drawn, Values, float]]] = {matrix: [] for matrix in MATRICES}
    seen = set()
    for drawing in histograms(weights, PANELS):
        axis = attributes(drawing)
        for path in paths(drawing):
            drawn = parsed(path["d"], axis)
            place = (path["run"], int(path["step"]), axis["direction"], axis["matrix"], axis["gate"])
            values = values_of("weights", *place)
            seen.add(place)
            if is_one_value(drawn, values):
                assert drawn.heights.max() == 100
                continue
            edges = exact(drawn.edges)
            np.testing.assert_allclose(drawn.edges, edges, atol=(float(axis["high"]) - float(axis["low"])) * 1e-5)
            density = shares(values, edges) / np.diff(edges)
            found[axis["matrix"]].append((drawn, density, float(axis["limit"])))
    assert seen == {
        (run, 30, direction, matrix, gate)
        for run, gates in weight_data.GATES.items()
        for direction in weight_data.DIRECTIONS[run]
        for matrix in MATRICES
        for gate in gates
    }
    for of_matrix in found.values():
        limit = limit_of([density for _, density, _ in of_matrix])
        for drawn, density, written in of_matrix:
            assert written == pytest.approx(limit, rel=1e-9)
            expect_heights(drawn, density, limit)


def test_gradients_are_counted_by_octave(weights: Tab) -> None:
    weights.choose(view="histograms", quantity="weight_gradients", runs="lstm", equal="none", clip="off")
    for drawing in histograms(weights, 24):
        axis = attributes(drawing)
        (path,) = paths(drawing)
        values = values_of("weight_gradients", "lstm", 30, axis["direction"], axis["matrix"], axis["gate"])
        exponents = np.floor(np.log2(np.abs(values[values != 0]))).astype(int)
        floor = max(exponents.min(), exponents.max() + 1 - 20)  # six decades are twenty octaves
        assert (axis["kind"], int(axis["floor"])) == ("symlog", floor)
        places = np.zeros_like(values)
        large = np.abs(values) >= 2.0**floor
        # The middle of the octave's bar, of which the first begins at 1.
        places[large] = np.sign(values[large]) * (np.floor(np.log2(np.abs(values[large]))) - floor + 1.5)
        drawn = parsed(path["d"], axis)
        edges = np.round(drawn.edges)
        density = shares(places, edges) / np.diff(edges)
        assert float(axis["limit"]) == pytest.approx(density.max(), rel=1e-9)
        expect_heights(drawn, density, density.max())


def test_one_histogram_for_each_direction_of_a_sequence(weights: Tab) -> None:
    weights.choose(view="histograms", quantity="activation", runs="lstm", scale="linear", clip="off")
    activation = weight_data.activation("lstm", 30).astype(float)
    for drawing, direction in zip(histograms(weights, 2), ("forward", "backward"), strict=True):
        axis = attributes(drawing)
        assert axis["direction"] == direction
        drawn = parsed(paths(drawing)[0]["d"], axis)
        half = activation[:, :, :8] if direction == "forward" else activation[:, :, 8:]
        edges = exact(drawn.edges)
        expect_heights(drawn, shares(half.ravel(), edges) / np.diff(edges), float(axis["limit"]))


def test_what_is_not_finite_is_marked_at_its_gate(weights: Tab) -> None:
    weights.choose(view="histograms", quantity="weights", runs="lstm")
    histograms(weights, 24)
    badge = weights.frame.get_by_text("3 NaN, 1 Inf of 40 (10%)")
    expect(badge).to_have_count(1)
    drawing = panel(weights, "forward kernel, forget gate: histogram")
    expect(drawing).to_have_attribute("aria-label", re.compile(r"3 NaN, 1 Inf of 40 \(10%\)$"))
    at, box = badge.bounding_box(), drawing.bounding_box()
    assert at is not None
    assert box is not None
    assert box["x"] <= at["x"] <= box["x"] + box["width"]
    assert abs(at["y"] - box["y"]) < 24
    # A step before it all was well.
    weights.choose(view="histograms", quantity="weights", runs="lstm", step="20")
    expect(badge).to_have_count(0)


def test_peaks_are_cut_off_with_their_share_on_them(weights: Tab) -> None:
    weights.choose(view="histograms", quantity="weights", runs="lstm", equal="none")
    histograms(weights, 24)
    # All eight biases of the input gate are 1.
    bias = weights.frame.locator("figure").filter(has=panel(weights, "forward bias, input gate"))
    assert bias.get_by_text("100%").count() == 0  # it alone has no other bars to make room for
    weights.choose(view="histograms", quantity="weights", runs="lstm")
    expect(bias.get_by_text("100%")).to_be_visible()
    weights.box("clip tall peaks").uncheck()
    expect(bias.get_by_text("100%")).to_have_count(0)
    assert weights.choices["clip"] == "off"


def test_bar_that_is_pointed_at_is_read(weights: Tab) -> None:
    weights.choose(view="histograms", quantity="weights", runs="gru")
    histograms(weights, 9)
    drawing = panel(weights, "forward recurrent kernel, reset gate")
    axis = attributes(drawing)
    drawn = parsed(paths(drawing)[0]["d"], axis)
    edges = exact(drawn.edges)
    values = values_of("weights", "gru", 30, "forward", "recurrent_kernel", "reset")
    counts = [int(((values >= low) & (values < high)).sum()) for low, high in itertools.pairwise(edges)]
    tallest = int(np.argmax(counts))
    middle = (edges[tallest] + edges[tallest + 1]) / 2
    box = drawing.bounding_box()
    assert box is not None
    low, high = float(axis["low"]), float(axis["high"])
    weights.page.mouse.move(box["x"] + (middle - low) / (high - low) * box["width"], box["y"] + box["height"] / 2)
    expect(weights.readout).to_contain_text("forward recurrent kernel, reset gate")
    expect(weights.readout).to_contain_text(f"gru, step 30: {counts[tallest]} of 64 values")
    # The keyboard does the same.
    weights.page.mouse.move(5, 5)
    drawing.focus()
    drawing.press("ArrowRight")
    expect(weights.readout).to_contain_text(f"gru, step 30: {counts[0]} of 64 values")
    drawing.press("ArrowRight")
    expect(weights.readout).to_contain_text(f"gru, step 30: {counts[1]} of 64 values")
    assert "step" not in weights.choices


def test_controls_are_in_the_address_and_ask_for_no_arrays(weights: Tab) -> None:
    weights.choose(view="histograms", quantity="weights")
    histograms(weights, PANELS)
    for unneeded in ("Samples", "Colours"):
        expect(weights.frame.get_by_label(unneeded, exact=True)).to_have_count(0)
    weights.select("Show", "map")
    histograms(weights, 24 + 9, "values by steps")
    weights.select("Equal axes", "none")
    weights.select("Scale", "log")
    expect(weights.frame.locator("canvas[data-kind=log]")).to_have_count(24 + 9)
    wanted = {"view": "histograms", "quantity": "weights", "over": "map", "equal": "none", "scale": "log"}
    assert weights.choices == wanted
    assert weights.asked("arrays") == []


def test_steps_are_gone_through_with_the_keys(weights: Tab) -> None:
    weights.choose(view="histograms", quantity="weights", runs="lstm")
    histograms(weights, 24)
    weights.frame.locator("body").press("ArrowLeft")
    expect(panel(weights, "forward kernel, cell gate: histogram; lstm, step 20")).to_have_count(1)
    assert weights.choices["step"] == "20"


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (weight_data.CONVOLUTION, ["forward kernel", "forward bias"]),
        (
            weight_data.PROJECTED,
            [
                *(f"forward {matrix}, {gate} gate" for gate in GATES for matrix in ("kernel", "recurrent kernel")),
                "forward projection kernel",
            ],
        ),
    ],
    ids=["no gates", "some gates"],
)
def test_matrices_without_gates(weights: Tab, layer: str, names: list[str]) -> None:
    weights.choose(view="histograms", quantity="weights", layer=layer)
    found = [str(drawing.get_attribute("aria-label")) for drawing in histograms(weights, len(names))]
    assert [re.sub(r".* weights, (.*): histogram;.*", r"\1", name) for name in found] == names


def test_nothing_of_the_quantity_says_so(weights: Tab) -> None:
    weights.choose(view="histograms", layer=weight_data.NO_WEIGHTS, quantity="activation")
    histograms(weights, 1)
    expect(weights.frame.get_by_text("gru has no layer readout.")).to_be_visible()


@pytest.mark.parametrize("over", ["step", "ridges", "map"])
@pytest.mark.parametrize("width", [900, 2560])
def test_all_is_on_one_page_at_any_width(weights: Tab, width: int, over: str) -> None:
    weights.page.set_viewport_size({"width": width, "height": 900})
    weights.choose(view="histograms", quantity="weights", over=over)
    kind = {"step": "histogram", "ridges": "ridgeline over steps", "map": "values by steps"}[over]
    drawings = histograms(weights, PANELS if over == "step" else 24 + 9, kind)
    panel_box = weights.frame.get_by_role("tabpanel").bounding_box()
    assert panel_box is not None
    for drawing in drawings:
        box = drawing.bounding_box()
        assert box is not None
        assert box["width"] >= 90
        assert box["height"] >= 50
        assert box["x"] >= panel_box["x"]
        assert box["x"] + box["width"] <= panel_box["x"] + panel_box["width"]
    view = weights.frame.locator(".view")
    assert view.evaluate("e => e.scrollWidth <= e.clientWidth")


@pytest.mark.parametrize("loader", ["rust"], indirect=True)
def test_axe_finds_nothing_in_either_theme(weights: Tab) -> None:
    for theme in ("Dark", "Light"):
        switch_theme(weights, theme)
        for over, count, kind in (
            ("step", PANELS, "histogram"),
            ("ridges", 33, "ridgeline over steps"),
            ("map", 33, "values by steps"),
        ):
            weights.choose(view="histograms", quantity="weights", over=over)
            histograms(weights, count, kind)
            assert accessibility.violations(weights) == [], (theme, over)
