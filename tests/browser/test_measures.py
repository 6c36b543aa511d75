"""All measures of a row of the Overview, and each unit's memory against its gradient, against numbers computed here."""

import csv
import io
import re
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from tests import serving
from tests.browser import accessibility, measure_data
from tests.browser.measure_data import KEEP, LAYER, STEPS, UNITS, WILD
from tests.browser.tab import Tab, switch_theme
from tests.browser.test_take_away import SVG, Picture, take
from tests.serving import TensorBoard

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("loader", ["rust"], indirect=True)]

LAST = 30
PLOTS = [("lstm", "forward"), ("lstm", "backward"), ("gru", "forward")]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, loader: str) -> Iterator[TensorBoard]:
    directory = tmp_path_factory.mktemp("measures") / "logs"
    measure_data.write(directory)
    with serving.with_all_steps(directory, loader, {run: steps[-1] for run, steps in STEPS.items()}) as served:
        yield served


@pytest.fixture(scope="module")
def measured_tab(context: BrowserContext, measured: TensorBoard) -> Iterator[Tab]:
    with Tab.opened(context, measured.port, view="overview") as tab:
        yield tab


@pytest.fixture
def tab(measured_tab: Tab) -> Iterator[Tab]:
    with measured_tab.at_rest({"view": "overview"}):
        expect(rows(measured_tab)).to_have_count(3)
        expect(detail(measured_tab)).to_have_count(0)
        yield measured_tab


def rows(tab: Tab) -> Locator:
    return tab.frame.locator("tr.row")


def detail(tab: Tab) -> Locator:
    return tab.frame.get_by_role("region", name=re.compile("^All measures of"))


def opened(tab: Tab, run: str, **choices: str) -> Locator:
    tab.choose(view="overview", row=f"{run},{LAYER}", **choices)
    found = tab.frame.get_by_role("region", name=f"All measures of {run} / {LAYER}")
    expect(found).to_be_visible()
    return found


def part(found: Locator, measure: str, label: str = "") -> Locator:
    return found.locator(f"li[data-measure='{measure}'][data-part='{label}']")


def latest(found: Locator, measure: str, label: str = "") -> float:
    return float(part(found, measure, label).get_attribute("data-latest") or "nan")


def first(found: Locator, measure: str, label: str) -> float:
    """At the first step: what is dear may be there at no other one of so short a run."""
    name = part(found, measure, label).get_by_role("img").get_attribute("aria-label") or ""
    number = re.search(rf"{label}(?::| from) ([\d.]+) at step 0\b", name)
    assert number is not None, name
    return float(number[1])


def test_row_is_opened_and_closed_by_click_and_by_key(tab: Tab) -> None:
    button = tab.frame.get_by_role("button", name="lstm / encoder", exact=True)
    expect(button).to_have_attribute("aria-expanded", "false")
    button.click()
    expect(detail(tab)).to_have_accessible_name("All measures of lstm / encoder")
    expect(button).to_have_attribute("aria-expanded", "true")
    assert tab.choices["row"] == "lstm,encoder"
    # Anywhere beside the row's own controls and trends.
    tab.frame.locator("tr[data-run=gru] th").click(position={"x": 3, "y": 3})
    expect(detail(tab)).to_have_accessible_name("All measures of gru / encoder")
    tab.frame.get_by_role("button", name="gru / encoder", exact=True).press("Enter")
    expect(detail(tab)).to_have_count(0)
    assert "row" not in tab.choices
    tab.frame.get_by_role("button", name="rnn / encoder", exact=True).press("Enter")
    expect(detail(tab)).to_have_accessible_name("All measures of rnn / encoder")


def test_link_restores_it_right_below_its_row(tab: Tab) -> None:
    opened(tab, "gru")
    names = tab.frame.locator("tbody > tr").evaluate_all("rows => rows.map(row => row.dataset.run ?? 'detail')")
    assert names[names.index("gru") + 1] == "detail"


@pytest.mark.parametrize("run", list(STEPS))
def test_every_measure_is_there_or_says_why(tab: Tab, measured: TensorBoard, run: str) -> None:
    kinds = {one["measure"]: one for one in measured.get("health", run=run).json["kinds"]}
    found = opened(tab, run)
    groups = found.locator(".measure-group")
    there = groups.evaluate_all("groups => groups.map(group => group.dataset.measure)")
    assert len(there) >= 15
    absent = found.locator(".measure-groups + .absent-measures").inner_text()
    for measure, kind in kinds.items():
        assert (measure in there) != bool(re.search(rf"(^|, ){kind['title']}(,|:)", absent, re.MULTILINE)), measure
    for measure in there:
        head = found.locator(f".measure-group[data-measure='{measure}'] h3")
        title = head.get_attribute("title") or ""
        assert kinds[measure]["meaning"] in title
        assert f"When it misleads: {kinds[measure]['misleads']}" in title
    if run == "rnn":
        assert "memory timescale" in absent
        assert "a plain RNN has no gates." in absent


def test_values_and_trends_are_those_of_what_was_logged(tab: Tab) -> None:
    found = opened(tab, "lstm")
    expect(found.locator(".measure-group[data-measure=spectral_radius] h3")).to_contain_text(", recurrent kernel")
    recurrent = measure_data.matrices("lstm", 0, "backward")["recurrent_kernel"]
    radius = float(np.abs(np.linalg.eigvals(recurrent[:, UNITS : 2 * UNITS].astype(float))).max())
    assert first(found, "spectral_radius", "backward, forget gate") == pytest.approx(radius, rel=1e-2)
    scales = [1 / (1 - keep) for keep in KEEP["forward"]]
    assert latest(found, "timescale", "forward") == pytest.approx(float(np.median(scales)), rel=1e-4)
    expect(part(found, "timescale", "forward")).to_contain_text(f"{np.median(scales):.3g}")
    activation = measure_data.activation("lstm", 0)[..., :UNITS].reshape(-1, UNITS).astype(float)
    correlations = np.abs(np.corrcoef(activation.T))[~np.eye(UNITS, dtype=bool)]
    assert first(found, "correlation", "forward") == pytest.approx(correlations.mean(), rel=1e-2)
    norms = [float(np.linalg.norm(measure_data.matrices("lstm", step, "forward")["kernel"])) for step in STEPS["lstm"]]
    line = part(found, "weight_norm", "forward, kernel").get_by_role("img")
    low, high = (float(line.get_attribute(f"data-{end}") or "nan") for end in ("low", "high"))
    path = line.locator("path.trend-line").get_attribute("d") or ""
    drawn = [(float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path)]
    assert [x for x, _ in drawn] == pytest.approx([step / LAST * 100 for step in STEPS["lstm"]], abs=0.01)
    assert [1 - (y - 1.5) / 17 for _, y in drawn] == pytest.approx(
        [(norm - low) / (high - low) for norm in norms], abs=0.01
    )


def plot(tab: Tab, run: str, direction: str) -> Locator:
    return tab.frame.locator(f"svg.timescales[data-run='{run}'][data-direction='{direction}']")


def drawn_units(found: Locator) -> dict[int, tuple[float, float]]:
    """Unit to the timescales that its dot stands for."""
    low, high = (np.log(float(found.get_attribute(f"data-{end}") or "nan")) for end in ("low", "high"))
    path = found.locator("path.unit-dots").get_attribute("d") or ""
    dots = [(float(x), float(y)) for x, y in re.findall(r"M([-\d.]+) ([-\d.]+)h0", path)]
    units = [int(unit) for unit in (found.get_attribute("data-units") or "").split(",")]
    assert len(dots) == len(units)
    span = high - low
    return {
        unit: (float(np.exp(low + x / 1000 * span)), float(np.exp(low + (1 - y / 1000) * span)))
        for unit, (x, y) in zip(units, dots, strict=True)
    }


def expected_units(run: str, direction: str, step: int) -> dict[int, tuple[float, float]]:
    tau = measure_data.tau(direction, min(step, STEPS[run][-1]))
    return {
        unit: (1 / (1 - keep), float(tau[unit]))
        for unit, keep in enumerate(KEEP[direction])
        if unit != WILD and keep < 1
    }


@pytest.mark.parametrize("step", ["30", "0"])
def test_dots_are_the_timescales_of_gate_and_gradient(tab: Tab, step: str) -> None:
    opened(tab, "lstm", step=step)
    for run, direction in PLOTS:
        own = min(int(step), STEPS[run][-1])
        found = plot(tab, run, direction).and_(tab.frame.locator(f"[data-step='{own}']"))
        expect(found).to_be_visible()
        wanted = expected_units(run, direction, int(step))
        dots = drawn_units(found)
        assert dots.keys() == wanted.keys()
        for unit, place in wanted.items():
            assert dots[unit] == pytest.approx(place, rel=3e-3), (run, direction, unit)
    # Whose row it is comes first.
    assert tab.frame.locator("svg.timescales").first.get_attribute("data-run") == "lstm"


def test_what_is_not_drawn_is_counted_and_said(tab: Tab) -> None:
    found = opened(tab, "gru")
    figures = found.locator(".timescale-figure")
    expect(figures).to_have_count(3)
    expect(figures.first).to_contain_text("5 of 6 units; 1 has no exponential decay, or no finite gradient")
    expect(figures.first).to_contain_text("step 10 (its nearest)")
    expect(figures.filter(has_text="backward")).to_contain_text(
        "4 of 6 units; 1 has no exponential decay, or no finite gradient; 1 has a gate that is 1"
    )
    expect(found.get_by_text("rnn: a plain RNN has no gate that keeps its state.")).to_be_visible()
    expect(plot(tab, "gru", "forward")).to_have_accessible_name(
        re.compile(r"^gru, encoder, forward: timescales at step 10, 5 of 6 units.* update gate from 1.43 to 50")
    )


def test_threshold_of_the_fit_is_obeyed(tab: Tab) -> None:
    opened(tab, "gru", thresholds="half_life_fit:1e-9")
    expect(tab.frame.get_by_text("R² from 1e-9 on")).to_be_visible()
    found = drawn_units(plot(tab, "gru", "forward"))
    assert set(found) - {WILD} == set(expected_units("gru", "forward", 10))


def test_unit_is_read_by_pointer_and_by_key(tab: Tab) -> None:
    opened(tab, "lstm")
    found = plot(tab, "lstm", "backward")
    expect(found).to_have_attribute("data-step", str(LAST))
    expect(found).to_have_attribute("data-units", ",".join(map(str, sorted(expected_units("lstm", "backward", LAST)))))
    found.scroll_into_view_if_needed()
    path = found.locator("path.unit-dots").get_attribute("d") or ""
    dots = re.findall(r"M([-\d.]+) ([-\d.]+)h0", path)
    box = found.bounding_box()
    assert box is not None
    x, y = (float(value) / 1000 for value in dots[2])
    tab.page.mouse.move(box["x"] + x * box["width"] + 2, box["y"] + y * box["height"] + 1)
    tau = measure_data.tau("backward", LAST)
    expect(tab.readout).to_contain_text(
        f"lstm / encoder, backward, unit 2: forget gate 4 timesteps, gradient {tau[2]:.3g} timesteps (R² 1)"
    )
    tab.page.mouse.move(5, 5)
    expect(tab.readout).to_contain_text("Point at a map")
    found.focus()
    found.press("ArrowRight")
    expect(tab.readout).to_contain_text("backward, unit 0: forget gate 1.25 timesteps")
    found.press("ArrowRight")
    expect(tab.readout).to_contain_text("backward, unit 1: forget gate 2 timesteps")
    found.press("Escape")
    expect(tab.readout).to_contain_text("Point at a map")


def test_trend_of_a_measure_is_read_and_its_step_chosen(tab: Tab) -> None:
    line = part(opened(tab, "lstm"), "weight_norm", "forward, bias").get_by_role("img")
    line.scroll_into_view_if_needed()
    box = line.bounding_box()
    assert box is not None
    tab.page.mouse.move(box["x"] + box["width"] * 2 / 3, box["y"] + 8)
    norm = float(np.linalg.norm(measure_data.matrices("lstm", 20, "forward")["bias"]))
    expect(tab.readout).to_contain_text(f"lstm / encoder, weight norm, forward, bias at step 20: {norm:.5g}")
    tab.page.mouse.click(box["x"] + box["width"] * 2 / 3, box["y"] + 8)
    expect(tab.frame.locator(".position strong")).to_have_text("20")
    expect(detail(tab)).to_be_visible()
    # Once it is closed, nothing in it is pointed at.
    tab.choose(view="overview")
    expect(detail(tab)).to_have_count(0)
    expect(tab.readout).not_to_contain_text("weight norm")


def test_all_of_it_is_taken_away(tab: Tab) -> None:
    opened(tab, "lstm")
    expect(plot(tab, "lstm", "backward")).to_have_attribute("data-step", str(LAST))
    name, content = take(tab, "CSV", "lstm / encoder: all measures")
    assert name == "lstm_encoder_measures.csv"
    lines = list(csv.DictReader(io.StringIO(content.decode())))
    kernel = {"measure": "weight_norm", "direction": "backward", "matrix": "kernel"}
    norms = {int(one["step"]): float(one["value"]) for one in lines if kernel.items() <= one.items()}
    assert norms == pytest.approx(
        {step: float(np.linalg.norm(measure_data.matrices("lstm", step, "backward")["kernel"])) for step in norms},
        rel=1e-5,
    )
    assert list(norms) == list(STEPS["lstm"])
    name, content = take(tab, "CSV", "lstm, timescales, backward")
    assert name == "lstm_encoder_timescales_step30_backward.csv"
    lines = list(csv.DictReader(io.StringIO(content.decode())))
    assert [int(one["unit"]) for one in lines] == list(range(UNITS))
    tau = measure_data.tau("backward", LAST)
    assert [float(lines[unit]["gradient_timescale"]) for unit in (0, 3)] == pytest.approx(
        tau[[0, 3]].tolist(), rel=1e-4
    )
    assert lines[5]["gate_timescale"] == "nan"
    picture = Picture.of(take(tab, "SVG")[1])
    assert (
        "lstm, encoder, step 30, backward: timescale of each unit's gradient against that of its forget gate"
        in (picture.texts[0])
    )
    (dots,) = [one for one in picture.root.iter(f"{SVG}path") if one.attrib.get("stroke-linecap") == "round"]
    assert len(re.findall("h0", dots.attrib["d"])) == 4


@pytest.mark.parametrize("width", [900, 1400, 2560])
def test_nothing_is_cut_off_at_any_width(tab: Tab, width: int) -> None:
    tab.page.set_viewport_size({"width": width, "height": 900})
    opened(tab, "lstm")
    expect(plot(tab, "gru", "forward")).to_be_visible()
    assert tab.frame.locator(".view").evaluate("e => e.scrollWidth <= e.clientWidth")
    assert tab.frame.locator(".health-scroll").evaluate("e => e.scrollWidth <= e.clientWidth")


def test_axe_finds_nothing_in_either_theme(tab: Tab) -> None:
    try:
        for theme in ("Dark", "Light"):
            switch_theme(tab, theme)
            opened(tab, "lstm")
            expect(plot(tab, "gru", "forward")).to_be_visible()
            assert accessibility.violations(tab) == [], theme
    finally:
        switch_theme(tab, "Light")
