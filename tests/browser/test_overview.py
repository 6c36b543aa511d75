"""What the Overview says of every layer, against numbers that are computed here from what was logged."""

import csv
import io
import re

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from tests.browser import accessibility, overview_data
from tests.browser.overview_page import MAPS, cell, expect_colours, horizon, logged, map_of, maps, row_of
from tests.browser.tab import Tab, switch_theme
from tests.browser.test_take_away import loaded, take

pytestmark = pytest.mark.browser


def findings(tab: Tab) -> Locator:
    return tab.frame.get_by_role("region", name="Findings").locator(".finding")


def test_what_is_wrong_is_said_worst_first(overview: Tab) -> None:
    reach = horizon(logged("vanishing", "forward")[-1], 0.01)
    assert reach < 3
    first, second = findings(overview).nth(0), findings(overview).nth(1)
    expect(first).to_contain_text(
        f"error: vanishing / encoder: the gradient reaches {reach} of 29 steps back, and has since step 0."
    )
    expect(first).to_contain_text(f"gradient horizon: {reach} of 29")
    expect(first).to_contain_text("threshold: 0.1 (short horizon)")
    expect(first).to_contain_text("What usually helps: a gated cell")
    expect(second).to_contain_text("error: poisoned / encoder: NaN since step 50")
    expect(second).to_contain_text(f"timestep {overview_data.NAN_TIMESTEP}")
    expect(second).to_contain_text("since step 50, not yet at step 40")
    for finding in (first, second):
        expect(finding).to_have_css("border-left-color", "rgb(197, 34, 31)")


def test_nothing_found_is_said_quietly(overview: Tab) -> None:
    overview.choose(view="overview", runs="healthy")
    expect(overview.frame.get_by_text("Nothing found")).to_be_visible()
    expect(findings(overview)).to_have_count(0)
    expect(overview.frame.get_by_text("1 of 4 runs is looked at.")).to_be_visible()
    overview.button("Look at all").click()
    expect(findings(overview)).to_have_count(2)


@pytest.mark.parametrize("at", [0, 1])
def test_link_leads_to_the_place(overview: Tab, at: int) -> None:
    link = findings(overview).nth(at).get_by_role("button", name="show")
    place = re.fullmatch(r"show (\w+) / (\w+) in (\w+), step (\d+)", link.get_attribute("aria-label") or "")
    assert place is not None
    run, layer, view, step = place.groups()
    link.click()
    expect(overview.frame.get_by_role("tab", name=view)).to_have_attribute("aria-selected", "true")
    shown = overview.settled(2, run=run, layer=layer, step=step)
    expect(shown.first).to_have_attribute("data-quantity", overview.choices["quantity"])
    assert overview.choices["runs"] == run
    # The second sample has the NaN.
    if run == "poisoned":
        expect(overview.heatmap("poisoned", 1)).to_have_accessible_name(re.compile("1 NaN"))
    overview.page.go_back()
    expect(overview.frame.get_by_role("tab", name="Overview")).to_have_attribute("aria-selected", "true")
    expect(maps(overview)).to_have_count(len(MAPS))
    assert "runs" not in overview.choices


def folds(tab: Tab) -> Locator:
    return tab.frame.get_by_role("button", name=re.compile("^measure, threshold and what helps:"))


def details(tab: Tab) -> Locator:
    return tab.frame.locator(".finding-details")


def test_details_of_the_first_are_open_and_the_others_open_by_click_and_by_key(overview: Tab) -> None:
    expect(details(overview).nth(0)).to_be_visible()
    expect(details(overview).nth(1)).to_be_hidden()
    folds(overview).nth(1).press("Enter")
    expect(folds(overview).nth(1)).to_have_attribute("aria-expanded", "true")
    expect(details(overview).nth(1)).to_be_visible()
    findings(overview).nth(0).get_by_text("steps back").click()
    expect(details(overview).nth(0)).to_be_hidden()
    overview.button("Details of all").click()
    for i in range(details(overview).count()):
        expect(details(overview).nth(i)).to_be_visible()
    assert overview.choices["details"] == "all"
    overview.button("Details of the first only").click()
    expect(details(overview).nth(0)).to_be_visible()
    expect(details(overview).nth(1)).to_be_hidden()
    assert "details" not in overview.choices


def test_findings_are_printed_and_taken_away_whole(overview: Tab) -> None:
    overview.page.emulate_media(media="print")
    expect(details(overview).nth(1)).to_be_visible()
    overview.page.emulate_media(media="screen")
    expect(details(overview).nth(1)).to_be_hidden()
    name, content = take(overview, "CSV", "findings")
    assert name == "findings.csv"
    first, second = csv.DictReader(io.StringIO(content.decode()))
    assert (first["run"], first["fault"], first["measure"]) == ("vanishing", "vanishing", "gradient_horizon")
    assert first["sentence"].startswith("the gradient reaches")
    assert "a gated cell" in first["advice"]
    assert float(first["threshold"]) == 0.1
    assert (second["run"], second["fault"], second["since"]) == ("poisoned", "nan", "50")


@pytest.mark.parametrize("loader", ["rust"], indirect=True)
def test_findings_table_and_maps_are_seen_at_one_look(overview: Tab) -> None:
    end = overview.readout.bounding_box()
    view = overview.frame.locator(".view")
    assert end is not None
    assert view.evaluate("view => view.scrollTop") == 0
    for shown in [*findings(overview).all(), *overview.frame.locator("tr.row").all(), *maps(overview).all()]:
        box = shown.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= end["y"]
    # Where there is more room the maps take it.
    low = map_of(overview, "vanishing").bounding_box()
    overview.page.set_viewport_size({"width": 1400, "height": 1100})
    assert low is not None
    maps(overview).first.evaluate(
        "(map, height) => new Promise(done => { const look = () =>"
        " map.clientHeight > height ? done() : requestAnimationFrame(look); look(); })",
        low["height"] + 20,
    )


def path_points(line: Locator) -> list[tuple[float, float]]:
    path = line.locator("path.trend-line").get_attribute("d") or ""
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.e]+) ([-\d.e]+)", path)]


def heights(points: list[tuple[float, float]]) -> list[float]:
    """0 at the lower end of the axis, 1 at the upper."""
    return [1 - (y - 1.5) / 17 for _, y in points]


def test_table_has_the_values_and_their_trends(overview: Tab) -> None:
    for run in ("healthy", "vanishing"):
        reach = [horizon(profile, 0.01) for profile in logged(run, "forward")]
        here = cell(overview, run, "gradient_horizon")
        expect(here).to_contain_text(f"{reach[-1]} of 29")
        points = path_points(here.get_by_role("img"))
        assert [x for x, _ in points] == pytest.approx(
            [step / 110 * 100 for step in overview_data.STEPS[run]], abs=0.01
        )
        assert heights(points) == pytest.approx([value / 29 for value in reach], abs=0.01)
        vanished = (logged(run, "forward")[-1] / np.sqrt(overview_data.UNITS) < 1e-7).mean()
        expect(cell(overview, run, "vanished_timesteps")).to_contain_text(f"{vanished:.0%}")
    wrong = 1 / (overview_data.SAMPLES * overview_data.TIMESTEPS["poisoned"] * overview_data.UNITS)
    expect(cell(overview, "poisoned", "nonfinite")).to_contain_text(f"1 of {1 / wrong:.0f}")
    expect(cell(overview, "poisoned", "nonfinite")).to_have_attribute("data-severity", "error")
    loss = [overview_data.loss("healthy", step) for step in overview_data.STEPS["healthy"]]
    expect(cell(overview, "healthy", "loss")).to_contain_text("0.033")
    # Within a decade the axis is linear, from the least to the largest of all runs.
    assert max(loss) < 10 * min(loss)
    drawn = heights(path_points(cell(overview, "healthy", "loss").get_by_role("img")))
    assert drawn == pytest.approx([(value - loss[-1]) / (loss[0] - loss[-1]) for value in loss], abs=0.01)


def test_worst_rows_come_first_and_what_is_not_there_says_why(overview: Tab) -> None:
    rows = overview.frame.get_by_role("row")
    expect(rows).to_have_count(6)
    assert rows.nth(0).get_by_role("columnheader").all_inner_texts()[:3] == ["run / layer", "loss", "gradient horizon"]
    names_ = [re.sub(r"\s+", " ", text) for text in overview.frame.locator("tbody th").all_inner_texts()]
    assert [name.removeprefix("error: ") for name in names_] == [
        "vanishing / encoder",
        "poisoned / encoder",
        "healthy / encoder",
        "healthy / reader",
        "direct / encoder",
    ]
    expect(row_of(overview, "direct").locator("td").nth(1)).to_have_attribute(
        "title", re.compile("gradient through time was not recorded")
    )
    expect(overview.frame.get_by_role("columnheader", name="update ratio")).to_have_count(0)


def test_value_leads_to_its_finding(overview: Tab) -> None:
    cell(overview, "poisoned", "nonfinite").get_by_role("button").click()
    expect(overview.frame.get_by_role("tab", name="Heatmap")).to_have_attribute("aria-selected", "true")
    overview.settled(2, run="poisoned", step=50)


def open_thresholds(tab: Tab) -> None:
    tab.frame.locator("details.thresholds").evaluate("details => { details.open = true; }")


def test_threshold_is_set(overview: Tab) -> None:
    overview.select("Horizon: smallest share, ε", "0.5")
    for run in ("healthy", "vanishing"):
        reach = horizon(logged(run, "forward")[-1], 0.5)
        expect(cell(overview, run, "gradient_horizon")).to_contain_text(f"{reach} of 29")
    assert overview.choices["thresholds"] == "horizon_share:0.5"
    expect(overview.frame.get_by_text("Thresholds (1 changed)")).to_be_visible()
    open_thresholds(overview)
    overview.frame.get_by_label("short horizon").fill("0.01")
    overview.frame.get_by_label("short horizon").press("Enter")
    # 0 of 29 is still below, but what is called short is no more.
    expect(overview.frame.get_by_text("Thresholds (2 changed)")).to_be_visible()
    overview.button("reset thresholds").click()
    expect(cell(overview, "healthy", "gradient_horizon")).to_contain_text("29 of 29")
    assert "thresholds" not in overview.choices


def test_trend_is_read_and_its_step_chosen(overview: Tab) -> None:
    line = cell(overview, "healthy", "loss").get_by_role("img")
    box = line.bounding_box()
    assert box is not None
    overview.page.mouse.move(box["x"] + box["width"] * 5 / 11, box["y"] + 8)
    expect(overview.readout).to_contain_text(
        f"healthy / encoder, loss at step 50: {overview_data.loss('healthy', 50):.5g}"
    )
    overview.page.mouse.click(box["x"] + box["width"] * 5 / 11, box["y"] + 8)
    expect(overview.frame.locator(".position strong")).to_have_text("50")


def test_layer_is_chosen_in_the_table(overview: Tab) -> None:
    row_of(overview, "healthy", overview_data.READER).get_by_role("button", name="healthy / reader").click()
    expect(overview.frame.get_by_role("heading", name="Gradient flow in reader")).to_be_visible()
    expect(maps(overview)).to_have_count(1)
    assert overview.choices["layer"] == overview_data.READER


def test_map_and_table_are_taken_away(overview: Tab) -> None:
    name, content = take(overview, "NPY", "vanishing, gradient flow, forward")
    assert name == "vanishing_encoder_bptt_gradient_flow_forward.npy"
    assert loaded(content) == pytest.approx(logged("vanishing", "forward"), rel=1e-5)
    name, content = take(overview, "CSV", "table of health")
    assert name == "health.csv"
    lines = [
        line
        for line in csv.DictReader(io.StringIO(content.decode()))
        if (line["run"], line["measure"]) == ("vanishing", "gradient_horizon")
    ]
    assert [int(line["step"]) for line in lines] == list(overview_data.STEPS["vanishing"])
    reach = [horizon(profile, 0.01) for profile in logged("vanishing", "forward")]
    assert [float(line["value"]) for line in lines] == reach


@pytest.mark.parametrize("loader", ["rust"], indirect=True)
@pytest.mark.parametrize("width", [900, 1400, 2560])
def test_nothing_is_cut_off_at_any_width(overview: Tab, width: int) -> None:
    overview.page.set_viewport_size({"width": width, "height": 900})
    view = overview.frame.get_by_role("tabpanel").bounding_box()
    assert view is not None
    expect(maps(overview)).to_have_count(len(MAPS))
    assert overview.frame.locator(".view").evaluate("e => e.scrollWidth <= e.clientWidth")
    assert overview.frame.locator(".health-scroll").evaluate("e => e.scrollWidth <= e.clientWidth")
    # "29 of 29" is never broken.
    assert overview.frame.locator(".cell-value > .quiet").count() > 0
    for of in overview.frame.locator(".cell-value > .quiet").all():
        expect(of).to_have_css("white-space", "pre")
    for canvas in maps(overview).all():
        box = canvas.bounding_box()
        assert box is not None
        assert box["width"] >= 100
        assert box["x"] + box["width"] <= view["x"] + view["width"]


@pytest.mark.parametrize("loader", ["rust"], indirect=True)
def test_axe_finds_nothing_in_either_theme(overview: Tab) -> None:
    try:
        for theme in ("Dark", "Light"):
            switch_theme(overview, theme)
            whole = "berlin" if theme == "Dark" else "vik"
            for choices in ({}, {"runs": "healthy"}, {"runs": "direct"}):
                overview.choose(view="overview", **choices)
                count = {"": len(MAPS), "healthy": 2, "direct": 1}[choices.get("runs", "")]
                expect(maps(overview).and_(overview.frame.locator(f"[data-map^='{whole}']"))).to_have_count(count)
                if count == 1:
                    overview.frame.get_by_text("How to record it").first.click()
                expect(overview.frame.get_by_text("Loading…")).to_have_count(0)
                assert accessibility.violations(overview) == [], (theme, choices)
                if not choices:
                    expect_colours(overview, whole, 6)
    finally:
        switch_theme(overview, "Light")


@pytest.mark.parametrize("loader", ["rust"], indirect=True)
def test_everything_has_its_role_and_name(overview: Tab) -> None:
    open_thresholds(overview)
    for role, name in (
        ("tab", "Overview"),
        ("tabpanel", "Overview"),
        ("region", "Findings"),
        ("region", "Health of every layer, worst first"),
        ("table", ""),
        ("combobox", "Layer"),
        ("combobox", "Quantity"),
        ("combobox", "Over samples"),
        ("combobox", "Decades"),
        ("combobox", "Colours"),
        ("combobox", "Horizon: smallest share, ε"),
        ("spinbutton", "short horizon"),
    ):
        expect(overview.frame.get_by_role(role, name=name, exact=bool(name))).to_have_count(1)  # type: ignore[arg-type]
    expect(overview.frame.get_by_role("img", name="Colour bar, vik, blue half")).to_have_count(1)
    expect(map_of(overview, "poisoned")).to_have_accessible_name(
        re.compile(
            r"^poisoned, encoder BPTT gradient, forward: norm at 20 timesteps and 9 steps from 0 to 80, "
            r"from .* to .*, NaN or Inf at 4 of 9 steps, first at step 50$"
        )
    )
    expect(overview.readout).to_have_role("status")
    options = overview.frame.get_by_label("Quantity", exact=True).locator("option")
    expect(options).to_have_text(["BPTT gradient, dL/dh", "Output gradient, ∂L/∂y"])
