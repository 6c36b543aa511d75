"""What the histograms show, against counts of the logged numbers."""

import itertools
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Locator, expect

from tests.browser import accessibility, weight_data
from tests.browser.colours import Colouring
from tests.browser.tab import Tab, switch_theme
from tests.serving import TensorBoard

pytestmark = pytest.mark.browser

Values = npt.NDArray[np.float64]
MATRICES = ("kernel", "recurrent_kernel", "bias")
GATES = weight_data.GATES["lstm"]
PANELS = 2 * 7 * 3 - 3 * 3  # gates of both cells in the forward group, those of the LSTM alone in the backward one


def values_of(quantity: str, run: str, step: int, direction: str, matrix: str, gate: str) -> Values:
    """The finite numbers of one gate."""
    logged = {"weights": weight_data.weights, "weight_gradients": weight_data.gradients}[quantity](run, step)
    gates = weight_data.GATES[run]
    block = np.split(logged[direction][matrix], len(gates), axis=-1)[gates.index(gate)].astype(float)
    finite: Values = block[np.isfinite(block)]
    return finite


@dataclass
class Drawn:
    """A histogram as it was drawn: edges along the axis, heights from 0 to 100."""

    edges: Values
    heights: Values


def parsed(path: str, axis: dict[str, Any]) -> Drawn:
    start = re.match(r"M(\S+) (\S+?)V", path)
    assert start is not None, path
    base = float(start[2])
    steps = re.findall(r"V([-\d.]+)H([-\d.]+)", path)
    low, high = float(axis["low"]), float(axis["high"])
    xs = np.array([float(start[1]), *(float(x) for _, x in steps)])
    return Drawn(low + xs / 1000 * (high - low), base - np.array([float(y) for y, _ in steps]))


def attributes(drawing: Locator) -> dict[str, Any]:
    found: dict[str, Any] = drawing.evaluate("e => ({...e.dataset})")
    return found


def paths(drawing: Locator) -> list[dict[str, str]]:
    found: list[dict[str, str]] = drawing.evaluate(
        "e => [...e.querySelectorAll('path')].map((p) => ({...p.dataset, d: p.getAttribute('d')}))"
    )
    return found


def histograms(tab: Tab, count: int, kind: str = "histogram") -> list[Locator]:
    drawings = tab.frame.get_by_role("img", name=re.compile(f": {kind};"))
    expect(drawings).to_have_count(count)
    expect(tab.frame.get_by_text("Loading")).to_have_count(0)
    return drawings.all()


def exact(edges: Values) -> Values:
    """Edges as written to a hundredth of a thousandth of the axis, moved to the multiples of powers of two they are."""
    width = 2.0 ** round(math.log2(float(np.diff(edges).min())))
    return np.round(edges / width) * width


def is_one_value(drawn: Drawn, values: Values) -> bool:
    """Values that are all equal are one bar, narrower than a path is written; it is cut off at the top."""
    if drawn.edges[0] != drawn.edges[-1]:
        return False
    assert np.ptp(values) == 0
    assert drawn.edges[0] == pytest.approx(values[0], abs=1e-4)
    return True


def shares(values: Values, edges: Values) -> Values:
    counts = [((values >= low) & (values < high)).sum() for low, high in itertools.pairwise(edges)]
    assert sum(counts) == len(values)
    return np.array(counts) / len(values)


def limit_of(densities: list[Values], *, clipping: bool = True) -> float:
    """Where bars are cut off: at the third tallest, of a histogram whose tallest is more than half as tall again."""

    def own(tallest: list[float]) -> float:
        third = tallest[2] if len(tallest) > 2 else 0.0
        return third if clipping and tallest[0] > 1.5 * third else tallest[0]

    found = max(own(sorted(density, reverse=True)) for density in densities)
    return found or max(float(density.max()) for density in densities)


def expect_heights(drawn: Drawn, density: Values, limit: float) -> None:
    wanted = np.where(density > limit * (1 + 1e-9), 100, density / limit * 90)
    np.testing.assert_allclose(drawn.heights, wanted, atol=0.02)


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


def panel(tab: Tab, name: str) -> Locator:
    return tab.frame.get_by_role("img", name=re.compile(re.escape(name)))


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
