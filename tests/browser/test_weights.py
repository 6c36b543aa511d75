"""What the matrices and their norms look like, against the logged numbers."""

import itertools
import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Locator, expect

from tests.browser import accessibility, weight_data
from tests.browser.colours import Colouring
from tests.browser.tab import Tab, switch_theme

pytestmark = pytest.mark.browser

Values = npt.NDArray[np.float64]
MATRICES = ("kernel", "recurrent_kernel", "bias")
# Of the LSTM both directions.
ALL = 9
CHARTS = 7 * 3 + 4 * 3
CHANNELS = "L2 norms of channels"


def logged(quantity: str, run: str, step: int) -> dict[str, npt.NDArray[np.float32]]:
    of = {"weights": weight_data.weights, "weight_gradients": weight_data.gradients}[quantity](run, step)
    return {
        f"{direction}/{name}": np.atleast_2d(matrix)
        for direction, matrices in of.items()
        for name, matrix in matrices.items()
    }


def everything(quantity: str, step: int = 30) -> dict[tuple[str, str], npt.NDArray[np.float32]]:
    return {(run, item): matrix for run in weight_data.STEPS for item, matrix in logged(quantity, run, step).items()}


@pytest.mark.parametrize("scale", ["linear", "symlog", "log"])
@pytest.mark.parametrize("quantity", ["weights", "weight_gradients"])
def test_every_matrix_has_the_colours_of_its_values(weights: Tab, quantity: str, scale: str) -> None:
    weights.choose(view="weights", quantity=quantity, scale=scale, colours="vik")
    weights.settled(ALL, quantity=quantity, scale=scale, map="vik")
    arrays = everything(quantity)
    colouring = Colouring.over(list(arrays.values()), scale, "vik")
    for (run, item), array in arrays.items():
        pixels = weights.pixels(weights.heatmap(run, item))
        assert colouring.wrong(pixels, array) == 0, (run, item)
        if item.endswith("/kernel"):
            assert colouring.wrong(pixels, array[::-1]) > 0


@pytest.mark.parametrize(("scale", "map_"), [("linear", "cividis"), ("symlog", "cividis"), ("symlog", "berlin")])
def test_absolute_values(weights: Tab, scale: str, map_: str) -> None:
    weights.choose(view="weights", quantity="weights", scale=scale, colours=map_)
    weights.settled(ALL, scale=scale, map=map_, absolute="false")
    weights.box("absolute values").check()
    weights.settled(ALL, scale=scale, map=map_, absolute="true")
    arrays = {key: np.abs(array) for key, array in everything("weights").items()}
    limit = max(float(array[np.isfinite(array)].max()) for array in arrays.values())
    colouring = Colouring(scale, 6, map_, limit, 0, limit)
    for (run, item), array in arrays.items():
        signed = logged("weights", run, 30)[item]
        # Inf keeps its sign.
        wanted = np.where(np.isfinite(signed), array, signed)
        assert colouring.wrong(weights.pixels(weights.heatmap(run, item)), wanted) == 0, (run, item)
    assert weights.choices["absolute"] == "on"


def test_what_is_not_finite_is_told_by_gate(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights")
    weights.settled(ALL)
    note = weights.frame.get_by_text("forget gate: 3 NaN, 1 Inf of 40 (10%)")
    expect(note).to_have_count(1)
    kernel, at = weights.heatmap("lstm", "forward/kernel").bounding_box(), note.bounding_box()
    assert kernel is not None
    assert at is not None
    assert kernel["y"] + kernel["height"] <= at["y"] <= kernel["y"] + kernel["height"] + 40
    weights.choose(view="weights", quantity="weights", step="20")
    weights.settled(ALL, step=20)
    expect(note).to_have_count(0)


def test_what_is_not_finite_is_told_beside_an_earlier_step(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights", runs="lstm", earlier="first")
    weights.settled(12)
    expect(weights.frame.get_by_text("forget gate: 3 NaN, 1 Inf of 40 (10%)")).to_have_count(1)


def charts(tab: Tab, count: int, norm: str = "L2") -> list[Locator]:
    found = tab.frame.get_by_role("img", name=re.compile(f": {norm}( norm)? over steps;"))
    expect(found).to_have_count(count)
    return found.all()


def norm_of(quantity: str, run: str, step: int, place: dict[str, Any], order: int) -> float | None:
    gates = weight_data.GATES[run]
    matrix = logged(quantity, run, step)[f"{place['direction']}/{place['matrix']}"].astype(float)
    block = np.split(matrix, len(gates), axis=-1)[gates.index(place["gate"])].ravel()
    finite = block[np.isfinite(block)]
    return float((np.abs(finite) ** order).sum() ** (1 / order)) if finite.size else None


def expect_norms(tab: Tab, quantity: str, norm: str, height: Any) -> None:
    """Every point of every curve lies at its step and its norm."""
    order = int(norm[1])
    limits: dict[str, set[float]] = {}
    largest: dict[str, float] = {}
    for chart in charts(tab, CHARTS, norm):
        place = chart.evaluate("e => ({...e.dataset})")
        limit = float(place["limit"])
        limits.setdefault(place["matrix"], set()).add(limit)
        paths = chart.locator("path.norm").evaluate_all("all => all.map((p) => [p.dataset.run, p.getAttribute('d')])")
        assert {run for run, _ in paths} == {
            run
            for run, gates in weight_data.GATES.items()
            if place["gate"] in gates and place["direction"] in weight_data.DIRECTIONS[run]
        }
        for run, path in paths:
            points = [tuple(map(float, point)) for point in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path)]
            norms = [norm_of(quantity, run, step, place, order) for step in weight_data.STEPS[run]]
            largest[place["matrix"]] = max([largest.get(place["matrix"], 0), *(value or 0 for value in norms)])
            assert len(points) == len(norms)
            for (x, y), step, value in zip(points, weight_data.STEPS[run], norms, strict=True):
                assert value is not None
                assert x == pytest.approx(step / 30 * 1000, abs=0.01)
                assert 100 - y == pytest.approx(100 * height(value, limit), abs=0.02)
    for matrix, found in limits.items():
        assert len(found) == 1
        assert found.pop() == pytest.approx(largest[matrix], rel=1e-5)


@pytest.mark.parametrize("norm", ["L2", "L1"])
def test_norms_of_every_gate_over_steps(weights: Tab, norm: str) -> None:
    weights.choose(view="weights", quantity="weights")
    weights.settled(ALL)
    weights.select("Norm", norm.lower())
    expect_norms(weights, "weights", norm, lambda value, limit: value / limit)


def test_norms_of_gradients_are_drawn_by_decade(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weight_gradients", decades="4")
    weights.settled(ALL)
    expect_norms(weights, "weight_gradients", "L2", lambda value, limit: max(0, 1 + np.log10(value / limit) / 4))


def test_update_ratio_of_every_matrix_over_steps(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights")
    weights.settled(ALL)
    weights.select("Norm", "update_ratio")
    found = charts(weights, 6, "Update ratio")
    usual = weights.frame.locator(".usual-line")
    expect(usual).to_have_count(6)
    axes = {(chart.get_attribute("data-limit"), chart.get_attribute("data-decades")) for chart in found}
    ((limit, decades),) = ((float(limit or ""), float(decades or "")) for limit, decades in axes)

    def height(value: float) -> float:
        return 100 * (1 + math.log10(value / limit) / decades)

    for line in usual.all():
        at = re.fullmatch(r"M0 ([\d.]+)H1000", line.get_attribute("d") or "")
        assert at is not None
        assert 100 - float(at[1]) == pytest.approx(height(1e-3), abs=0.02)
    expect(weights.frame.locator(".usual-ratio title").first).to_contain_text("CS231n")
    for chart in found:
        place = chart.evaluate("e => ({...e.dataset})")
        item = f"{place['direction']}/{place['matrix']}"
        for path in chart.locator("path.norm").all():
            run = path.get_attribute("data-run") or ""
            steps = weight_data.STEPS[run]
            points = [
                tuple(map(float, point))
                for point in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path.get_attribute("d") or "")
            ]
            ratios = {}
            for before, after in itertools.pairwise(steps):
                old, new = (logged("weights", run, step)[item].astype(float) for step in (before, after))
                if np.isfinite(new).all():  # what holds a NaN has no norm
                    ratios[after] = float(np.linalg.norm(new - old) / np.linalg.norm(old)) / (after - before)
            # There is none of the first step.
            assert [x for x, _ in points] == pytest.approx([step / 30 * 1000 for step in ratios], abs=0.01)
            assert [100 - y for _, y in points] == pytest.approx([height(ratio) for ratio in ratios.values()], abs=0.02)
    # Of gradients there is none, and none is offered.
    weights.select("Quantity", "weight_gradients")
    charts(weights, CHARTS, "L2")
    options = weights.frame.get_by_label("Norm", exact=True).locator("option")
    expect(options).to_have_text(["L2", "L1", "L2 of each channel"])


def test_norm_is_read_and_its_step_chosen(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights", runs="lstm")
    weights.settled(6)
    chart = weights.frame.get_by_role("img", name=re.compile("forward kernel, forget gate: L2 norm"))
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    weights.page.mouse.move(box["x"] + box["width"] * 0.36, box["y"] + box["height"] / 2)
    norm = norm_of("weights", "lstm", 10, {"direction": "forward", "matrix": "kernel", "gate": "forget"}, 2)
    expect(weights.readout).to_contain_text("L2 norm, forward kernel, forget gate")
    found = re.search(r"lstm, step 10: ([\d.]+)", weights.readout.inner_text())
    assert found is not None
    assert float(found[1]) == pytest.approx(norm, rel=1e-4)
    weights.page.mouse.click(box["x"] + box["width"] * 0.36, box["y"] + box["height"] / 2)
    weights.settled(6, step=10)
    assert weights.choices["step"] == "10"
    # The same by the keyboard, from the last step back.
    weights.page.mouse.move(5, 5)
    chart.focus()
    chart.press("ArrowLeft")
    expect(weights.readout).to_contain_text("lstm, step 30")
    expect(weights.readout).to_contain_text("3 NaN, 1 Inf of 40 (10%)")
    chart.press("ArrowLeft")
    chart.press("Enter")
    weights.settled(6, step=20)


def test_cell_is_read_with_its_gate_and_unit(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights", runs="gru")
    weights.settled(3)
    weights.point(weights.heatmap("gru", "forward/kernel"), 17, 2)
    value = logged("weights", "gru", 30)["forward/kernel"][2, 17]
    expect(weights.readout).to_contain_text("forward/kernel, row 2, candidate gate, unit 1")
    found = re.search(r": (\u2212?[\d.]+)", weights.readout.inner_text())
    assert found is not None
    assert float(found[1].replace("\u2212", "-")) == pytest.approx(float(value), rel=1e-4)


def test_gates_are_parted_and_named(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights", runs="lstm")
    weights.settled(6)
    drawing = weights.heatmap("lstm", "forward/recurrent_kernel")
    plot = weights.frame.locator(".plot").filter(has=drawing)
    expect(plot.locator(".gates span")).to_have_text(list(weight_data.GATES["lstm"]))
    box = drawing.bounding_box()
    assert box is not None
    for i, line in enumerate(plot.locator(".divider").all()):
        at = line.bounding_box()
        assert at is not None
        assert at["x"] + at["width"] / 2 - box["x"] == pytest.approx((i + 1) * box["width"] / 4, abs=1)


def test_sequence_in_the_address_gives_way_to_weights(weights: Tab) -> None:
    weights.choose(view="weights", quantity="activation")
    weights.settled(ALL, quantity="weights")
    options = weights.frame.get_by_label("Quantity", exact=True).locator("option")
    expect(options).to_have_text(["Weights", "Weight gradients"])
    # And comes back in a view that draws it.
    weights.frame.get_by_role("tab", name="Heatmap").click()
    expect(weights.frame.get_by_label("Quantity", exact=True)).to_have_value("activation")


def test_layer_without_weights_says_so(weights: Tab) -> None:
    weights.choose(view="weights", layer=weight_data.NO_WEIGHTS)
    expect(weights.frame.get_by_text("No weights were recorded of this layer")).to_be_visible()
    expect(weights.heatmaps).to_have_count(0)


def test_layer_without_gates_and_of_more_axes_than_two(weights: Tab) -> None:
    weights.choose(view="weights", layer=weight_data.CONVOLUTION)
    weights.settled(2, layer=weight_data.CONVOLUTION)
    kernel = weight_data.convolution(30)["kernel"].reshape(-1, 4)
    bias = weight_data.convolution(30)["bias"].reshape(1, 4)
    colouring = Colouring.over([kernel, bias], "linear", "vik")
    drawing = weights.heatmap("lstm", "forward/kernel")
    expect(drawing).to_have_attribute("data-shape", "18x4")
    assert colouring.wrong(weights.pixels(drawing), kernel) == 0
    (chart, _) = charts(weights, 2)
    expect(chart).to_have_attribute("data-gate", "")


def test_projection(weights: Tab) -> None:
    weights.choose(view="weights", layer=weight_data.PROJECTED)
    weights.settled(3, layer=weight_data.PROJECTED)
    projection = weights.heatmap("lstm", "forward/projection_kernel")
    expect(projection).to_have_attribute("data-shape", "8x4")
    charts(weights, 9)
    # It has no gates, though it is as wide as there are gates.
    for name, gates in (("kernel", 4), ("projection_kernel", 0)):
        plot = weights.frame.locator(".plot").filter(has=weights.heatmap("lstm", f"forward/{name}"))
        expect(plot.locator(".gates span")).to_have_count(gates)
        expect(plot.locator(".divider")).to_have_count(max(0, gates - 1))
    weights.point(projection, 1, 2)
    expect(weights.readout).to_contain_text("forward/projection_kernel, row 2, column 1:")


def test_steps_norms_are_fetched_once(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights", runs="lstm")
    weights.settled(6)
    charts(weights, 24)
    weights.requests.clear()
    weights.frame.locator("body").press("ArrowLeft")
    weights.settled(6, step=20)
    assert weights.asked("statistics") == []


@pytest.mark.parametrize("shared", ["on", "off"])
@pytest.mark.parametrize("width", [900, 2560])
def test_nothing_is_cut_off_at_any_width(weights: Tab, width: int, shared: str) -> None:
    weights.page.set_viewport_size({"width": width, "height": 900})
    weights.choose(view="weights", quantity="weights", **({"limits": "panel"} if shared == "off" else {}))
    weights.settled(ALL)
    charts(weights, CHARTS)
    room = weights.frame.get_by_role("tabpanel").bounding_box()
    assert room is not None
    for drawing in [*weights.heatmaps.all(), *charts(weights, CHARTS)]:
        box = drawing.bounding_box()
        assert box is not None
        assert box["width"] >= 80
        assert box["x"] + box["width"] <= room["x"] + room["width"]
    assert weights.frame.locator(".view").evaluate("e => e.scrollWidth <= e.clientWidth")


@pytest.mark.parametrize("loader", ["rust"], indirect=True)
def test_axe_finds_nothing_in_either_theme(weights: Tab) -> None:
    for theme in ("Dark", "Light"):
        switch_theme(weights, theme)
        for choices in (
            {"quantity": "weights"},
            {"quantity": "weight_gradients", "limits": "panel", "absolute": "on", "norm": "channels"},
        ):
            weights.choose(view="weights", **choices)
            weights.settled(ALL, quantity=choices["quantity"])
            charts(weights, CHARTS, CHANNELS if "norm" in choices else "L2")
            assert accessibility.violations(weights) == [], (theme, choices)


@pytest.mark.parametrize("loader", ["rust"], indirect=True)
def test_controls_have_their_names(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weight_gradients")
    weights.settled(ALL, quantity="weight_gradients")
    for role, name in (
        ("tab", "Weights"),
        ("tabpanel", "Weights"),
        ("combobox", "Quantity"),
        ("combobox", "Scale"),
        ("combobox", "Decades"),
        ("combobox", "Colours"),
        ("combobox", "Norm"),
        ("combobox", "Limits"),
        ("checkbox", "absolute values"),
        ("checkbox", "norms of channels above"),
        ("group", "In sight"),
    ):
        expect(weights.frame.get_by_role(role, name=name, exact=True)).to_have_count(1)  # type: ignore[arg-type]
    expect(weights.frame.get_by_role("group", name="Samples")).to_have_count(0)
