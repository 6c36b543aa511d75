"""Norms of single channels: how they are spread over the steps, and each at one step, against numpy."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Locator, Route, expect

from tests.browser import weight_data
from tests.browser.colours import Floats
from tests.browser.tab import Tab
from tests.browser.test_marginals import DEPTH, close, lengths
from tests.browser.test_weights import ALL, CHANNELS, CHARTS, charts, logged

pytestmark = pytest.mark.browser

QUANTILES = {"least": 0, "low": 0.1, "median": 0.5, "high": 0.9, "largest": 1}


def channel_norms(quantity: str, run: str, step: int, place: dict[str, Any]) -> Floats:
    """Of the channels that are finite."""
    gates = weight_data.GATES[run]
    matrix = logged(quantity, run, step)[f"{place['direction']}/{place['matrix']}"].astype(float)
    norms = np.linalg.norm(np.split(matrix, len(gates), axis=-1)[gates.index(place["gate"])], axis=0)
    return np.asarray(norms[np.isfinite(norms)])


def points_of(path: str | None) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path or "")]


@pytest.mark.parametrize(("quantity", "decades"), [("weights", None), ("weight_gradients", 4)])
def test_norms_of_channels_over_steps(weights: Tab, quantity: str, decades: int | None) -> None:
    weights.choose(view="weights", quantity=quantity, norm="channels", **({"decades": "4"} if decades else {}))
    weights.settled(ALL, quantity=quantity)
    largest: dict[str, float] = {}
    limits: dict[str, set[float]] = {}
    for chart in charts(weights, CHARTS, CHANNELS):
        place = chart.evaluate("e => ({...e.dataset})")
        limit = float(place["limit"])
        limits.setdefault(place["matrix"], set()).add(limit)

        def height(value: float, limit: float = limit) -> float:
            if decades is None:
                return 100 * value / limit
            return 100 * max(0, 1 + np.log10(value / limit) / decades) if value > 0 else 0

        runs = [path.get_attribute("data-run") or "" for path in chart.locator("path.norm").all()]
        assert len(runs) > 0
        for run in runs:
            steps = weight_data.STEPS[run]
            norms = [channel_norms(quantity, run, step, place) for step in steps]
            largest[place["matrix"]] = max(largest.get(place["matrix"], 0), *(float(of.max()) for of in norms))
            drawn = {
                name: [
                    (step / 30 * 1000, 100 - height(float(np.quantile(of, q))))
                    for step, of in zip(steps, norms, strict=True)
                ]
                for name, q in QUANTILES.items()
            }
            own = f"[data-run='{run}']"
            for selector, expected in (
                (f"path.norm{own}", drawn["median"]),
                (f"path.norm-end{own}[data-end=least]", drawn["least"]),
                (f"path.norm-end{own}[data-end=largest]", drawn["largest"]),
                (f"path.norm-band{own}", [*drawn["high"], *reversed(drawn["low"])]),
            ):
                found = points_of(chart.locator(selector).get_attribute("d"))
                assert np.array(found) == pytest.approx(np.array(expected), abs=0.02), (place, selector)
    for matrix, found_limits in limits.items():
        assert len(found_limits) == 1
        assert found_limits.pop() == pytest.approx(largest[matrix], rel=1e-5)


def test_norms_of_channels_are_read_and_fetched_only_for_them(weights: Tab) -> None:
    weights.load(view="weights", quantity="weights", runs="lstm", norm="l1")
    weights.settled(6)
    charts(weights, 24, "L1")
    assert not any("channel_norms" in url for url in weights.asked("statistics"))
    weights.select("Norm", "channels")
    chart = charts(weights, 24, CHANNELS)[0]
    assert any("field=channel_norms" in url for url in weights.asked("statistics"))
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    weights.page.mouse.move(box["x"] + box["width"] * 0.36, box["y"] + box["height"] / 2)
    place = {"direction": "forward", "matrix": "kernel", "gate": "input"}
    norms = np.quantile(channel_norms("weights", "lstm", 10, place), list(QUANTILES.values()))
    expect(weights.readout).to_contain_text("L2 norms of channels, forward kernel, input gate")
    found = re.search(
        r"lstm, step 10: median ([\d.]+), 80% within ([\d.]+) to ([\d.]+), all within ([\d.]+) to ([\d.]+)",
        weights.readout.inner_text(),
    )
    assert found is not None, weights.readout.inner_text()
    assert [float(text) for text in found.groups()] == pytest.approx(norms[[2, 1, 3, 0, 4]], rel=1e-3)
    weights.page.mouse.click(box["x"] + box["width"] * 0.36, box["y"] + box["height"] / 2)
    weights.settled(6, step=10)


def test_log_of_an_older_version_says_that_it_has_no_norms_of_channels(weights: Tab) -> None:
    """As it would be answered: what it wrote has no such field."""

    def without(route: Route) -> None:
        answer = route.fetch()
        content = answer.json()
        for one in content["statistics"]:
            for block in one["blocks"]:
                block["channel_norms"] = [None] * len(one["steps"])
        route.fulfill(response=answer, json=content)

    recent = re.compile(r"statistics\?run=gru.*channel_norms")
    weights.page.route(recent, without)
    try:
        # Whatever was fetched before is forgotten.
        weights.load(view="weights", quantity="weights", norm="channels")
        weights.settled(ALL)
        expect(weights.frame.get_by_text("gru: not recorded, by an older version")).to_be_visible()
        chart = weights.frame.get_by_role("img", name=re.compile("forward kernel, reset gate: L2 norms of channels"))
        expect(chart).to_have_accessible_name(re.compile("gru not recorded"))
    finally:
        weights.page.unroute(recent)
        weights.load(view="weights", quantity="weights", norm="channels")
    weights.settled(ALL)
    expect(weights.frame.get_by_text("How the weights are spread over the channels")).to_be_visible()
    expect(weights.frame.get_by_text("by an older version")).to_have_count(0)


def norm_strip(tab: Tab, run: str, item: str) -> Locator:
    found = tab.frame.get_by_role("img", name=f"L2 norm of each channel, {run} {item}")
    expect(found).to_have_count(1)
    return found


def bars(norms: Floats, limit: float, decades: int | None = None) -> npt.NDArray[np.int64]:
    with np.errstate(divide="ignore"):
        shares = norms / limit if decades is None else 1 + np.log10(norms / limit) / decades
    return np.asarray(np.round(DEPTH * np.clip(shares, 0, 1)), np.int64)


@pytest.mark.parametrize(("quantity", "decades"), [("weights", None), ("weight_gradients", 6)])
@pytest.mark.parametrize("view", ["weights", "heatmap"])
def test_norms_of_channels_stand_above_a_matrix(weights: Tab, view: str, quantity: str, decades: int | None) -> None:
    """On one scale for the same matrix of all runs, and as far as they are in sight."""
    of = {"weights": weight_data.weights, "weight_gradients": weight_data.gradients}[quantity]
    region = "forward%2Frecurrent_kernel,0,3,5,14"
    weights.choose(view=view, quantity=quantity, regions=region)
    weights.settled(9, quantity=quantity)
    for matrix, part in (("kernel", slice(None)), ("recurrent_kernel", slice(5, 15))):
        norms = {run: np.linalg.norm(of(run, 30)["forward"][matrix].astype(float), axis=0) for run in ("lstm", "gru")}
        limit = float(np.nanmax(np.concatenate([own[np.isfinite(own)] for own in norms.values()])))
        for run, own in norms.items():
            seen = own[part]
            found = lengths(norm_strip(weights, run, f"forward/{matrix}"), "top", len(seen))
            finite = np.isfinite(seen)
            assert close(found[finite], bars(seen[finite], limit, decades)), (run, matrix)
            assert len(np.unique(found)) > 3
            # What is not finite has another colour.
            assert (found[~finite] == 0).all()
    # Of one row the cells say the same.
    expect(weights.frame.get_by_role("img", name="L2 norm of each channel")).to_have_count(6)


def test_norm_of_a_channel_is_read_with_its_gate_and_unit(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights", regions="forward%2Fkernel,1,3,6,19")
    weights.settled(9)
    weights.point(norm_strip(weights, "gru", "forward/kernel"), 0, 15)
    expect(weights.readout).to_contain_text("forward/kernel, row 1, update gate, unit 6")
    found = re.findall(r"L2 norm of its channel ([\d.]+)", weights.readout.inner_text())
    wanted = [
        np.linalg.norm(weight_data.weights(run, 30)["forward"]["kernel"][:, 6].astype(float)) for run in ("gru", "lstm")
    ]
    assert [float(text) for text in found] == pytest.approx(wanted, rel=1e-4)
    # The same from the cells below; a channel with a NaN says that it has one.
    weights.point(weights.heatmap("lstm", "forward/kernel"), 2, 0)
    expect(weights.readout).to_contain_text("row 1, forget gate, unit 0")
    expect(weights.readout).to_contain_text("L2 norm of its channel is not finite")


def test_norms_of_channels_are_switched_off_and_on_without_a_request(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights")
    weights.settled(9)
    weights.wait_until_all_is_fetched()
    weights.requests.clear()
    strips = weights.frame.get_by_role("img", name="L2 norm of each channel")
    expect(strips).to_have_count(6)
    weights.box("norms of channels above").uncheck()
    expect(strips).to_have_count(0)
    weights.box("norms of channels above").check()
    expect(strips).to_have_count(6)
    assert weights.asked("arrays") == []


def test_norms_of_wide_channels_are_of_the_whole_column(weights: Tab) -> None:
    """Of a region that was fetched anew, and of the pooled whole: there a bar has the largest of its columns."""
    kernel = weight_data.wide("lstm", 30)["kernel"].astype(float)
    norms = np.linalg.norm(kernel, axis=0)
    limit = float(norms[np.isfinite(norms)].max())
    choices = {"view": "weights", "layer": weight_data.WIDE, "quantity": "weights", "runs": "lstm"}
    weights.choose(**choices, regions="forward%2Fkernel,280,319,580,619")
    weights.settled(2, layer=weight_data.WIDE)
    found = lengths(norm_strip(weights, "lstm", "forward/kernel"), "top", 40)
    assert close(found, bars(norms[580:620], limit))
    weights.choose(**choices)
    weights.settled(2, layer=weight_data.WIDE)
    canvas = weights.heatmap("lstm", "forward/kernel")
    width = int(canvas.evaluate("canvas => canvas.width"))
    found = lengths(norm_strip(weights, "lstm", "forward/kernel"), "top", width)
    block = -(-2400 // width)
    blocks = np.array([norms[i : i + block].max() for i in range(0, 2400, block)])
    finite = np.isfinite(blocks)
    assert len(blocks) == width
    assert close(found[finite], bars(blocks[finite], limit))
