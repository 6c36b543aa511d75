"""The Curves view: each line against the logged numbers, its axes and its panels."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser import accessibility, data
from tests.browser.curves_page import INSET, RUNS, Axis, expect_curves, gradients, paint, panel, panels, settled
from tests.browser.tab import Tab, names, switch_theme

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scale", ["symlog", "linear", "log"])
def test_every_panel_draws_its_channel(tab: Tab, scale: str) -> None:
    tab.choose(view="curves", scale=scale)
    settled(tab, 8 + 6, scale=scale)
    axis = Axis([array for run in RUNS for array in gradients(run)], scale)
    for run, channels in (("lstm", 8), ("gru", 6)):
        for channel in range(channels):
            curves = [array[:, channel] for array in gradients(run)]
            expect_curves(panel(tab, run, channel), curves, axis)
    with pytest.raises(AssertionError):
        expect_curves(panel(tab, "lstm", 0), [array[:, 7] for array in gradients("lstm")], axis)


def test_panels_are_numbered_from_zero_and_named_by_direction(tab: Tab) -> None:
    tab.choose(view="curves", runs="lstm")
    settled(tab, 8)
    for channel in range(8):
        direction = "forward" if channel < 4 else "backward"
        expect(panel(tab, "lstm", channel)).to_have_accessible_name(
            re.compile(
                rf"^lstm, step 30, encoder/bilstm output gradient, channel {channel} \({direction}\): "
                r"2 samples over 20 timesteps, from .* to "
            )
        )
        expect(tab.button(f"channel {channel} ({direction}), lstm: open large")).to_have_text(
            f"channel {channel} ({direction})"
        )


@pytest.mark.parametrize("axes", ["all", "row", "column", "none"])
def test_axes_are_shared_as_chosen(tab: Tab, axes: str) -> None:
    tab.choose(view="curves", scale="linear", axes=axes)
    settled(tab, 14)
    for run, channels in (("lstm", 8), ("gru", 6)):
        for channel in range(channels):
            together = {
                "all": [array for each in RUNS for array in gradients(each)],
                "row": [array[:, channel : channel + 1] for each in RUNS for array in gradients(each)],
                "column": gradients(run),
                "none": [array[:, channel] for array in gradients(run)],
            }[axes]
            axis = Axis(together, "linear")
            for name in ("bottom", "top", "limit"):
                written = panel(tab, run, channel).get_attribute(f"data-{name}")
                assert float(written or "nan") == pytest.approx(getattr(axis, name), rel=1e-5, abs=1e-9)
            expect_curves(panel(tab, run, channel), [array[:, channel] for array in gradients(run)], axis)


def test_zero_line_keeps_zero_in_sight(tab: Tab) -> None:
    tab.choose(view="curves", runs="lstm", quantity="gate/forget", axes="none")
    settled(tab, 8, scale="linear")
    curves = [data.narrow("lstm", 30)[sample][:, 3] for sample in (0, 1)]
    canvas = panel(tab, "lstm", 3)
    expect_curves(canvas, curves, Axis(curves, "linear"))
    zero_row = paint(canvas)[-INSET]
    assert (zero_row[:, 3] == 255).all()
    tab.box("zero line").uncheck()
    expect(canvas).not_to_have_attribute("data-bottom", "0")
    expect_curves(canvas, curves, Axis(curves, "linear", zero=False))
    assert tab.choices["zero"] == "off"


def test_gaps_are_where_numbers_are_not_finite_and_are_counted(tab: Tab) -> None:
    tab.choose(view="curves", runs="lstm", samples="1", scale="linear")
    settled(tab, 8)
    (array,) = gradients("lstm", (1,))
    for channel, at, badge in ((1, 4, "1 NaN"), (2, 5, "1 Inf"), (6, 6, "1 Inf")):
        canvas = panel(tab, "lstm", channel)
        expect(canvas).to_have_accessible_name(re.compile(f", {badge}$"))
        figure = tab.frame.get_by_role("figure").filter(has=canvas)
        expect(figure.get_by_text(badge, exact=True)).to_be_visible()
        pixels = paint(canvas)
        width = pixels.shape[1]
        columns = [int(INSET + (at + off) / 19 * (width - 2 * INSET)) for off in (-0.5, 0, 0.5)]
        # Only the zero line, one pixel high, crosses the gap.
        assert [(pixels[:, column, 3] > 40).sum() for column in columns] == [1, 1, 1]
        assert not np.isfinite(array[at, channel])


def test_panel_for_each_sample_overlays_the_channels(tab: Tab) -> None:
    tab.choose(view="curves", scale="linear")
    settled(tab, 14)
    tab.select("Panels", "sample")
    settled(tab, 4)
    axis = Axis([array for run in RUNS for array in gradients(run)], "linear")
    for run in RUNS:
        for sample in (0, 1):
            (array,) = gradients(run, (sample,))
            expect_curves(panel(tab, run, sample), list(array.T), axis)
    expect(panel(tab, "gru", 1)).to_have_accessible_name(re.compile("sample 1: 6 channels over 24 timesteps"))
    assert tab.choices["panels"] == "sample"


def test_samples_are_told_apart_by_shade(tab: Tab) -> None:
    tab.choose(view="curves", runs="gru", samples="0,1,2")
    settled(tab, 6)
    swatches = tab.frame.locator(".curve-legend i")
    expect(swatches).to_have_count(3)
    colours = [swatch.evaluate("i => getComputedStyle(i).backgroundColor") for swatch in swatches.all()]
    assert len(set(colours)) == 3
    painted = {tuple(pixel[:3]) for pixel in paint(panel(tab, "gru", 0)).reshape(-1, 4) if pixel[3] == 255}
    for colour in colours:
        wanted = np.array([int(part) for part in re.findall(r"\d+", colour)])
        assert min(np.abs(np.array(pixel, int) - wanted).max() for pixel in painted) <= 2


def test_channels_are_searched_by_number_and_range(tab: Tab) -> None:
    tab.choose(view="curves")
    settled(tab, 14)
    search = tab.frame.get_by_role("searchbox", name="Channels")
    search.fill("0-2, 7")
    settled(tab, 4 + 3)
    shown = sorted((c.get_attribute("data-run"), c.get_attribute("data-item")) for c in panels(tab).all())
    assert shown == [*(("gru", str(i)) for i in range(3)), *(("lstm", str(i)) for i in (0, 1, 2, 7))]
    expect(tab.frame.get_by_text("4 of 8", exact=True)).to_be_visible()
    # The other run has no such channel: its place stays, and says so.
    expect(tab.frame.get_by_text("no channel 7", exact=True)).to_be_visible()
    assert tab.choices["channels"] == "0-2, 7"
    search.fill("forward")
    expect(
        tab.frame.get_by_text("“forward” is no channel: write numbers and ranges, as in 0-15, 40.").first
    ).to_be_visible()
    search.fill("99")
    expect(tab.frame.get_by_text("There is no channel 99: the last is 7.").first).to_be_visible()
    expect(panels(tab)).to_have_count(0)
    search.fill("")
    settled(tab, 14)


def test_hundreds_of_panels_are_there_only_where_they_are_in_sight(tab: Tab) -> None:
    tab.choose(view="curves", runs="wide", scale="linear")
    expect(panel(tab, "wide", 0)).to_be_visible()
    assert 20 < panels(tab).count() < 80
    view = tab.frame.locator(".view")
    view.evaluate("view => view.scrollTo(0, view.scrollHeight)")
    last = panel(tab, "wide", 799)
    expect(last).to_be_visible()
    expect(last).to_have_accessible_name(re.compile(r"channel 799 \(backward\)"))
    expect(panel(tab, "wide", 0)).to_have_count(0)
    assert panels(tab).count() < 80
    # 3000 timesteps in few pixels: what is painted reaches from the smallest to the largest value.
    array = data.wide()[0].astype(float)
    axis = Axis([array], "linear")
    pixels = paint(last)
    inner = pixels.shape[0] - 2 * INSET
    rows = np.flatnonzero((pixels[..., 3] > 40).any(axis=1))
    curve = array[:, 799]
    assert rows[0] == pytest.approx(INSET + (1 - float(axis.height(curve.max()))) * inner, abs=1.5)
    assert rows[-1] == pytest.approx(INSET + (1 - float(axis.height(curve.min()))) * inner, abs=1.5)
    tab.frame.get_by_role("searchbox", name="Channels").fill("77, 555")
    settled(tab, 2)
    expect(panel(tab, "wide", 77)).to_have_attribute("data-nan", "1")
    expect(panel(tab, "wide", 555)).to_have_attribute("data-inf", "1")


def test_panels_keep_their_place_while_stepping(tab: Tab) -> None:
    tab.choose(view="curves", samples="0,1,2")
    settled(tab, 14)

    def places() -> list[object]:
        found = panels(tab).all()
        return [(c.get_attribute("data-run"), c.get_attribute("data-item"), c.bounding_box()) for c in found]

    before = places()
    tab.frame.locator("body").press("ArrowLeft")
    settled(tab, 14, step=20)
    assert places() == before
    axis = Axis([array for run in RUNS for array in gradients(run, (0, 1, 2), 20)], "symlog")
    expect_curves(panel(tab, "gru", 4), [array[:, 4] for array in gradients("gru", (0, 1, 2), 20)], axis)


def test_run_shows_its_own_nearest_step(tab: Tab) -> None:
    tab.choose(view="curves", step="10", scale="linear")
    expect(panel(tab, "lstm", 0)).to_have_attribute("data-step", "10")
    expect(panel(tab, "gru", 0)).to_have_attribute("data-step", "12")
    expect(tab.frame.get_by_text("step 12 (its nearest)", exact=True)).to_have_count(1)


def test_pointing_reads_the_nearest_curve(tab: Tab) -> None:
    tab.choose(view="curves", runs="lstm", scale="linear", axes="none")
    settled(tab, 8)
    canvas = panel(tab, "lstm", 5)
    box = canvas.bounding_box()
    assert box is not None
    curves = [array[:, 5] for array in gradients("lstm")]
    axis = Axis(curves, "linear")
    height, width = paint(canvas).shape[:2]
    for sample in (0, 1):
        x = INSET + 19 / 19 * (width - 2 * INSET)
        y = INSET + (1 - float(axis.height(curves[sample][19]))) * (height - 2 * INSET)
        tab.page.mouse.move(box["x"] + 1 + x, box["y"] + y)
        expect(tab.readout).to_contain_text(f"lstm sample {sample}, channel 5 (backward), t = 19:")
        text = tab.readout.inner_text().replace("−", "-")
        read = re.search(r"t = 19: (\S+)\s+sample (\d) (\S+)", text)
        assert read is not None, text
        assert float(read[1]) == pytest.approx(float(curves[sample][19]), rel=1e-4)
        assert int(read[2]) == 1 - sample
        assert float(read[3]) == pytest.approx(float(curves[1 - sample][19]), rel=1e-4)


def test_only_its_own_controls_are_there(tab: Tab) -> None:
    tab.choose(view="curves")
    settled(tab, 14)
    for label in ("Panels", "Channels", "Scale", "Y axis"):
        expect(tab.frame.get_by_label(label, exact=True)).to_be_visible()
    for label in ("Colours", "Limits", "reflect backward half"):
        expect(tab.frame.get_by_label(label, exact=True)).to_have_count(0)
    tab.frame.get_by_role("tab", name="Heatmap").click()
    tab.settled(4)
    expect(tab.frame.get_by_label("Panels", exact=True)).to_have_count(0)


def test_what_has_no_curves_says_why(tab: Tab) -> None:
    tab.choose(view="curves", quantity="weights")
    expect(tab.frame.get_by_text("Curves run over timesteps, and weights have none.")).to_be_visible()
    tab.choose(view="curves", samples=",")
    expect(tab.frame.get_by_text("No sample is chosen.")).to_be_visible()
    tab.choose(view="curves", runs="gru", layer=data.LAST_ONLY)
    expect(tab.frame.get_by_text("There is one timestep only")).to_be_visible()
    settled(tab, 5)
    tab.choose(view="curves", quantity="weights")
    tab.button("Heatmap").click()
    tab.settled(9, quantity="weights")


@pytest.mark.parametrize("loader", ["rust"], indirect=True)
@pytest.mark.parametrize("width", [900, 2560])
def test_eight_runs_fit_any_width(tab: Tab, width: int) -> None:
    tab.page.set_viewport_size({"width": width, "height": 860})
    tab.choose(view="curves", runs=names([*data.TINY]), layer="tiny")
    settled(tab, 6 * 3, layer="tiny")
    view = tab.frame.locator(".view").bounding_box()
    assert view is not None
    boxes = [canvas.bounding_box() for canvas in panels(tab).all()]
    for box in boxes:
        assert box is not None
        assert box["width"] >= 139
        assert box["x"] + box["width"] <= view["x"] + view["width"]
    assert tab.frame.locator(".view").evaluate("view => view.scrollWidth <= view.clientWidth")


@pytest.mark.parametrize("loader", ["rust"], indirect=True)
def test_axe_finds_nothing_in_light_and_dark(tab: Tab) -> None:
    tab.choose(view="curves", samples="0,1,2")
    settled(tab, 14)
    axis = Axis([array for run in RUNS for array in gradients(run, (0, 1, 2))], "symlog")
    curves = [array[:, 2] for array in gradients("gru", (0, 1, 2))]
    light = paint(panel(tab, "gru", 2))
    assert accessibility.violations(tab) == []
    try:
        switch_theme(tab, "Dark")
        expect(tab.frame.locator("body")).to_have_css("background-color", "rgb(48, 48, 48)")
        dark = paint(panel(tab, "gru", 2))
        assert (dark != light).any()
        expect_curves(panel(tab, "gru", 2), curves, axis)
        assert accessibility.violations(tab) == []
        panel(tab, "gru", 2).click()
        settled(tab, 1, run="gru")
        assert accessibility.violations(tab) == []
    finally:
        switch_theme(tab, "Light")
