"""Runs and steps held against each other: doubled columns, differences, layers paired by hand."""

import re

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Locator, expect

from tests.browser import accessibility, pair_data
from tests.browser.colours import Colouring
from tests.browser.tab import Tab, switch_theme
from tests.browser.test_scatter import distribution, ends, expect_dots, expect_outline
from tests.serving import TensorBoard

pytestmark = pytest.mark.browser

Floats = npt.NDArray[np.float32]


def column(tab: Tab, run: str, sample: int = 0, *, moment: str = "now") -> Locator:
    return tab.heatmap(run, sample).and_(tab.frame.locator(f"canvas[data-moment='{moment}']"))


def difference(run: str, step: int, minus: str, minus_step: int) -> Floats:
    return pair_data.gradient(run, step) - pair_data.gradient(minus, minus_step)


def test_two_steps_stand_side_by_side(pairs: Tab) -> None:
    pairs.settled(4)
    pairs.select("Compare with step", "first")
    pairs.settled(8)
    arrays = [pair_data.gradient(run, step)[i] for run in ("first", "second") for step in (0, 20) for i in (0, 1)]
    colouring = Colouring.over([*arrays], "symlog", "vik")
    for run in ("first", "second"):
        for moment, step in (("earlier", 0), ("now", 20)):
            canvas = column(pairs, run, 1, moment=moment)
            expect(canvas).to_have_attribute("data-step", str(step))
            assert colouring.wrong(pairs.pixels(canvas), pair_data.gradient(run, step)[1].T) == 0
    headings = pairs.frame.locator(".run-heading").all_inner_texts()
    assert [heading.split() for heading in headings] == [
        [run, "step", str(step)] for run in ("first", "second") for step in (0, 20)
    ]
    assert pairs.choices["earlier"] == "first"
    pairs.select("Compare with step", "10")
    # The second run has step 12 only.
    expect(column(pairs, "second", moment="earlier")).to_have_attribute("data-step", "12")
    expect(column(pairs, "first", moment="earlier")).to_have_attribute("data-step", "10")
    expect(pairs.frame.get_by_text("step 12 (its nearest)")).to_be_visible()
    pairs.button("Previous step").click()
    expect(column(pairs, "second")).to_have_attribute("data-step", "12")
    expect(column(pairs, "second", moment="earlier")).to_have_attribute("data-step", "12")


def test_one_hover_for_both_steps(pairs: Tab) -> None:
    pairs.choose(runs="first", earlier="0", samples="0")
    pairs.settled(2)
    pairs.point(column(pairs, "first"), 7, 2)
    expect(pairs.frame.locator(".crosshair")).to_have_count(2)
    expect(pairs.readout).to_contain_text("first, step 20 sample 0, channel 2 (forward), t = 7")
    expect(pairs.readout).to_contain_text("first, step 0")
    text = pairs.readout.inner_text().replace("−", "-")
    found = [float(number) for number in re.findall(r"(-?\d[\d.]*(?:e-?\d+)?)$", text.replace("\n", " ").strip())]
    assert found == [pytest.approx(float(pair_data.gradient("first", 0)[0, 7, 2]), rel=1e-4)]


@pytest.mark.parametrize("scale", ["symlog", "linear"])
def test_difference_of_two_runs(pairs: Tab, scale: str) -> None:
    pairs.choose(runs="first,second", scale=scale)
    pairs.settled(4, scale=scale)
    chosen = pairs.frame.get_by_label("Difference", exact=True)
    assert chosen.locator("option").all_inner_texts() == ["none", "second − first", "first − second"]
    pairs.select("Difference", "run:second")
    pairs.settled(2, run="first", minus="second", scale=scale)
    wanted = difference("first", 20, "second", 20)
    colouring = Colouring.over([*wanted], scale, "vik")
    for sample in (0, 1):
        canvas = pairs.heatmap("first", sample)
        assert colouring.wrong(pairs.pixels(canvas), wanted[sample].T) == 0
        assert float(canvas.get_attribute("data-limit") or 0) == colouring.limit
    expect(pairs.heatmap("first", 1)).to_have_accessible_name(re.compile("^first − second, step 20, .* 1 NaN$"))
    pairs.button("Previous step").click()
    expect(pairs.frame.get_by_text("step 10 − step 12")).to_be_visible()
    before = difference("first", 10, "second", 12)
    canvas = pairs.settled(2, step=10, minus="second").first
    assert Colouring.over([*before], scale, "vik").wrong(pairs.pixels(canvas), before[0].T) == 0
    assert pairs.choices["minus"] == "run:second"


def test_difference_of_two_steps_of_each_run(pairs: Tab) -> None:
    pairs.choose(runs="first,second", earlier="first", minus="earlier")
    pairs.settled(4, step=20)
    wanted = {run: difference(run, 20, run, 0) for run in ("first", "second")}
    colouring = Colouring.over([array for both in wanted.values() for array in both], "symlog", "vik")
    for run, arrays in wanted.items():
        for sample in (0, 1):
            assert colouring.wrong(pairs.pixels(pairs.heatmap(run, sample)), arrays[sample].T) == 0
    expect(pairs.frame.get_by_text("step 20 − step 0")).to_have_count(2)
    # Without the other step there is no difference either.
    pairs.select("Compare with step", "")
    pairs.settled(4)
    assert "minus" not in pairs.choices


def test_step_taken_away_from_itself_is_said_to_be(pairs: Tab) -> None:
    """Else nothing but zeros would look like what was logged."""
    pairs.choose(runs="first,second", earlier="first", minus="earlier", step="0")
    pairs.settled(4, step=0)
    expect(pairs.frame.get_by_text("step 0 − step 0", exact=True)).to_have_count(2)


def test_run_that_is_taken_away_may_be_off_the_screen(pairs: Tab) -> None:
    pairs.choose(runs="first", minus="run:second")
    pairs.settled(2, run="first", step=20)
    chosen = pairs.frame.get_by_label("Difference", exact=True).locator("option:checked")
    expect(chosen).to_have_text("first − second, not possible here")
    pairs.box("second").check()
    pairs.settled(2, run="first", minus="second")
    expect(chosen).to_have_text("first − second")
    pairs.box("first").uncheck()
    pairs.settled(2, run="second")
    pairs.select("Difference", "")
    assert "minus" not in pairs.choices


def test_unequal_shapes_are_said_plainly(pairs: Tab) -> None:
    pairs.choose(runs="first,third", minus="run:first", samples="0")
    said = pairs.frame.get_by_text(
        "Only arrays of equal shape can be subtracted: third has 10 timesteps × 4 channels, "
        "first 12 timesteps × 6 channels."
    )
    expect(said).to_be_visible()
    expect(pairs.heatmaps).to_have_count(0)


def test_three_runs_are_held_against_one(pairs: Tab) -> None:
    pairs.choose(runs="first,second,third", samples="0", quantity="output_gradient")
    pairs.settled(3)
    options = pairs.frame.get_by_label("Difference", exact=True).locator("option").all_inner_texts()
    assert options == ["none", "each run − first", "each run − second", "each run − third"]


def test_curves_of_a_difference(pairs: Tab) -> None:
    pairs.choose(runs="first,second", view="curves", minus="run:second", samples="0")
    canvases = pairs.frame.locator("canvas.curves[data-run='first'][data-minus='second'][data-stale='false']")
    expect(canvases).to_have_count(6)
    wanted = difference("first", 20, "second", 20)[0]
    expect(canvases.nth(1)).to_have_attribute("data-limit", str(float(np.abs(wanted).max())))
    canvases.nth(3).click()
    expect(pairs.frame.get_by_role("heading", name="first − second, channel 3 (backward)")).to_be_visible()
    large = pairs.frame.locator("canvas.curves.large")
    large.press("ArrowRight")
    large.press("ArrowRight")
    expect(pairs.readout).to_contain_text("t = 1")
    read = re.search(r"t = 1: (\S+)", pairs.readout.inner_text().replace("−", "-"))
    assert read is not None
    assert float(read[1]) == pytest.approx(float(wanted[1, 3]), rel=1e-4)
    # The large chart is in the address.
    address = pairs.page.url
    pairs.choose(runs="first,second", view="curves")
    pairs.page.goto(address)
    expect(pairs.frame.get_by_role("heading", name="first − second, channel 3 (backward)")).to_be_visible()


def test_curves_at_two_steps(pairs: Tab) -> None:
    pairs.choose(runs="first", view="curves", earlier="10")
    expect(pairs.frame.locator("canvas.curves[data-moment='earlier'][data-step='10']")).to_have_count(6)
    expect(pairs.frame.locator("canvas.curves[data-moment='now'][data-step='20']")).to_have_count(6)


def test_weights_of_a_difference(pairs: Tab) -> None:
    pairs.choose(runs="first,second", view="weights", minus="run:first")
    pairs.settled(6, run="second", minus="first")
    wanted = {
        f"{direction}/{name}": np.atleast_2d(matrix - pair_data.weights("first", 20)[direction][name])
        for direction, matrices in pair_data.weights("second", 20).items()
        for name, matrix in matrices.items()
    }
    colouring = Colouring.over([*wanted.values()], "linear", "vik")
    for name, array in wanted.items():
        assert colouring.wrong(pairs.pixels(pairs.heatmap("second", name)), array) == 0, name
    # Norms are of each run, and stay.
    norms = pairs.frame.get_by_role("img", name=re.compile("L2 norm over steps")).first.locator("path.norm")
    assert norms.evaluate_all("all => all.map((path) => path.dataset.run)") == ["first", "second"]


def test_scatter_at_two_steps_and_of_a_difference(pairs: Tab) -> None:
    pairs.choose(runs="first,second", view="scatter", layer=pair_data.LAST, earlier="10")
    dots = pairs.frame.locator("canvas.dots[data-stale='false']")
    expect(dots).to_have_count(4)
    shown = [(run, step) for run, steps in (("first", (10, 20)), ("second", (12, 20))) for step in steps]
    low, high = ends([pair_data.last(run, step) for run, step in shown])
    for at, (run, step) in enumerate(shown):
        expect(dots.nth(at)).to_have_attribute("data-step", str(step))
        expect_dots(dots.nth(at), pair_data.last(run, step)[:, 0], low, high)
    expect(distribution(pairs, "first").last).to_have_accessible_name(
        "first: distribution of 12 values at step 20, against step 10"
    )
    expect_outline(distribution(pairs, "first").last, 10, pair_data.last("first", 10))

    pairs.choose(runs="first,second", view="scatter", layer=pair_data.LAST, minus="run:second")
    expect(dots).to_have_count(1)
    values = (pair_data.last("first", 20) - pair_data.last("second", 20))[:, 0]
    expect_dots(dots, values, *ends([values]))
    against = distribution(pairs, "first")
    expect(against).to_have_accessible_name("first: distribution of 12 values at step 20, against second, step 20")
    expect(against.locator("path.now")).to_have_attribute("data-run", "first")
    expect(against.locator("path.earlier")).to_have_attribute("data-run", "second")


def bars(svg: Locator, selector: str) -> list[tuple[float, float, float]]:
    """From, to and height (of a hundred) of each bar of an outline."""
    outline = svg.locator(selector).get_attribute("d") or ""
    start = re.match(r"M(-?[\d.]+) ", outline)
    assert start is not None, outline
    found, x = [], float(start[1])
    for y, to in re.findall(r"V(-?[\d.]+)H(-?[\d.]+)", outline):
        found.append((x, float(to), float(y)))
        x = float(to)
    return found


def test_histograms_at_two_steps_lie_over_each_other(pairs: Tab) -> None:
    pairs.choose(runs="first,second", view="histograms", quantity="weights", earlier="first")
    kernel = pairs.frame.get_by_role("img", name=re.compile("forward kernel, forget gate: histogram;"))
    expect(kernel.locator("path.bars")).to_have_count(4)
    assert kernel.locator("path.bars.earlier").evaluate_all(
        "all => all.map((p) => [p.dataset.run, p.dataset.step])"
    ) == [["first", "0"], ["second", "0"]]
    # Over steps the earlier one is among the others.
    pairs.select("Show", "ridges")
    ridges = pairs.frame.get_by_role("img", name=re.compile("forward kernel, forget gate: ridgeline"))
    expect(ridges).to_have_count(2)


def density(board: TensorBoard, run: str, at: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The share of a forget gate's values for each unit, at some places: counted anew, in bins as wide as stored."""
    answer = board.get("statistics", run=run, layer=pair_data.LAYER, quantity="weights", step=20, field="linear")
    (found,) = answer.json["statistics"]
    (block,) = (
        block
        for block in found["blocks"]
        if (block["direction"], block["matrix"], block["gate"]) == ("forward", "kernel", "forget")
    )
    (bins,) = block["linear"]
    width = 2.0 ** bins["exponent"]
    columns = slice(pair_data.UNITS, 2 * pair_data.UNITS)
    values = pair_data.weights(run, 20)["forward"]["kernel"][:, columns].ravel()
    assert sum(bins["counts"]) == values.size
    low = np.floor(at / width) * width
    counts = [int(((values >= edge) & (values < edge + width)).sum()) for edge in low]
    shares: npt.NDArray[np.float64] = np.array(counts, np.float64) / (values.size * width)
    return shares


def test_histograms_of_a_difference(pairs: Tab, pairs_board: TensorBoard) -> None:
    pairs.choose(runs="first,second", view="histograms", quantity="weights", minus="run:second", scale="linear")
    kernel = pairs.frame.get_by_role("img", name=re.compile("forward kernel, forget gate: difference of histograms;"))
    expect(kernel.locator("path.bars")).to_have_attribute("data-minus", "second")
    legend = pairs.frame.locator(".histogram-legend").first
    assert legend.inner_text().split() == ["first", "−", "second", "step", "20"]
    low, high, limit = (float(kernel.get_attribute(f"data-{name}") or "nan") for name in ("low", "high", "limit"))
    drawn = np.array(bars(kernel, "path.bars"))
    middles = low + drawn[:, :2].mean(axis=1) / 1000 * (high - low)
    wanted = density(pairs_board, "first", middles) - density(pairs_board, "second", middles)
    assert np.abs(wanted).max() > 0
    assert (1 - drawn[:, 2] / 50) * limit == pytest.approx(wanted, abs=1e-3 * limit)


def test_layers_are_paired_by_hand(pairs: Tab) -> None:
    first, second = pair_data.OWN["first"], pair_data.OWN["second"]
    pairs.choose(runs="first,second", layer=first, samples="0")
    pairs.settled(1, run="first")
    pairs.frame.get_by_text("1 run has no such layer: pair by hand").click()
    own = pairs.frame.get_by_label("Layer of second", exact=True)
    expect(own).to_have_value("")
    own.select_option(second)
    pairs.settled(2)
    expect(pairs.heatmap("second")).to_have_attribute("data-layer", second)
    wanted = {run: pair_data.gradient(run, 20)[::-1][0] for run in ("first", "second")}
    colouring = Colouring.over([*wanted.values()], "symlog", "vik")
    for run, array in wanted.items():
        assert colouring.wrong(pairs.pixels(pairs.heatmap(run)), array.T) == 0
    # The layer of another name is named above its column.
    expect(pairs.frame.locator(".run-headings").get_by_text(second, exact=True)).to_be_visible()
    # Paired, they can be subtracted; and the address holds the pair.
    pairs.select("Difference", "run:second")
    pairs.settled(1, run="first", minus="second")
    address = pairs.page.url
    pairs.choose(runs="first,second")
    pairs.settled(4)
    pairs.page.goto(address)
    pairs.settled(1, run="first", minus="second")
    pairs.frame.get_by_label("Layer of second", exact=True).locator("..").locator("..").locator("summary").click()
    pairs.frame.get_by_label("Layer of second", exact=True).select_option("")
    pairs.settled(1, run="first")
    assert "pairs" not in pairs.choices


def test_controls_are_there_only_where_there_is_something_to_compare(pairs: Tab) -> None:
    pairs.choose(runs="first", samples="0")
    pairs.settled(1)
    expect(pairs.frame.get_by_label("Difference", exact=True)).to_have_count(0)
    pairs.select("Compare with step", "0")
    pairs.settled(2)
    options = pairs.frame.get_by_label("Difference", exact=True).locator("option").all_inner_texts()
    assert options == ["none", "this step − step 0"]


@pytest.mark.parametrize("view", ["heatmap", "histograms"])
def test_axe_finds_nothing_in_light_and_dark(pairs: Tab, view: str) -> None:
    pairs.choose(runs="first,third", layer=pair_data.OWN["first"], view=view, earlier="first", minus="earlier")
    expect(pairs.frame.get_by_label("Difference", exact=True)).to_be_visible()
    pairs.frame.get_by_text("1 run has no such layer: pair by hand").click()
    assert accessibility.violations(pairs) == []
    try:
        switch_theme(pairs, "Dark")
        assert accessibility.violations(pairs) == []
    finally:
        switch_theme(pairs, "Light")
